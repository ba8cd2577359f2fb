"""Points come back from where two cameras see them."""

import math

import pytest
import torch

from turnaround.geometry.projection import project
from turnaround.geometry.se3 import look_at
from turnaround.geometry.triangulate import triangulate
from turnaround.types import Pinhole


def camera(x):
    pose = look_at(torch.tensor([x, 0.0, 0.0]), torch.tensor([0.0, 0.0, 4.0]), torch.tensor([0.0, -1.0, 0.0]))
    k = torch.tensor([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]])
    return Pinhole(world_from_cam=pose[None], intrinsics=k[None], height=48, width=64)


def test_points_are_found_where_they_are():
    points = torch.tensor([[0.0, 0, 4], [0.5, -0.3, 3], [-1.0, 0.4, 6]])
    first, second = camera(0.0), camera(1.0)
    (a,), _ = project(points[None], first)
    (b,), _ = project(points[None], second)
    found = triangulate(a, b, first, second)
    # pixels are float32
    torch.testing.assert_close(found.depth.float(), points[:, 2], rtol=1e-5, atol=0)
    assert found.error.max() < 1e-4
    assert found.angle[0].item() == pytest.approx(math.atan2(1, 4), abs=1e-5)


def test_rays_that_pass_each_other_are_told_by_their_error():
    first, second = camera(0.0), camera(1.0)
    middle = torch.tensor([[32.0, 24.0]])
    found = triangulate(middle, middle + torch.tensor([[0.0, 6.0]]), first, second)
    # The lines (0, 0, s) and (1 - t, 0.12 * 17^0.5 t, 4 t) are nearest at t = 1 / (1 + 0.12^2 * 17), s = 4 t
    t, down = 1 / (1 + 0.12**2 * 17), 0.12 * 17**0.5
    middle_of_both = math.hypot((1 - t) / 2, down * t / 2)
    assert found.error.item() == pytest.approx(50 * middle_of_both / (4 * t), rel=1e-4)  # in the first camera
    assert found.depth.item() == pytest.approx(4 * t, rel=1e-4)


def test_points_behind_are_never_near():
    first, second = camera(0.0), camera(1.0)
    # to the left of the first camera's axis and to the right of the second's: the rays part
    found = triangulate(torch.tensor([[2.0, 24.0]]), torch.tensor([[62.0, 24.0]]), first, second)
    assert found.error.item() == math.inf


def test_a_camera_that_stands_still_tells_nothing():
    pixels = torch.tensor([[10.0, 20.0], [40.0, 30.0]])
    found = triangulate(pixels, pixels, camera(0.0), camera(0.0))
    assert found.angle.max() < 1e-6
    assert found.depth.isfinite().all()
