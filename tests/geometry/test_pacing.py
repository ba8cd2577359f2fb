"""Times that are spread along a path by what is new in each frame."""

import pytest
import torch

from turnaround.geometry.pacing import frames_for, paced

STEPS = 60
LIMITS = {"share": 0.1, "fastest": 2.0, "gentle": 0.05}


def even(frames=STEPS + 1):
    return torch.linspace(0, 1, frames, dtype=torch.float64)


def shown(times, new):
    """The share that is new in each step: of a path whose step n of equal times shows new[n]."""
    known = torch.cat([torch.zeros(1, dtype=torch.float64), new.double().cumsum(0)])
    place = times * len(new)
    low = place.long().clamp(max=len(new) - 1)
    return torch.lerp(known[low], known[low + 1], place - low).diff()


def test_a_path_with_little_new_comes_back_as_it_is():
    times = even()
    assert paced(times, torch.full((STEPS,), 0.1, dtype=torch.float64), closed=False, **LIMITS) is times


@pytest.mark.parametrize("gentle", [0.0, 0.05, 0.25])
def test_it_goes_slower_where_much_is_new_and_faster_elsewhere(gentle):
    new = torch.full((STEPS,), 0.02)
    new[40:50] = 0.15
    times = paced(even(), new, closed=False, share=0.1, fastest=2.0, gentle=gentle)
    assert times.dtype == torch.float64
    assert float(times[0]) == 0
    assert float(times[-1]) == 1
    steps = times.diff() * STEPS
    assert float(shown(times, new).max()) <= 0.1 + 1e-8
    assert float(steps[times[1:] < 0.4].min()) > 1  # what it costs is taken from elsewhere
    assert float(steps.max()) <= 2 + 1e-8
    assert float(steps.min()) > 0


def test_the_pace_changes_gently():
    new = torch.full((STEPS,), 0.02)
    new[40:50] = 0.15
    sudden, gentle = (
        paced(even(), new, closed=False, share=0.1, fastest=2.0, gentle=part).diff().diff().abs().max() * STEPS
        for part in (0.0, 0.05)
    )
    assert float(gentle) < 0.6 * float(sudden)


def test_being_gentle_takes_no_time_that_is_needed():
    new = torch.full((120,), 0.05)
    new[::20] = 0.25  # as much time as there is, if all around them were slowed down as well
    times = paced(even(121), new, closed=False, **LIMITS)
    assert float(shown(times, new).max()) <= 0.1 + 1e-8


def test_with_too_little_time_all_steps_are_equally_new():
    new = torch.full((STEPS,), 0.2)
    new[:30] = 0.4
    times = paced(even(), new, closed=False, share=0.1, fastest=4.0, gentle=0.05)
    assert shown(times, new).tolist() == pytest.approx([0.3] * STEPS)


def test_no_step_is_faster_than_it_may_be():
    new = torch.tensor([0.9] * 30 + [0.0] * 30)
    times = paced(even(), new, closed=False, share=0.1, fastest=1.5, gentle=0.0)
    assert float(times.diff().max()) * STEPS <= 1.5 + 1e-8
    endless = paced(even(), new, closed=False, share=0.1, fastest=float("inf"), gentle=0.0)
    assert shown(endless, new).tolist() == pytest.approx([0.45] * STEPS)


def test_a_closed_path_goes_slower_across_its_seam():
    times = torch.arange(STEPS, dtype=torch.float64) / STEPS
    new = torch.full((STEPS,), 0.02)
    new[-5:] = new[:5] = 0.18
    slowed = paced(times, new, closed=True, **LIMITS)
    assert len(slowed) == STEPS
    assert float(slowed[0]) == 0
    round_ = torch.cat([slowed, torch.ones(1, dtype=torch.float64)])
    steps = round_.diff() * STEPS
    assert float(shown(round_, new).max()) <= 0.1 + 1e-8
    assert float(steps[[0, -1]].max()) <= 0.1 / 0.18 + 1e-6
    assert float(steps[20:40].min()) > 1


@pytest.mark.parametrize("frames", [2, 3, 4, 7])
@pytest.mark.parametrize("closed", [False, True])
def test_few_frames_stay_in_order(frames, closed):
    times = torch.arange(frames, dtype=torch.float64) / (frames if closed else frames - 1)
    new = torch.linspace(0.05, 0.9, frames if closed else frames - 1)
    slowed = paced(times, new, closed=closed, share=0.1, fastest=2.0, gentle=0.25)
    assert float(slowed[0]) == 0
    assert (slowed.diff() > 0).all()
    assert float(slowed[-1]) < 1 if closed else float(slowed[-1]) == 1


def test_easing_stays():
    """Times that are uneven are spread between their own values."""
    eased = even() ** 2
    new = torch.full((STEPS,), 0.02)
    new[40:50] = 0.15
    slowed = paced(eased, new, closed=False, **LIMITS)
    # between 0 and the first time of t² the straight line is off by most: 1 / (4 STEPS) of t
    assert torch.allclose(slowed.sqrt(), paced(even(), new, closed=False, **LIMITS), atol=1 / (2 * STEPS))


def test_how_many_frames_would_do():
    assert frames_for(120, 0.3, 0.1) == 360
    assert frames_for(48, 0.174, 0.1) == 84
