"""Discs around a camera, placed by hand: where they are seen, what hides what, and what is mixed."""

import math

import pytest
import torch
from observed_worlds import vector

from turnaround.geometry.projection import equirectangular_rays, pixel_grid
from turnaround.geometry.se3 import rigid, rotation_about
from turnaround.render.points import Discs, splat_discs
from turnaround.types import Equirectangular180

SIDE = 18  # 10 degrees per pixel
RED, BLUE = [255, 0, 0], [0, 0, 255]


def eye(pose=None):
    pose = torch.eye(4, dtype=torch.float64)[None] if pose is None else pose
    return Equirectangular180(world_from_cam=pose, height=SIDE, width=SIDE)


def discs(points, colors, radius):
    return Discs(
        points=torch.tensor(points, dtype=torch.float32),
        colors=torch.tensor(colors, dtype=torch.uint8),
        radius=torch.full((len(points),), radius),
    )


def test_every_point_is_seen_in_the_pixel_of_its_ray():
    pose = rigid(rotation_about(vector(0.2, 1.0, -0.4), vector(0.8)[0]), vector(1.0, -2.0, 0.5))[None]
    rays = equirectangular_rays(pixel_grid(SIDE, SIDE, like=torch.zeros(1, dtype=torch.float64)), SIDE, SIDE)
    points = (3 * rays.flatten(0, 1)) @ pose[0, :3, :3].T + pose[0, :3, 3]
    colors = torch.randint(256, (SIDE * SIDE, 3), generator=torch.Generator().manual_seed(0)).byte()
    all_round = Discs(points=points.float(), colors=colors, radius=torch.full((SIDE * SIDE,), 1e-4))
    image, distance, hole = splat_discs(all_round, eye(pose), tolerance=0.0)
    assert not hole.any()
    torch.testing.assert_close(image, colors.T.reshape(3, SIDE, SIDE) / 255, rtol=0, atol=1e-6)  # float32
    torch.testing.assert_close(distance, torch.full((SIDE, SIDE), 3.0), rtol=0, atol=1e-5)


def test_a_disc_covers_the_pixels_within_its_radius():
    # Straight ahead, between four pixels; its radius is seen under 10 degrees or 20: one pixel, two.
    for pixels, rows in ((1, [8, 9]), (2, [7, 8, 9, 10])):
        radius = 2 * math.radians(10) * pixels
        image, distance, hole = splat_discs(discs([[0, 0, 2.0]], [RED], radius), eye(), tolerance=0.1)
        assert (~hole).nonzero().unique().tolist() == rows
        assert int((~hole).sum()) == len(rows) ** 2
        assert image[:, 8, 8].tolist() == pytest.approx([1.0, 0.0, 0.0])
        assert float(distance[8, 8]) == 2.0
        assert distance[hole].isnan().all()
        assert (image[:, hole] == 0).all()


def test_the_nearest_hides_others_but_for_those_at_its_distance():
    for far, expected in ((1.05, [0.5, 0.0, 0.5]), (1.2, [1.0, 0.0, 0.0])):
        pair = discs([[0, 0, far], [0, 0, 1.0]], [BLUE, RED], 1e-4)
        image, _, hole = splat_discs(pair, eye(), tolerance=0.1)
        assert image[:, ~hole].flatten().tolist() == pytest.approx(expected)  # both in the middle: alike


def test_what_is_behind_or_nowhere_is_not_seen():
    nowhere = discs([[0, 0, -1.0], [math.nan, 0, 1.0], [0, 0, math.inf]], [RED] * 3, 0.1)
    assert splat_discs(nowhere, eye(), tolerance=0.1)[2].all()


def test_discs_add_up():
    both = discs([[0, 0, 1.0]], [RED], 1e-4).with_others(discs([[1.0, 0, 0.01]], [BLUE], 1e-4))
    image, _, hole = splat_discs(both, eye(), tolerance=0.1)
    assert sorted(image[:, ~hole].T.round().tolist()) == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
