"""After rectification a point lies on one row of both crops, disparity = f * baseline / z; and which axes are whose."""

from functools import partial

import pytest
import torch

from turnaround.geometry.lenses import lens_pixels, perspective_lens
from turnaround.geometry.rectification import eye_from_rectified, rectified
from turnaround.geometry.se3 import invert, rigid, rotation_about, transform
from turnaround.types import DropError, RigPoses

close = partial(torch.testing.assert_close, rtol=0.0, atol=1e-9)  # float64 over a few hundred pixels


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def turned(x, y, z):
    """A rotation by a vector in degrees."""
    by = vector(x, y, z).deg2rad()
    return rotation_about(by, by.norm())


@pytest.fixture
def rig():
    """A crooked one, which moves."""
    centre = 0.063 * torch.nn.functional.normalize(vector(1, 0.04, -0.03), dim=0)
    poses = torch.stack([rigid(turned(3, 20, 1), vector(1, 2, 3)), torch.full((4, 4), torch.nan, dtype=torch.float64)])
    return RigPoses(
        world_from_left=poses,
        left_from_right=rigid(turned(0.7, -1.1, 0.9), centre),
        points=torch.zeros(0, 3, dtype=torch.float64),
        residual=0.0,
        observations=0,
    )


def test_points_lie_on_one_row_and_disparity_tells_their_depth(rig):
    found = rectified(rig)
    assert found.baseline == pytest.approx(0.063)
    random = torch.Generator().manual_seed(0)
    in_left = (torch.rand(50, 3, generator=random, dtype=torch.float64) - 0.5) * vector(1, 1, 3) + vector(0, 0, 3)
    in_right = transform(invert(rig.left_from_right), in_left)
    lens = perspective_lens(512, 60.0)
    # a ray of the filmed eye, in the rectified frame: the inverse of a rotation is its transpose
    eyes = [points @ turn for points, turn in zip((in_left, in_right), found.eye_from_rectified, strict=True)]
    left, right = (lens_pixels(lens, points) for points in eyes)
    close(left[:, 1], right[:, 1])
    focal = float(lens.intrinsics[0, 0])
    close(left[:, 0] - right[:, 0], focal * 0.063 / eyes[0][:, 2])


def test_the_rectified_pose_shows_the_same_points(rig):
    found = rectified(rig)
    in_left = vector(0.3, -0.2, 4)[None]
    world = transform(rig.world_from_left[0], in_left)
    close(transform(invert(found.world_from_left[0]), world), in_left @ found.eye_from_rectified[0])
    assert found.world_from_left[1].isnan().any()  # not found before, nor after
    to_right = transform(invert(found.world_from_left[0]), (rig.world_from_left[0] @ rig.left_from_right)[None, :3, 3])
    close(to_right, vector(0.063, 0, 0)[None])


def test_axes_of_a_level_and_of_a_squinting_rig():
    level = rigid(torch.eye(3, dtype=torch.float64), vector(0.1, 0, 0))
    close(eye_from_rectified(level), torch.eye(3, dtype=torch.float64).expand(2, 3, 3))
    # the right eye looks 4 degrees to the left: the mean looks 2 to the left, and the line between lies across 0
    squinting = rigid(turned(0, -4, 0), vector(0.1, 0, 0))
    found = eye_from_rectified(squinting)
    close(found[0], torch.eye(3, dtype=torch.float64))
    close(found[1], turned(0, 4, 0))
    # a line that sinks by 3 degrees to the right is rolled after
    sunk = rigid(torch.eye(3, dtype=torch.float64), vector(0.1, 0.1 * 0.0524077792830412, 0))  # tan 3 degrees
    close(eye_from_rectified(sunk), turned(0, 0, 3).expand(2, 3, 3))


def test_eyes_that_do_not_stand_side_by_side_are_dropped():
    for centre, value in ((vector(-0.1, 0, 0), "180"), (vector(0, 0.1, 0), "90"), (vector(0, 0, 0), "90")):
        with pytest.raises(DropError, match=f"eyes not side by side: {value} against 45"):
            eye_from_rectified(rigid(torch.eye(3, dtype=torch.float64), centre))
