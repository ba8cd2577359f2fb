"""Frames that are spread along a path by what is new in each."""

import pytest
import torch
from picture_cameras import ahead, level

from turnaround.geometry.camera_path import Arc, Turntable
from turnaround.geometry.easing import Linear
from turnaround.geometry.pacing import frames_for, paced
from turnaround.geometry.paths import turned_degrees

FRAMES = 61
LIMITS = {"share": 0.1, "fastest": 2.0, "gentle": 0.05}


def arc():
    return Arc(frames=FRAMES, degrees=60.0, easing=Linear()).cameras(level(), ahead(4.0))  # a degree a step


def test_a_path_with_little_new_comes_back_as_it_is():
    cameras = arc()
    new = torch.full((FRAMES - 1,), 0.1, dtype=torch.float64)
    assert paced(cameras, new, closed=False, **LIMITS) is cameras


def test_it_goes_slower_where_much_is_new_and_faster_elsewhere():
    cameras, new = arc(), torch.full((FRAMES - 1,), 0.02)
    new[40:50] = 0.15  # of a degree: at most 2/3 of a degree may pass from frame to frame
    slowed = paced(cameras, new, closed=False, **LIMITS)
    turned = -turned_degrees(slowed.world_from_cam)
    assert len(slowed) == FRAMES
    assert torch.equal(slowed.world_from_cam[0], cameras.world_from_cam[0])
    assert torch.equal(slowed.world_from_cam[-1], cameras.world_from_cam[-1])
    gaps = turned.diff()
    assert (gaps > 0).all()
    inside = (turned[:-1] >= 40) & (turned[1:] <= 50)
    assert inside.any()
    assert float(gaps[inside].max()) < 2 / 3 + 0.01
    assert float(gaps[turned[1:] < 30].min()) > 1  # what it costs is taken from elsewhere
    assert float(gaps.max()) < 2.01
    assert float(gaps.diff().abs().max()) < 0.3  # no jerk
    centre = torch.tensor([0.0, 0.0, 4.0]).double()
    away = (slowed.world_from_cam[:, :3, 3].double() - centre).norm(dim=1)
    assert float((away - 4.0).abs().max()) < 1e-4  # it is the same path


def test_with_too_little_time_all_steps_are_equally_new():
    cameras, new = arc(), torch.full((FRAMES - 1,), 0.2)
    new[:30] = 0.4
    slowed = paced(cameras, new, closed=False, share=0.1, fastest=4.0, gentle=0.0)
    turned = -turned_degrees(slowed.world_from_cam)
    early, late = turned.diff()[turned[1:] < 28], turned.diff()[turned[:-1] > 32]
    assert float(early.mean() / late.mean()) == pytest.approx(0.5, abs=0.01)


def test_a_closed_path_stays_closed_and_goes_slower_across_its_seam():
    cameras = Turntable(frames=60, turns=1).cameras(level(), ahead(4.0))
    new = torch.full((60,), 0.02)
    new[-5:] = new[:5] = 0.18
    slowed = paced(cameras, new, closed=True, **LIMITS)
    assert len(slowed) == 60
    assert torch.equal(slowed.world_from_cam[0], cameras.world_from_cam[0])
    turned = turned_degrees(torch.cat([slowed.world_from_cam, slowed.world_from_cam[:1]]))
    turns = (-turned.diff()).remainder(360)
    assert float(turns.sum()) == pytest.approx(360, abs=1e-3)
    assert float(turns[[0, 1, -2, -1]].max()) < 6 * 0.1 / 0.18 + 0.05
    assert float(turns[20:40].min()) > 6


def test_how_many_frames_would_do():
    assert frames_for(120, 0.3, 0.1) == 360
    assert frames_for(48, 0.174, 0.1) == 84
