import dataclasses
from pathlib import Path

import cv2
import pytest
import torch
from omegaconf import OmegaConf
from textured_pairs import HEIGHT, WIDTH, pair

from turnaround.geometry.pixel_tests import left_right_residual
from turnaround.geometry.semi_global import SemiGlobal
from turnaround.geometry.stereo import disparity_from_depth
from turnaround.run.build import build_value
from turnaround.scenes.observe import color, surface
from turnaround.scenes.sample import WorldSampler
from turnaround.types import DisparityEstimator, InputError

CONFIG = Path(__file__).parents[2] / "configs" / "disparity" / "sgbm.yaml"


@pytest.fixture(scope="module")
def shipped():
    return build_value(OmegaConf.to_container(OmegaConf.load(CONFIG)), "disparity")


def inner(values, margin=20):
    """Without what one eye alone sees, and what windows at the border lack."""
    return values[..., 8:-8, margin:-margin]


def test_it_is_what_the_protocol_says(shipped):
    assert isinstance(shipped, DisparityEstimator)
    assert shipped.weights == ()
    assert dataclasses.replace(shipped, block=3).fingerprint() != shipped.fingerprint()
    assert dataclasses.replace(shipped).fingerprint() == shipped.fingerprint()


@pytest.mark.parametrize(("disparity", "slant"), [(7.3, 0.0), (12.0, 0.0), (4.0, 0.06), (14.0, -0.05)])
def test_planes_are_found_to_a_fraction_of_a_pixel(shipped, disparity, slant):
    left, right, truth = pair(disparity, slant)
    forth, back = shipped.match(left, right)
    error = inner(-forth[0] - truth)
    assert error.isfinite().float().mean() > 0.97
    # SGBM's parabola prefers whole columns, here halves of a pixel: 0.07 px at 7.3
    assert error.abs().nanmedian() < 0.08
    assert inner(left_right_residual(forth, back)).nanmedian() < 0.16  # of two such errors
    assert inner(forth[1]).abs().nanmedian() < 0.04  # follows from that error where slopes run aslant


def test_what_the_right_eye_sees_lies_to_the_right_in_the_left_picture(shipped):
    left, right, _ = pair(4.0, 0.06)
    x = torch.arange(WIDTH) + 0.5
    truth = (x + 4) / (1 - 0.06) - x
    error = inner(shipped.match(left, right)[1][0] - truth)
    assert error.abs().nanmedian() < 0.08  # as above


def test_points_beyond_the_horizon_of_verged_eyes_are_found(shipped):
    left, right, truth = pair(-3.6, 0.05)  # -3.6 to 4.4
    found = dataclasses.replace(shipped, least=-0.05).match(left, right)[0]
    assert inner(-found[0] - truth).abs().nanmedian() < 0.08  # as above
    assert inner(found[0] > 0).float().mean() > 0.3
    # where SGBM itself leaves out as many columns at the right as it searches below 0
    assert found[0, 8:-8, -8:].isfinite().float().mean() > 0.5


@pytest.mark.parametrize("gain", [0.5, 0.9, 1.1])
def test_an_eye_that_is_darker_or_brighter_changes_little(shipped, gain):
    left, right, truth = pair(7.3, 0.03)
    noise = torch.randn(2, *left.shape, generator=torch.Generator().manual_seed(1)) * 0.005
    forth, _ = shipped.match((left + noise[0]).clamp(0, 1), (gain * right + noise[1]).clamp(0, 1))
    error = inner(-forth[0] - truth)
    assert error.isfinite().float().mean() > 0.95
    assert error.abs().nanmedian() < 0.1  # noise adds a little


@pytest.mark.parametrize("down", [-1.5, -0.6, 0.4, 1.5])
def test_the_vertical_part_of_what_is_not_rectified_is_seen(shipped, down):
    forth, back = shipped.match(*pair(7.3, 0.02, down)[:2])
    found = inner(forth[1]).nanmedian()
    assert found * down > 0
    # four steps do not go all the way
    assert 0.85 * abs(down) < found.abs() < 1.02 * abs(down)
    assert inner(back[1]).nanmedian() * down < 0
    beyond = (inner(forth[1]).abs() > 1).float().mean()  # what the test of 1 px removes
    assert beyond > 0.85 if abs(down) > 1 else beyond < 0.01


def test_without_texture_nothing_speaks_of_the_vertical(shipped):
    columns = torch.rand(WIDTH, generator=torch.Generator().manual_seed(2))
    smooth = torch.nn.functional.avg_pool1d(columns[None], 3, 1, 1)[0]
    left = smooth.expand(3, HEIGHT, WIDTH).contiguous()
    forth, _ = shipped.match(left, left.roll(-6, dims=2))
    assert inner(forth[0] + 6).abs().nanmedian() < 0.06
    assert inner(forth[1]).abs().nan_to_num(0.0).max() == 0
    grey = torch.full((3, HEIGHT, WIDTH), 0.5)
    assert all((flow[1].isnan() | (flow[1] == 0)).all() for flow in shipped.match(grey, grey))


@pytest.mark.parametrize("gain", [1.0, 0.9])
@pytest.mark.parametrize("seed", [1, 2, 4])
def test_textured_surfaces_of_worlds(shipped, seed, gain):
    scene = WorldSampler(height=120, width=160, frames=2)(seed)
    left, right = color(scene, 0).float(), gain * color(scene.right_eye(0.12), 0).float()
    truth = disparity_from_depth(surface(scene, 0).depth[None], scene.camera.intrinsics[:1].float(), 0.12)[0]
    forth, back = shipped.match(left, right)
    slope = cv2.GaussianBlur(abs(cv2.Sobel(left.mean(0).numpy(), cv2.CV_32F, 1, 0, scale=1 / 8)), (0, 0), 2)
    textured = torch.from_numpy(slope) > 0.01
    confirmed = (left_right_residual(forth, back) <= 1) & textured
    assert confirmed.sum() > 0.5 * textured.sum()
    # depth edges and repeated tiles are among them, so that this is no fifth of a pixel as on real photos
    assert (-forth[0] - truth)[confirmed].abs().median() < 0.25


def test_bad_input_is_named(shipped):
    with pytest.raises(InputError, match="sides of at least 32 pixels, found 64 x 20"):
        shipped.match(torch.zeros(3, 20, 64), torch.zeros(3, 20, 64))
    with pytest.raises(InputError, match="range of disparity"):
        dataclasses.replace(shipped, least=0.3, most=0.2)
    with pytest.raises(InputError, match="-1 < least"):
        SemiGlobal(**{**dataclasses.asdict(shipped), "least": -1.0})
