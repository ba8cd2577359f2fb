import math

import pytest
import torch
from inpainting import camera

from turnaround.diffusion.scene_noise import picture_noise, scene_noise
from turnaround.types import Pinhole


def wall(distance, *, x=0.0, z=0.0, rows=12, columns=16, factor=8):
    """Noise of a camera at (x, 0, z), nearly, that looks along z at a wall, and its depth."""
    seen = camera(rows * factor, columns * factor)
    pose = torch.eye(4)
    pose[:3, 3] = torch.tensor([x + 0.03, 0.03, z])  # so that no middle of a cell lies on the border of a place
    seen = Pinhole(world_from_cam=pose[None], intrinsics=seen.intrinsics, height=seen.height, width=seen.width)
    depth = torch.full((rows, columns), distance - z)
    return scene_noise(depth, seen, factor=factor, channels=4, seed=7)


def test_noise_is_unit_normal():
    noise = wall(4.0, rows=64, columns=64)
    # 4096 cells of 4 channels: three standard errors of mean and variance, a tenth of the cells sharing places
    assert noise.mean().item() == pytest.approx(0, abs=3 * (1.5 / noise.numel()) ** 0.5)
    assert noise.std().item() == pytest.approx(1, abs=3 * (1.5 * 0.5 / noise.numel()) ** 0.5)
    channels = torch.corrcoef(noise.flatten(1))
    assert (channels - torch.eye(4)).abs().max() < 4 / 64  # four standard errors


def test_the_same_place_has_the_same_noise_in_another_view():
    # A cell is 8 / 128 of the distance wide: 0.25 metres. A step of a whole cell shows the same places one cell on
    first, second = wall(4.0), wall(4.0, x=0.25)
    torch.testing.assert_close(first[:, :, 1:], second[:, :, :-1])
    # and a tenth of a cell, of 0.23 metres, leaves four of five places, of 0.125, what they were
    first, third = wall(3.7), wall(3.7, x=0.025)
    share = (third == first).all(dim=0).float().mean().item()
    assert 0.7 < share < 1


def test_other_places_seeds_and_distances_have_other_noise():
    first = wall(4.0)
    assert (wall(4.0, x=100.0) != first).any(dim=0).all()
    assert (wall(9.0) != first).any(dim=0).all()
    again = wall(4.0)
    assert torch.equal(again, first)


def test_cells_are_places_not_rays():
    view = camera(64, 64)
    near = scene_noise(torch.full((8, 8), 1.0), view, factor=8, channels=2, seed=0)
    far = scene_noise(torch.full((8, 8), 16.0), view, factor=8, channels=2, seed=0)
    assert (near != far).any(dim=0).all()
    assert math.isfinite(float(far.sum()))


def test_without_geometry_noise_belongs_to_the_place_in_the_frame():
    whole = picture_noise(range(6), range(8), channels=3, seed=1, frame=2)
    part = picture_noise(range(2, 5), range(3, 8), channels=3, seed=1, frame=2)
    assert torch.equal(whole[:, 2:5, 3:], part)
    for other in ({"seed": 2, "frame": 2}, {"seed": 1, "frame": 3}):
        assert not torch.equal(picture_noise(range(6), range(8), channels=3, **other), whole)
