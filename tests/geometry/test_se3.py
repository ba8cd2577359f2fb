import math

import pytest
import torch

from turnaround.geometry.se3 import (
    distance_to_rotation,
    invert,
    look_at,
    quaternion_from_rotation,
    rigid,
    rotation_about,
    rotation_from_quaternion,
    transform,
)

UP = torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64)
EXACT = {"rtol": 0, "atol": 1e-12}  # a few roundings of float64 on numbers of order 1 to 10


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cross_matrix(axis):
    return torch.linalg.cross(axis.expand(3, 3), torch.eye(3, dtype=axis.dtype), dim=-1).T


@pytest.fixture
def motions():
    return rigid(rotation_about(random(5, 3, seed=1), random(5, seed=2)), random(5, 3, seed=3))


def test_rigid_maps_points_as_its_docstring_says(motions):
    points = random(5, 7, 3)
    rotated = torch.stack([torch.stack([motions[i, :3, :3] @ p for p in points[i]]) for i in range(5)])
    torch.testing.assert_close(transform(motions, points), rotated + motions[:, None, :3, 3], **EXACT)
    assert torch.equal(motions[:, 3], torch.tensor([0.0, 0, 0, 1], dtype=torch.float64).expand(5, 4))


def test_transform_of_a_product_is_one_after_the_other(motions):
    points = random(4, 3)
    a_from_b, b_from_c = motions[0], motions[1]
    torch.testing.assert_close(
        transform(a_from_b @ b_from_c, points), transform(a_from_b, transform(b_from_c, points)), **EXACT
    )


def test_inverse_is_the_matrix_inverse(motions):
    torch.testing.assert_close(invert(motions), torch.linalg.inv(motions), **EXACT)
    torch.testing.assert_close(invert(motions[0]) @ motions[0], torch.eye(4, dtype=torch.float64), **EXACT)


def test_rotation_is_the_exponential_of_its_cross_product():
    axes, angles = random(20, 3), random(20, seed=1) * 4
    expected = torch.stack(
        [torch.linalg.matrix_exp(t * cross_matrix(a / a.norm())) for a, t in zip(axes, angles, strict=True)]
    )
    torch.testing.assert_close(rotation_about(axes, angles), expected, **EXACT)


def test_rotation_is_right_handed():
    quarter = rotation_about(torch.tensor([0.0, 0, 5], dtype=torch.float64), torch.tensor(math.pi / 2).double())
    turned = quarter @ torch.tensor([1.0, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(turned, torch.tensor([0.0, 1, 0], dtype=torch.float64), rtol=0, atol=1e-7)


def test_looking_along_z_from_the_origin_is_the_identity():
    pose = look_at(torch.zeros(3).double(), torch.tensor([0.0, 0, 7]).double(), UP)
    assert torch.equal(pose, torch.eye(4, dtype=torch.float64))


def test_look_at_axes():
    eyes, targets = random(50, 3) * 3, random(50, 3, seed=1) * 3
    poses = look_at(eyes, targets, UP)
    right, down, forward = poses[:, :3, :3].unbind(-1)
    assert torch.equal(poses[:, :3, 3], eyes)
    torch.testing.assert_close(forward, (targets - eyes) / (targets - eyes).norm(dim=-1, keepdim=True), **EXACT)
    torch.testing.assert_close(right @ UP, torch.zeros(50).double(), **EXACT)  # the horizon is level
    assert (down @ UP < 0).all()  # the image's lower edge is down
    torch.testing.assert_close(torch.linalg.det(poses[:, :3, :3]), torch.ones(50).double(), **EXACT)
    in_camera = transform(invert(poses), targets[:, None])[:, 0]
    torch.testing.assert_close(in_camera[:, :2], torch.zeros(50, 2).double(), **EXACT)
    torch.testing.assert_close(in_camera[:, 2], (targets - eyes).norm(dim=-1), **EXACT)


def test_a_point_to_the_right_and_below_stays_there_in_the_camera():
    pose = look_at(torch.tensor([0.0, -1.5, -4]).double(), torch.tensor([0.0, -1.5, 0]).double(), UP)
    x, y, z = transform(invert(pose), torch.tensor([[1.0, 0.0, 0.0]]).double())[0]
    assert (x, y, z) == pytest.approx((1, 1.5, 4))


HALF = math.sqrt(0.5)


@pytest.mark.parametrize(
    ("axis", "degrees", "quaternion"),
    [
        ([1.0, 0, 0], 0.0, [1, 0, 0, 0]),
        ([1.0, 0, 0], 90.0, [HALF, HALF, 0, 0]),
        ([0, 1.0, 0], -90.0, [HALF, 0, -HALF, 0]),
        ([0, 0, 1.0], 180.0, [0, 0, 0, 1]),
        ([1.0, 1, 1], 120.0, [0.5, 0.5, 0.5, 0.5]),
    ],
)
def test_quaternions_by_hand(axis, degrees, quaternion):
    rotation = rotation_about(torch.tensor(axis).double(), torch.tensor(math.radians(degrees), dtype=torch.float64))
    expected = torch.tensor(quaternion, dtype=torch.float64)
    torch.testing.assert_close(rotation_from_quaternion(expected), rotation, **EXACT)
    torch.testing.assert_close(quaternion_from_rotation(rotation), expected, **EXACT)


def test_quaternions_of_all_rotations_come_back():
    """Random ones, half turns about every axis, and turns that differ from them or from none by next to nothing."""
    axes = torch.cat([random(200, 3, seed=1), torch.eye(3).double(), -torch.eye(3).double()])
    angles = [0.0, 1e-9, 1.0, math.pi - 1e-9, math.pi, math.pi + 1e-9, 5.0]
    rotations = torch.cat([rotation_about(axes, torch.full((len(axes),), a, dtype=torch.float64)) for a in angles])
    quaternions = quaternion_from_rotation(rotations)
    assert (quaternions[:, 0] >= 0).all()
    torch.testing.assert_close(quaternions.norm(dim=1), torch.ones(len(rotations)).double(), **EXACT)
    torch.testing.assert_close(rotation_from_quaternion(quaternions), rotations, **EXACT)
    torch.testing.assert_close(rotation_from_quaternion(-3 * quaternions), rotations, **EXACT)  # any length and sign
    tiny = quaternions.unflatten(0, (len(angles), -1))[1, :, 1:]
    torch.testing.assert_close(tiny, axes / axes.norm(dim=1, keepdim=True) * 5e-10, rtol=1e-6, atol=0)


def test_distance_to_rotation():
    matrices = torch.stack([random(3, 3), torch.eye(3).double(), torch.diag(torch.tensor([1.0, 1, 2])).double()])
    matrices[0] = rotation_about(random(3), torch.tensor(2.0).double())
    found = distance_to_rotation(matrices)
    torch.testing.assert_close(found, torch.tensor([0.0, 0, 3], dtype=torch.float64), **EXACT)
    assert distance_to_rotation(torch.diag(torch.tensor([1.0, -1, 1]))) == math.inf
