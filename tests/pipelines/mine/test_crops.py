"""Crops against an independent statement of Stereo4D's formulas, and against a picture that is known everywhere."""

import math

import numpy as np
import pytest
import torch

from turnaround.geometry.lenses import half_sphere_lens, lens_rays, perspective_lens
from turnaround.geometry.projection import pixel_grid
from turnaround.geometry.se3 import rotation_about
from turnaround.pipelines.mine.crops import OfficialCrops, OnePassCrops
from turnaround.types import EquirectangularLens, InputError

BOUNDS = (-70.0, 75.0, -65.0, 60.0)  # start and end of yaw, of tilt


def turns():
    axes = torch.tensor([[0.2, 1.0, 0.1], [1.0, -0.3, 0.4]], dtype=torch.float64)
    return rotation_about(axes, torch.tensor([0.03, 0.05], dtype=torch.float64))


def bilinear(picture, x, y):
    """[y x colour] at places counted from the centres of pixels, 0 outside, rounded to 8 bits."""
    padded = np.pad(picture.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    x, y = (np.clip(place + 1, 0, size - 1.001) for place, size in ((x, padded.shape[1]), (y, padded.shape[0])))
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    right, down = (x - column)[..., None], (y - row)[..., None]
    above = padded[row, column] * (1 - right) + padded[row, column + 1] * right
    below = padded[row + 1, column] * (1 - right) + padded[row + 1, column + 1] * right
    return np.rint(above * (1 - down) + below * down)


def official(picture, turn, size, fov):
    """The two passes of rectify.py: its grids, rays and scales."""
    height, width = picture.shape[:2]
    first_yaw, last_yaw, first_tilt, last_tilt = np.radians(BOUNDS)

    def place(rays):
        yaw, tilt = np.arctan2(rays[..., 0], rays[..., 2]), np.arcsin(rays[..., 1])
        u = (yaw - first_yaw) / (last_yaw - first_yaw) * (width - 1)
        return u, (tilt - first_tilt) / (last_tilt - first_tilt) * (height - 1)

    yaw, tilt = np.meshgrid(np.linspace(first_yaw, last_yaw, width), np.linspace(first_tilt, last_tilt, height))
    rays = np.stack([np.cos(tilt) * np.sin(yaw), np.sin(tilt), np.cos(tilt) * np.cos(yaw)], axis=-1)
    whole = bilinear(picture, *place(np.einsum("ij,hwj->hwi", turn, rays)))
    focal = 0.5 * size / math.tan(math.radians(fov) / 2)
    x, y = np.meshgrid(np.arange(size) + 0.5 - size / 2, np.arange(size) + 0.5 - size / 2)
    rays = np.stack([x / focal, y / focal, np.ones_like(x)], axis=-1)
    return bilinear(whole, *place(rays / np.linalg.norm(rays, axis=-1, keepdims=True)))


def test_the_official_mode_follows_its_formulas():
    random = np.random.default_rng(0)
    eyes = [random.integers(0, 256, (60, 72, 3)) for _ in range(2)]
    first, second = (torch.from_numpy(eye).permute(2, 0, 1).float() / 255 for eye in eyes)
    yaws, tilts = BOUNDS[:2], BOUNDS[2:]
    lens = EquirectangularLens(
        start_yaw=yaws[0], end_yaw=yaws[1], start_tilt=tilts[0], end_tilt=tilts[1], height=60, width=72
    )
    ((left, right),) = OfficialCrops(size=40, horizontal_fov_deg=60.0).crop([(first, second)], (lens, lens), turns())
    for found, eye, turn in zip((left, right), eyes, turns().numpy(), strict=True):
        steps = (found.permute(1, 2, 0) * 255).numpy()
        wrong = np.abs(steps - official(eye, turn, 40, 60.0))
        # places in float32 move what lies on the edge of a step to either side, first in one pass, then in the other
        assert wrong.max() <= 1.01
        assert (wrong > 0.5).mean() < 0.01


def painted(lens, turn):
    rays = lens_rays(lens, pixel_grid(lens.height, lens.width, like=torch.zeros((), dtype=torch.float64))) @ turn.T
    return (0.5 + 0.5 * torch.sin(4 * rays)).permute(2, 0, 1).float().contiguous()


def test_one_pass_shows_the_rectified_view_and_is_nearer_to_it():
    lens, still = half_sphere_lens(360, 360), torch.eye(3, dtype=torch.float64)
    seen = painted(lens, still)
    truth = [painted(perspective_lens(32, 60.0), turn) for turn in turns()]
    errors = {}
    for crops in (OnePassCrops(size=32, horizontal_fov_deg=60.0), OfficialCrops(size=32, horizontal_fov_deg=60.0)):
        ((left, right),) = crops.crop([(seen, seen)], (lens, lens), turns())
        errors[type(crops)] = max(
            float((eye - true).abs().max()) for eye, true in zip((left, right), truth, strict=True)
        )
    assert errors[OnePassCrops] < 2e-4  # linear: h^2 / 8 times the second derivatives, 16 / 2 in each of two directions
    # the official grid takes a half sphere of 360 pixels for one of 359: up to 1/4 degree, at the crop's corner 0.08
    assert errors[OnePassCrops] < errors[OfficialCrops] < 0.02


def test_the_official_mode_is_for_equirectangular_videos():
    lens = perspective_lens(16, 60.0)
    frames = [(torch.zeros(3, 16, 16), torch.zeros(3, 16, 16))]
    with pytest.raises(InputError, match=r"an equirectangular video, found PerspectiveLens; set crops=one_pass"):
        next(OfficialCrops(size=8, horizontal_fov_deg=60.0).crop(frames, (lens, lens), turns()))


def test_settings_are_checked():
    for settings in ({"size": 0, "horizontal_fov_deg": 60.0}, {"size": 8, "horizontal_fov_deg": 180.0}):
        with pytest.raises(InputError, match="correct the crops' config"):
            OnePassCrops(**settings)
