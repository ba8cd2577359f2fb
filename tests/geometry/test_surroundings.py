"""Grounds and walls whose planes are known, and rays into a ball that are met by hand."""

import math
from dataclasses import replace

import pytest
import torch
from inpainting import camera

from turnaround.geometry.paths import turned
from turnaround.geometry.se3 import rigid
from turnaround.geometry.surroundings import (
    ROOM,
    STEEPEST,
    Surroundings,
    ground_of,
    levelled,
    on_ground,
    surroundings_of,
)

HEIGHT, WIDTH = 48, 64
NOWHERE = torch.zeros(3, dtype=torch.float64)


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def before_a_wall(plane, *, wall=0.05):
    """Depth of a plane up to where a wall that faces the camera stands; wall: its 1 / depth."""
    return 1 / on_ground(plane, camera(HEIGHT, WIDTH)).clamp(min=wall)


def facing(pose, height=HEIGHT, width=WIDTH):
    return replace(camera(height, width), world_from_cam=pose[None])


# the last is 38.7 degrees from the camera's own vertical
@pytest.mark.parametrize("plane", [(0.0, 1.0, 0.0), (0.1, 0.5, 0.1), (0.0, 1.0, 0.3), (0.0, 1.0, 0.8)])
def test_the_ground_before_a_wall_is_found_as_it_is(plane):
    depth = before_a_wall(vector(*plane))
    depth[30:40, 10:20] = 0.9  # something stands on it
    depth[26:30, 40:44] = math.nan
    # least squares of exact points in float64
    torch.testing.assert_close(ground_of(depth, camera(HEIGHT, WIDTH)), vector(*plane), atol=1e-9, rtol=0)


def test_the_ground_by_hand():
    """1.5 m below a camera of focal length 64: half a pixel and so many rows below the middle it is 96 m / that."""
    rows = torch.arange(HEIGHT) + 0.5 - HEIGHT / 2
    depth = torch.where(rows > 0, 96 / rows, 1000.0)[:, None].expand(HEIGHT, WIDTH)
    found = ground_of(depth, camera(HEIGHT, WIDTH))
    torch.testing.assert_close(found, vector(0, 2 / 3, 0), atol=1e-6, rtol=0)  # depth is float32


def test_walls_and_slopes_are_no_ground():
    view = camera(HEIGHT, WIDTH)
    assert ground_of(torch.full((HEIGHT, WIDTH), 4.0), view) is None
    slope = math.tan(math.radians(STEEPEST + 2))
    assert ground_of(before_a_wall(vector(0, 1, slope)), view) is None
    assert ground_of(before_a_wall(vector(slope, 1, 0.5)), view) is None


def test_a_small_ground_is_none():
    depth = before_a_wall(vector(0, 1, 0.3))
    depth[:, 8:] = 10.0  # what is left is an eighth of the lower half, and a fifth is asked for
    assert ground_of(depth, camera(HEIGHT, WIDTH)) is None


def test_few_pixels_tell_no_ground():
    whole = before_a_wall(vector(0, 1, 0.3))
    for kept in (0, 2):
        depth = torch.full_like(whole, math.nan)
        depth[30, :kept] = whole[30, :kept]
        assert ground_of(depth, camera(HEIGHT, WIDTH)) is None
    depth = torch.full_like(whole, math.inf)
    depth[30] = whole[30]  # a line lies on many planes
    assert ground_of(depth, camera(HEIGHT, WIDTH)) is None


@pytest.mark.parametrize("plane", [(0.0, 1.0, 0.3), (0.1, 0.5, 0.1), (0.0, 1.0, -0.05)])
def test_levelled_the_ground_is_below(plane):
    found = levelled(before_a_wall(vector(*plane)), camera(HEIGHT, WIDTH)).world_from_cam[0].double()
    normal = torch.nn.functional.normalize(vector(*plane), dim=0)
    # the pose is float32
    torch.testing.assert_close(found[:3, :3] @ normal, vector(0, 1, 0), atol=1e-6, rtol=0)
    torch.testing.assert_close(found[:3, :3] @ found[:3, :3].T, torch.eye(3).double(), atol=1e-6, rtol=0)
    assert torch.linalg.det(found[:3, :3]).item() == pytest.approx(1, abs=1e-6)
    assert (found[:3, 3] == 0).all()
    # the shortest turn: its axis has no vertical part
    assert found[0, 2].item() == pytest.approx(found[2, 0].item(), abs=1e-6)


def test_without_a_ground_the_camera_stays():
    view = camera(HEIGHT, WIDTH)
    assert levelled(torch.full((HEIGHT, WIDTH), 4.0), view) is view


def test_rays_meet_the_ball_and_the_ground_by_hand():
    """Three rows and five columns of focal length 5: rays are (column / 5, row / 5, 1) from the middle."""
    around = Surroundings(centre=vector(0, 0, 4), radius=10.0, ground=NOWHERE)
    found = around.inverse_depth(camera(3, 5))

    def depth(square):  # z^2 square - 8 z + 16 = 100
        return (8 + math.sqrt(64 + 336 * square)) / (2 * square)

    assert found[1, 2].item() == pytest.approx(1 / 14)
    assert found[1, 0].item() == pytest.approx(1 / depth(1.16))
    assert found[0, 0].item() == pytest.approx(1 / depth(1.2))
    # 2 m below: 10 m away one row below the middle, before the ball; the rows above never meet it
    floored = replace(around, ground=vector(0, 0.5, 0)).inverse_depth(camera(3, 5))
    assert floored[2].tolist() == pytest.approx([0.1] * 5)
    assert torch.equal(floored[:2], found[:2])
    lower = rigid(torch.eye(3).double(), vector(0, 1, 0))
    assert replace(around, ground=vector(0, 0.5, 0)).inverse_depth(facing(lower, 3, 5))[2].tolist() == [0.2] * 5


@pytest.mark.parametrize(("side", "expected"), [(1.0, 7.0), (-1.0, 13.0)])
def test_turned_and_moved_cameras_meet_the_ball_by_hand(side, expected):
    """3 m beside the centre, looking along x or against it."""
    turn = torch.stack([vector(0, 0, -side), vector(0, 1, 0), vector(side, 0, 0)], dim=1)
    around = Surroundings(centre=vector(0, 0, 4), radius=10.0, ground=NOWHERE)
    found = around.inverse_depth(facing(rigid(turn, vector(3, 0, 4)), 3, 5))
    assert found[1, 2].item() == pytest.approx(1 / expected)


def test_the_ball_has_room_for_all_cameras_and_most_of_what_is_seen():
    depth, centre = torch.full((HEIGHT, WIDTH), 4.0), vector(0, 0, 4)
    far = camera(HEIGHT, WIDTH, 2)
    far.world_from_cam[1, :3, 3] = torch.tensor([0.0, 0.0, 44.0])
    around = surroundings_of(depth, camera(HEIGHT, WIDTH), far, centre)
    assert around.radius == ROOM * 40
    assert (around.ground == 0).all()
    # from there it is 10 m ahead; the rays beside the middle are half a pixel of 64 off
    assert around.inverse_depth(far.at(1)).amin().item() == pytest.approx(0.1, rel=1e-3)
    near = camera(HEIGHT, WIDTH)
    near.world_from_cam[0, :3, 3] = torch.tensor([0.0, 0.0, 3.9])
    slanted = 1 / torch.linspace(0.02, 1, WIDTH).expand(HEIGHT, WIDTH)
    around = surroundings_of(slanted, camera(HEIGHT, WIDTH), near, vector(0, 0, 0))
    # of 64 columns three are a twentieth; the third of them is 1 / 0.051 m away along z, at a slant of less than 1.2
    assert 1 / 0.083 < around.radius < 1.2 / 0.035


def test_the_ground_of_a_turned_and_moved_camera_is_right_in_the_world():
    """The ground lies at y = 1.5, 2 m below a camera that is turned by 30 degrees and looks down by 10."""
    start = rigid(torch.eye(3).double(), vector(2, -0.5, 3))
    angles = vector(math.radians(30)), vector(math.radians(-10))
    pose = turned(start, vector(2, -0.5, 3), *angles)[0]
    assert pose[1, 2].item() == pytest.approx(math.sin(math.radians(10)))
    plane = pose[:3, :3].T @ vector(0, 0.5, 0)
    first = facing(pose)
    around = surroundings_of(before_a_wall(plane), first, first, vector(2, -0.5, 9))
    torch.testing.assert_close(around.ground, vector(0, 2 / 3, 0), atol=1e-9, rtol=0)
    # a level camera elsewhere, 1 m above: the lowest row's ray falls by (47.5 - 24) / 64 for each metre
    other = facing(rigid(torch.eye(3).double(), vector(0, 0.5, 2)))
    assert around.inverse_depth(other)[-1].tolist() == pytest.approx([23.5 / 64] * WIDTH)
