"""A wall five metres away with a box before it: where paths must stop."""

import math

import pytest
import torch
from picture_cameras import HEIGHT, WIDTH, ahead, level

from turnaround.geometry.camera_path import Arc, Dolly, Turntable
from turnaround.geometry.clearance import stopped_before
from turnaround.geometry.easing import Linear


@pytest.fixture
def depth():
    """The wall, a box that covers the middle at 2 metres, and a column at the right of which nothing is known."""
    depth = torch.full((HEIGHT, WIDTH), 5.0)
    depth[16:32, 24:40] = 2.0
    depth[:, 60:] = torch.nan
    return depth


def straight(*, pivot=4.0):
    """Metre by tenth of a metre along the axis, from 0 to 3.9."""
    return Dolly(frames=40, share=39 / 40, easing=Linear()).cameras(level(), ahead(pivot))


@pytest.mark.parametrize(
    ("distance", "thickness", "frame"), [(0.55, math.inf, 15), (0.05, 0.5, 20), (0.05, math.inf, 20)]
)
def test_a_dolly_into_the_box_stops_before_it(depth, distance, thickness, frame):
    cameras = straight()  # frame n stands n / 10 metres on; 2 - distance lies between two frames
    stopped = stopped_before(cameras, depth, level(), distance=distance, thickness=thickness)
    assert stopped.frame == frame
    assert len(stopped.cameras) == 40
    assert torch.equal(stopped.cameras.world_from_cam[:frame], cameras.world_from_cam[:frame])
    held = cameras.world_from_cam[frame - 1].expand(40 - frame, 4, 4)
    assert torch.equal(stopped.cameras.world_from_cam[frame:], held)


def test_a_path_that_is_clear_comes_back_as_it_is(depth):
    cameras = straight(pivot=1.5)  # 1.46 metres on at the end
    stopped = stopped_before(cameras, depth, level(), distance=0.5, thickness=math.inf)
    assert stopped.frame is None
    assert stopped.cameras is cameras


def test_nothing_is_said_of_what_is_unknown_or_outside(depth):
    assert (
        stopped_before(straight(), torch.full_like(depth, torch.nan), level(), distance=1.0, thickness=9.0).frame
        is None
    )
    backwards = Dolly(frames=9, share=-2.0, easing=Linear()).cameras(level(), ahead(3.0))
    assert stopped_before(backwards, depth, level(), distance=9.0, thickness=math.inf).frame is None
    arc = Arc(frames=10, degrees=90.0, easing=Linear()).cameras(level(), ahead(4.0))  # leaves a picture of 60 degrees
    assert stopped_before(arc, torch.full_like(depth, 9.0), level(), distance=5.5, thickness=math.inf).frame is None


def test_the_start_is_kept_however_near_it_is(depth):
    stopped = stopped_before(straight(), depth, level(), distance=4.0, thickness=math.inf)
    assert stopped.frame == 1
    assert torch.equal(stopped.cameras.world_from_cam, level().world_from_cam.expand(40, 4, 4))


def test_space_far_behind_what_is_seen_may_count_as_free(depth):
    """Around the box at its centre, 3 metres on: the way leads behind it, between it and the wall."""
    cameras = Turntable(frames=72, turns=1).cameras(level(), ahead(2.3))
    assert stopped_before(cameras, depth, level(), distance=0.2, thickness=1.0).frame is None  # the wall is at 5
    frame = stopped_before(cameras, depth, level(), distance=0.2, thickness=math.inf).frame
    eye = cameras.world_from_cam[frame, :3, 3]
    column = float(WIDTH / 2 + level().intrinsics[0, 0, 0] * eye[0] / eye[2])
    assert 24 <= column < 40, "the first that the box hides"
    before = cameras.world_from_cam[frame - 1, :3, 3]
    assert WIDTH / 2 + level().intrinsics[0, 0, 0] * before[0] / before[2] >= 40
