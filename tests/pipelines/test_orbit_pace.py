"""How much of each frame is new, and paths that it slows down."""

from dataclasses import replace

import pytest
import torch
from small_orbits import PIVOT, SURFACES, scenes, view_of

from turnaround.geometry.camera_path import Arc, Dolly, Turntable
from turnaround.geometry.easing import Linear, SmoothStep
from turnaround.geometry.surroundings import surroundings_of
from turnaround.pipelines.orbit.growth import observed
from turnaround.pipelines.orbit.pace import Pace, new_shares
from turnaround.types import InputError

HEIGHT, WIDTH = 96, 128


@pytest.fixture(scope="module")
def first():
    """A wall at 8 metres with nothing before it."""
    _, without = scenes(height=HEIGHT, width=WIDTH, frames=1)
    return observed(view_of(without, 0))


def film(path, first):
    start = first.view.camera
    cameras = path.cameras(start, PIVOT.float())
    return cameras, surroundings_of(first.view.depth, start, cameras, PIVOT)


def test_a_camera_that_stands_or_goes_straight_ahead_shows_nothing_new(first):
    path = Dolly(frames=5, share=0.1, easing=Linear())
    cameras, around = film(path, first)
    assert float(new_shares(cameras, first, around, SURFACES, closed=False).max()) < 0.02
    still = replace(path, share=0.0).cameras(first.view.camera, PIVOT.float())
    assert float(new_shares(still, first, around, SURFACES, closed=False).max()) == 0


def test_a_camera_that_turns_shows_a_strip_that_is_as_wide_as_its_step(first):
    """About a pivot in its own place nearly, so that nothing but the turn counts."""
    path = Arc(frames=4, degrees=9.0, easing=Linear())
    start = first.view.camera
    here = torch.tensor([0.0, 0.0, 1e-3])
    cameras = path.cameras(start, here)
    around = surroundings_of(first.view.depth, start, cameras, here.double())
    new = new_shares(cameras, first, around, SURFACES, closed=False)
    focal = float(start.intrinsics[0, 0, 0])
    strip = focal * torch.tensor(3.0).deg2rad().tan() / WIDTH
    assert len(new) == 3
    assert float(new.min()) > 0.8 * strip
    assert float(new.max()) < 2.5 * strip  # near the edge of a picture more passes than in its middle


def test_a_closed_path_counts_the_step_from_its_end_to_its_start(first):
    cameras, around = film(Turntable(frames=12, turns=1), first)
    new = new_shares(cameras, first, around, SURFACES, closed=True)
    assert len(new) == 12
    assert float(new[-1]) > 0.2  # thirty degrees


def spread(pace, path, first):
    paced = pace.spread(path, first, PIVOT.float(), PIVOT, SURFACES)
    return paced["times"], float(paced["most"])


def test_it_says_how_many_frames_would_be_enough(first):
    pace, path = Pace(share=0.25, fastest=2.0, gentle=0.1), Turntable(frames=12, turns=1)
    times, most = spread(pace, path, first)
    assert len(times) == 12
    assert most > 0.25
    warning = pace.warnings(12, most)[0]
    frames = int(warning.split("path.frames=")[1].split()[0])
    assert 12 < frames < 60
    _, most = spread(pace, replace(path, frames=frames), first)
    assert most < 1.1 * pace.share


def test_a_paced_path_stays_on_its_circle(first):
    path, start = Turntable(frames=12, turns=1), first.view.camera
    times, _ = spread(Pace(share=0.1, fastest=2.0, gentle=0.1), path, first)
    assert not torch.equal(times, path.times())
    paced = path.cameras_at(times, start, PIVOT.float())
    assert torch.equal(paced.world_from_cam[0], start.world_from_cam[0])
    away = (paced.world_from_cam[:, :3, 3].double() - PIVOT).norm(dim=1)
    assert away.tolist() == pytest.approx([4.0] * 12, abs=1e-5)


def test_a_path_that_shows_little_at_once_keeps_its_times_and_a_share_of_1_keeps_any(first):
    path = Arc(frames=30, degrees=3.0, easing=SmoothStep())
    times, most = spread(Pace(share=0.15, fastest=2.0, gentle=0.1), path, first)
    assert torch.equal(times, path.times())
    assert 0 < most < 0.15
    quick = Turntable(frames=3, turns=1)
    assert torch.equal(spread(Pace(share=1.0, fastest=2.0, gentle=0.1), quick, first)[0], quick.times())
    assert Pace(share=0.15, fastest=2.0, gentle=0.1).warnings(30, most) == ()


def test_one_frame_has_no_pace(first):
    times, most = spread(Pace(share=0.1, fastest=2.0, gentle=0.1), Turntable(frames=1, turns=1), first)
    assert times.tolist() == [0]
    assert most == 0


@pytest.mark.parametrize(
    ("wrong", "named"), [({"share": 0.0}, "share"), ({"fastest": 0.5}, "fastest"), ({"gentle": 0.5}, "gentle")]
)
def test_it_refuses_what_makes_no_sense(wrong, named):
    with pytest.raises(InputError, match=named):
        Pace(**{"share": 0.1, "fastest": 2.0, "gentle": 0.1} | wrong)
