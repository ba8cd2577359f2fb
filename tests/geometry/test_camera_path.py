"""Paths from the camera of a picture, against closed forms."""

import dataclasses
import math

import pytest
import torch
from picture_cameras import ahead, held_askew, level

from turnaround.geometry.camera_path import Arc, CameraPath, Dolly, DollyZoom, Fly, Spiral, Turntable, Wobble
from turnaround.geometry.easing import Linear, SmoothStep
from turnaround.geometry.paths import UP
from turnaround.geometry.projection import project
from turnaround.geometry.se3 import rotation_about
from turnaround.types import InputError

PIVOT, FRAMES = 2.5, 24
EXACT = {"rtol": 0, "atol": 1e-12}  # a few roundings of float64 on numbers of order 1
CLOSED = {
    "turntable": Turntable(frames=FRAMES, turns=1),
    "two turns to the left": Turntable(frames=FRAMES, turns=-2),
    "spiral": Spiral(frames=FRAMES, turns=1, rise_degrees=20.0, reach=1.2),
    "wobble": Wobble(frames=FRAMES, side_degrees=8.0, up_degrees=2.0),
}
OPEN = {
    "arc": Arc(frames=FRAMES, degrees=-40.0, easing=SmoothStep()),
    "dolly": Dolly(frames=FRAMES, share=0.4, easing=Linear()),
    "dolly zoom": DollyZoom(frames=FRAMES, share=-0.7, easing=SmoothStep()),
    "fly": Fly(frames=FRAMES, reach=2.0, up_degrees=15.0, easing=Linear()),
}
PATHS = CLOSED | OPEN
STARTS = {"level": level(), "askew": held_askew(), "float32": held_askew(torch.float32)}


def point(start):
    pose = start.world_from_cam[0].double()
    return pose[:3, 3] + PIVOT * pose[:3, 2]


def distances(cameras, start):
    return (cameras.world_from_cam[:, :3, 3].double() - point(start)).norm(dim=1)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("name", PATHS)
def test_every_path_begins_at_the_picture_bit_for_bit(name, start):
    path, start = PATHS[name], STARTS[start]
    assert isinstance(path, CameraPath)
    assert path.closed == (name in CLOSED)
    cameras = path.cameras(start, ahead(PIVOT))
    assert len(cameras) == path.frames == FRAMES
    assert (cameras.height, cameras.width) == (start.height, start.width)
    assert torch.equal(cameras.world_from_cam[0], start.world_from_cam[0])
    assert torch.equal(cameras.intrinsics[0], start.intrinsics[0])
    assert cameras.world_from_cam.dtype == cameras.intrinsics.dtype == start.intrinsics.dtype
    rotations = cameras.world_from_cam[:, :3, :3].double()
    identity = torch.eye(3, dtype=torch.float64).expand(FRAMES, 3, 3)
    torch.testing.assert_close(rotations @ rotations.transpose(1, 2), identity, rtol=0, atol=1e-6)  # float32 too


@pytest.mark.parametrize("start", ["level", "askew"])
@pytest.mark.parametrize("name", PATHS)
def test_the_pivot_stays_where_the_axis_is(name, start):
    start = STARTS[start]
    cameras = PATHS[name].cameras(start, ahead(PIVOT))
    pixels, z = project(point(start).expand(FRAMES, 1, 3), cameras)
    torch.testing.assert_close(pixels[:, 0], start.intrinsics[0, :2, 2].expand(FRAMES, 2), rtol=0, atol=1e-9)  # pixels
    torch.testing.assert_close(z[:, 0], distances(cameras, start), **EXACT)


@pytest.mark.parametrize("start", ["level", "askew"])
@pytest.mark.parametrize("turns", [1, -1, 3])
def test_a_turntable_is_the_start_turned_about_the_vertical(turns, start):
    start = STARTS[start]
    cameras = Turntable(frames=FRAMES, turns=turns).cameras(start, ahead(PIVOT))
    for frame in range(FRAMES):
        angle = torch.tensor(math.radians(turns * 360 * frame / FRAMES), dtype=torch.float64)
        turn, pose = rotation_about(UP, angle), start.world_from_cam[0]
        expected = pose.clone()
        expected[:3, :3] = turn @ pose[:3, :3]
        expected[:3, 3] = point(start) + turn @ (pose[:3, 3] - point(start))
        torch.testing.assert_close(cameras.world_from_cam[frame], expected, **EXACT)
    height = start.world_from_cam[0, 1, 3].expand(FRAMES)
    torch.testing.assert_close(cameras.world_from_cam[:, 1, 3], height, **EXACT)
    torch.testing.assert_close(distances(cameras, start), torch.full((FRAMES,), PIVOT).double(), **EXACT)


def test_a_quarter_turn_by_hand():
    """Seen from above: from behind the pivot to its right, looking left."""
    cameras = Turntable(frames=4, turns=1).cameras(level(), ahead(PIVOT))
    expected = torch.tensor([[0, 0, -1, PIVOT], [0, 1, 0, 0], [1, 0, 0, PIVOT], [0, 0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(cameras.world_from_cam[1], expected, **EXACT)


@pytest.mark.parametrize("name", CLOSED)
def test_closed_paths_have_no_seam(name):
    """The step from the last frame to the first is like its neighbours: speed changes no more there than elsewhere."""
    path = dataclasses.replace(CLOSED[name], frames=240)
    eyes = path.cameras(held_askew(), ahead(PIVOT)).world_from_cam[:, :3, 3]
    steps = eyes.roll(-1, 0) - eyes
    jolts = (steps.roll(-1, 0) - steps).norm(dim=1)
    seam = jolts[[-2, -1, 0]].max()  # where the last frame, the first and the second are in the middle
    assert seam <= 1.01 * jolts[1:-2].max()
    assert steps[-1].norm() > 0.5 * steps.norm(dim=1).mean(), "it does not stop"


def test_an_arc_goes_out_to_its_degrees():
    cameras = Arc(frames=3, degrees=90.0, easing=SmoothStep()).cameras(level(), ahead(PIVOT))
    quarter = Turntable(frames=8, turns=1).cameras(level(), ahead(PIVOT))
    torch.testing.assert_close(cameras.world_from_cam, quarter.world_from_cam[:3], **EXACT)  # 0, 45 and 90 degrees


def test_a_wobble_goes_right_and_left_and_home():
    path = Wobble(frames=8, side_degrees=10.0, up_degrees=4.0)
    eyes = path.cameras(level(), ahead(1.0)).world_from_cam[:, :3, 3]
    side, up = torch.atan2(eyes[:, 0], 1 - eyes[:, 2]).rad2deg(), torch.asin(-eyes[:, 1]).rad2deg()
    half = 10 * math.sqrt(0.5)
    expected = torch.tensor([0, half, 10, half, 0, -half, -10, -half], dtype=torch.float64)
    torch.testing.assert_close(side, expected, rtol=0, atol=1e-9)
    expected = torch.tensor([0, 4, 0, -4, 0, 4, 0, -4], dtype=torch.float64)
    torch.testing.assert_close(up, expected, rtol=0, atol=1e-9)


def test_a_spiral_is_highest_and_farthest_half_way():
    cameras = Spiral(frames=4, turns=1, rise_degrees=30.0, reach=2.0).cameras(level(), ahead(1.0))
    eyes = cameras.world_from_cam[:, :3, 3] - torch.tensor([0, 0, 1], dtype=torch.float64)
    torch.testing.assert_close(eyes.norm(dim=1), torch.tensor([1, 1.5, 2, 1.5], dtype=torch.float64), **EXACT)
    highest = torch.tensor([0, -2 * 0.5, 2 * math.sqrt(0.75)], dtype=torch.float64)  # 30 degrees up, opposite
    torch.testing.assert_close(eyes[2], highest, **EXACT)
    sideways = 1.5 * torch.tensor([math.cos(math.radians(15)), -math.sin(math.radians(15)), 0], dtype=torch.float64)
    torch.testing.assert_close(eyes[1], sideways, **EXACT)


def test_a_dolly_goes_straight_and_no_further():
    start = held_askew()
    cameras = Dolly(frames=5, share=0.5, easing=Linear()).cameras(start, ahead(4.0))
    pose = start.world_from_cam[0]
    expected = pose[:3, 3] + torch.arange(5, dtype=torch.float64)[:, None] * 0.5 * pose[:3, 2]
    torch.testing.assert_close(cameras.world_from_cam[:, :3, 3], expected, **EXACT)
    assert torch.equal(cameras.world_from_cam[:, :3, :3], pose[:3, :3].expand(5, 3, 3))
    assert torch.equal(cameras.intrinsics, start.intrinsics.expand(5, 3, 3))


@pytest.mark.parametrize("share", [0.8, -2.0])
def test_a_dolly_zoom_keeps_the_plane_of_the_pivot(share):
    start = held_askew()
    cameras = DollyZoom(frames=FRAMES, share=share, easing=SmoothStep()).cameras(start, ahead(PIVOT))
    corners = torch.tensor([[-0.6, 0.3, PIVOT, 1], [0.7, -0.5, PIVOT, 1]], dtype=torch.float64)
    segment = (corners @ start.world_from_cam[0].T)[:, :3]
    pixels, z = project(segment.expand(FRAMES, 2, 3), cameras)
    torch.testing.assert_close(pixels, pixels[:1].expand_as(pixels), rtol=0, atol=1e-9)  # pixels of up to 64
    torch.testing.assert_close(z[-1], torch.full((2,), (1 - share) * PIVOT).double(), **EXACT)


def test_a_flight_changes_the_size_by_even_factors_and_rises():
    cameras = Fly(frames=4, reach=8.0, up_degrees=30.0, easing=Linear()).cameras(level(), ahead(PIVOT))
    expected = PIVOT * torch.tensor([1, 2, 4, 8], dtype=torch.float64)
    torch.testing.assert_close(distances(cameras, level()), expected, **EXACT)
    up = (cameras.world_from_cam[:, 1, 3] / -expected).asin().rad2deg()
    torch.testing.assert_close(up, torch.tensor([0, 10, 20, 30], dtype=torch.float64), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", PATHS)
def test_one_frame_is_the_start(name):
    cameras = dataclasses.replace(PATHS[name], frames=1).cameras(held_askew(), ahead(PIVOT))
    assert torch.equal(cameras.world_from_cam, held_askew().world_from_cam)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Turntable(frames=0, turns=1), "frames: expected 1 to 100000, found 0"),
        (lambda: Arc(frames=10**6, degrees=1.0, easing=Linear()), r"frames: expected 1 to 100000, found 1e\+06"),
        (lambda: Turntable(frames=2, turns=0), "turns: expected a whole number but 0"),
        (lambda: Spiral(frames=2, turns=1, rise_degrees=90.0, reach=1.0), "rise_degrees: expected less than 90"),
        (lambda: Spiral(frames=2, turns=1, rise_degrees=9.0, reach=0.0), "reach: expected a share above 0, found 0"),
        (lambda: Wobble(frames=2, side_degrees=1.0, up_degrees=-95.0), "up_degrees: .* found -95"),
        (lambda: Wobble(frames=2, side_degrees=math.inf, up_degrees=1.0), "side_degrees: .* found inf"),
        (lambda: Arc(frames=2, degrees=math.nan, easing=Linear()), "degrees: expected degrees, found nan"),
        (lambda: Dolly(frames=2, share=1.0, easing=Linear()), "share: expected less than 1"),
        (lambda: DollyZoom(frames=2, share=1.5, easing=Linear()), "share: expected less than 1"),
        (lambda: Fly(frames=2, reach=-1.0, up_degrees=1.0, easing=Linear()), "reach: expected a share above 0"),
        (lambda: Turntable(frames=2, turns=1).cameras(level(), ahead(0.0)), "pivot: expected metres above 0, found 0"),
        (
            lambda: Turntable(frames=2, turns=1).cameras(level(), ahead(math.nan)),
            "pivot: expected metres above 0, found nan",
        ),
    ],
)
def test_what_makes_no_path_is_refused(make, named):
    with pytest.raises(InputError, match=named):
        make()
