"""Paths through key frames: exact at them, smooth between them."""

import math
from dataclasses import replace

import pytest
import torch
from picture_cameras import ahead, held_askew

from turnaround.geometry.camera_path import Arc, Turntable
from turnaround.geometry.easing import Linear
from turnaround.geometry.key_frames import KeyFrame, KeyFrames, spline
from turnaround.geometry.se3 import rigid, rotation_about
from turnaround.types import InputError, Pinhole

PIVOT = 2.0


def turned(degrees, *, centre=(0.0, 0.0, 0.0), focal=50.0):
    """A camera turned about the world's y axis."""
    turn = rotation_about(torch.tensor([0.0, 1.0, 0.0]), torch.tensor(math.radians(degrees)))
    k = torch.tensor([[focal, 0, 32], [0, focal, 24], [0, 0, 1]])
    return Pinhole(world_from_cam=rigid(turn, torch.tensor(centre))[None], intrinsics=k[None], height=48, width=64)


def circle(frames):
    return Turntable(frames=frames, turns=1).cameras(held_askew(), ahead(PIVOT))


def test_key_frames_of_a_path_are_met_bit_for_bit():
    cameras = circle(24)
    keys = KeyFrames.along(cameras, 8, closed=True)
    assert [key.time for key in keys.frames] == [number / 8 for number in range(8)]
    found = keys.cameras(24)
    assert torch.equal(found.world_from_cam[::3], cameras.world_from_cam[::3])
    torch.testing.assert_close(found.intrinsics, cameras.intrinsics, rtol=1e-14, atol=0)  # logarithms and back
    assert not torch.equal(found.world_from_cam[1], cameras.world_from_cam[1])


def test_an_open_path_keeps_both_ends():
    cameras = Arc(frames=10, degrees=60.0, easing=Linear()).cameras(held_askew(), ahead(PIVOT))
    keys = KeyFrames.along(cameras, 3, closed=False)
    assert [key.time for key in keys.frames] == [0, pytest.approx(4 / 9), 1]
    found = keys.cameras(10).world_from_cam
    assert torch.equal(found[[0, 4, 9]], cameras.world_from_cam[[0, 4, 9]])


def test_a_circle_stays_nearly_one():
    """Of Catmull-Rom splines through n points of a unit circle, half-way between two of them the distance from the
    centre is cos(a / 2) + sin(a) sin(a / 2) / 4 with a = 360 / n degrees: the Hermite formula, by hand."""
    keys = KeyFrames.along(circle(16), 8, closed=True)
    poses = keys.cameras(16).world_from_cam
    start = held_askew().world_from_cam[0]
    pivot = start[:3, 3] + PIVOT * start[:3, 2]
    axis = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    away = poses[1::2, :3, 3] - pivot
    flat = away - (away @ axis)[:, None] * axis
    radius = (start[:3, 3] - pivot - ((start[:3, 3] - pivot) @ axis) * axis).norm()
    a = math.radians(45)
    expected = math.cos(a / 2) + math.sin(a) * math.sin(a / 2) / 4
    assert (flat.norm(dim=1) / radius).tolist() == pytest.approx([expected] * 8, abs=1e-12)
    # By symmetry the camera half-way has turned half the angle, the seam at the end included.
    exact = circle(16).world_from_cam[1::2, :3, :3]
    torch.testing.assert_close(poses[1::2, :3, :3], exact, atol=1e-12, rtol=0)


def test_half_way_between_two_is_the_mean():
    keys = KeyFrames(frames=(KeyFrame(camera=turned(0), time=0.0),), closed=False)
    keys = keys.placed(turned(90, centre=(2.0, 0.0, 4.0), focal=200.0), 1.0)
    middle = keys.cameras(3).at(1)
    expected = turned(45, centre=(1.0, 0.0, 2.0), focal=100.0)  # the geometric mean of the focal lengths
    torch.testing.assert_close(middle.world_from_cam, expected.world_from_cam, atol=1e-6, rtol=0)
    torch.testing.assert_close(middle.intrinsics, expected.intrinsics)


def test_the_spline_is_exact_for_parabolas_at_uneven_times():
    times = torch.tensor([0.0, 0.1, 0.5, 0.7, 1.0], dtype=torch.float64)
    at = torch.linspace(0.1, 0.7, 50, dtype=torch.float64)  # between inner ones
    found = spline(times, (3 * times**2 - times)[:, None], at)
    torch.testing.assert_close(found[:, 0], 3 * at**2 - at)


def test_it_rests_before_the_first_and_after_the_last():
    keys = KeyFrames(
        frames=(KeyFrame(camera=turned(0), time=0.25), KeyFrame(camera=turned(30), time=0.75)), closed=False
    )
    poses = keys.cameras(5).world_from_cam
    torch.testing.assert_close(poses[0], poses[1], atol=1e-6, rtol=0)
    torch.testing.assert_close(poses[4], poses[3], atol=1e-6, rtol=0)


@pytest.mark.parametrize("closed", [True, False])
def test_one_key_frame_is_a_still_camera(closed):
    keys = KeyFrames(frames=(KeyFrame(camera=turned(20), time=0.5),), closed=closed)
    torch.testing.assert_close(
        keys.cameras(4).world_from_cam, turned(20).world_from_cam.expand(4, 4, 4), atol=1e-6, rtol=0
    )


def test_adding_moving_and_deleting():
    one, two, three = (turned(angle) for angle in (0, 10, 20))
    keys = KeyFrames(frames=(KeyFrame(camera=one, time=0.5),), closed=False).placed(three, 1.0).placed(two, 0.0)
    assert [key.camera for key in keys.frames] == [two, one, three]
    assert [key.camera for key in keys.placed(three, 0.5).frames] == [two, three, three]
    assert [(key.camera, key.time) for key in keys.moved(0, 0.75).frames] == [(one, 0.5), (two, 0.75), (three, 1.0)]
    assert [key.camera for key in keys.without(1).frames] == [two, three]


def test_joining_and_parting():
    keys = KeyFrames.along(circle(8), 4, closed=True)
    parted = keys.parted()
    assert [key.time for key in parted.frames] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    joined = parted.joined()
    assert joined.closed
    assert [key.time for key in joined.frames] == pytest.approx([0, 0.25, 0.5, 0.75])
    assert keys.joined() is keys
    assert parted.parted() is parted


def test_what_is_no_path_is_refused():
    key = KeyFrame(camera=turned(0), time=0.5)
    keys = KeyFrames(frames=(key, KeyFrame(camera=turned(9), time=0.75)), closed=True)
    with pytest.raises(InputError, match="at least one"):
        KeyFrames(frames=(), closed=False)
    with pytest.raises(InputError, match="time: expected 0 to 1, and below 1"):
        keys.moved(0, 1.0)
    with pytest.raises(InputError, match="different times"):
        keys.moved(0, 0.75)
    with pytest.raises(InputError, match="one size"):
        keys.placed(replace(turned(0), height=50), 0.1)
    with pytest.raises(InputError, match="frames"):
        keys.cameras(0)
