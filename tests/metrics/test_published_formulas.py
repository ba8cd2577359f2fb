"""DepthCrafter's published evaluation, written in plain numpy from its description and independent of our code.

arXiv 2409.02095, benchmark/eval: bilinear resize to the truth's size; valid is 1e-3 < truth < max; the prediction is
clipped at 1e-3; scale and shift by least squares in disparity against 1 / (truth + 1e-8) over the whole video, float64;
the aligned disparity is clipped at 1e-3 and inverted; depth is clipped to [1e-3, max]; mean over the valid pixels of a
frame, then over the frames that have any.
"""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from turnaround.geometry.align import Alignment, align_to_depth
from turnaround.metrics.depth import AbsRel, Delta, Rmse
from turnaround.types import DepthKind, DepthVideo

NEAREST, METRICS = 1e-3, (AbsRel(), Rmse(), Delta(power=1))
MAX_DEPTHS = pytest.mark.parametrize("max_depth", [70.0, 10.0, 80.0])  # Sintel; ScanNet, Bonn, NYUv2; KITTI


def published(prediction, truth, max_depth, *, added=1e-8):
    """AbsRel, RMSE and delta1 of one video. added: metres, to the truth before it is inverted."""
    prediction = np.maximum(resized(prediction, *truth.shape[1:]), 1e-3)
    valid = (truth > 1e-3) & (truth < max_depth)
    columns = np.stack([prediction[valid], np.ones(valid.sum())], axis=1).astype(np.float64)
    scale, shift = np.linalg.lstsq(columns, 1 / (truth[valid].astype(np.float64) + added), rcond=None)[0]
    depth = np.clip(1 / np.maximum(scale * prediction + shift, 1e-3), 1e-3, max_depth)
    rows = [frame_values(d[v], t[v]) for d, t, v in zip(depth, truth, valid, strict=True) if v.any()]
    return np.mean(rows, axis=0)


def frame_values(depth, truth):
    ratio = np.maximum(depth / truth, truth / depth)
    return np.mean(np.abs(depth - truth) / truth), np.sqrt(np.mean((depth - truth) ** 2)), np.mean(ratio < 1.25)


def resized(maps, height, width):
    """Bilinear, pixel centres at +0.5, no anti-aliasing."""
    return along(along(maps, height, axis=1), width, axis=2)


def along(maps, size, axis):
    old = maps.shape[axis]
    place = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
    low = np.floor(place).astype(int)
    high, share = np.minimum(low + 1, old - 1), place - low
    share = share.reshape([-1 if i == axis else 1 for i in range(maps.ndim)])
    return np.take(maps, low, axis) * (1 - share) + np.take(maps, high, axis) * share


def ours(prediction, truth, max_depth, alignment=None):
    """As `evaluation/score.py` does it."""
    values = interpolate(torch.from_numpy(prediction)[:, None], truth.shape[1:], mode="bilinear", align_corners=False)
    truth = torch.from_numpy(truth)
    valid = (truth > NEAREST) & (truth < max_depth)
    video = DepthVideo(values=values[:, 0], kind=DepthKind.AFFINE_DISPARITY)
    depth = align_to_depth(video, truth, valid, NEAREST, max_depth, alignment)
    return [metric(depth, truth, valid).value for metric in METRICS]


def scene(seed, nearest=0.5, farthest=120.0):
    """Truth with holes, some of it beyond every max depth, one frame without any, and a noisy disparity in [0, 1]."""
    generator = np.random.default_rng(seed)
    truth = np.exp(generator.uniform(np.log(nearest), np.log(farthest), (5, 12, 16)))
    truth[generator.random(truth.shape) < 0.1] = 0
    truth[3] = 0
    disparity = 1 / np.where(truth > 0, truth, farthest)
    prediction = disparity / disparity.max() + 0.05 * generator.standard_normal(truth.shape)
    return truth, prediction


@MAX_DEPTHS
@pytest.mark.parametrize("seed", range(4))
def test_predictions_above_the_clip_score_as_published(seed, max_depth):
    truth, prediction = scene(seed)
    prediction = 0.2 + 0.8 * (prediction - prediction.min()) / np.ptp(prediction)
    # theirs adds 1e-8 metres to the truth before inverting it, 2e-8 of the nearest
    assert ours(prediction, truth, max_depth) == pytest.approx(published(prediction, truth, max_depth), abs=1e-6)


@pytest.mark.parametrize(("nearest", "tolerance"), [(0.5, 1e-6), (0.05, 1e-5), (0.0011, 1e-2)])
def test_what_is_added_to_the_truth_is_all_that_differs_and_matters_only_very_near(nearest, tolerance):
    """Ours adds nothing. Near truth rules the fit, so what is added to it moves the far pixels."""
    truth, prediction = scene(0, nearest=nearest)
    prediction = 0.2 + 0.8 * (prediction - prediction.min()) / np.ptp(prediction)
    values = ours(prediction, truth, 70.0)
    # both in float64; a disparity of 1 / nearest cancels to one of 1 / 70, which costs 5 digits of 16
    assert values == pytest.approx(published(prediction, truth, 70.0, added=0), abs=1e-9)
    assert values == pytest.approx(published(prediction, truth, 70.0), abs=tolerance)


@MAX_DEPTHS
def test_predictions_of_another_size_score_as_published(max_depth):
    truth, prediction = scene(7)
    prediction = 0.2 + resized(prediction - prediction.min(), 9, 20)
    assert ours(prediction, truth, max_depth) == pytest.approx(published(prediction, truth, max_depth), abs=1e-6)


def test_disparity_that_is_not_positive_after_the_fit_scores_as_published():
    truth, prediction = scene(1)
    prediction = 0.2 + 0.8 * (prediction - prediction.min()) / np.ptp(prediction)
    prediction[0, :3] = 0.0011  # far below all others, above the clip
    valid = torch.from_numpy((truth > NEAREST) & (truth < 70))
    video = DepthVideo(values=torch.from_numpy(prediction), kind=DepthKind.AFFINE_DISPARITY)
    assert (align_to_depth(video, torch.from_numpy(truth), valid, NEAREST, 70.0) == 70).any()
    assert ours(prediction, truth, 70.0) == pytest.approx(published(prediction, truth, 70.0), abs=1e-6)


def test_without_the_clip_of_the_raw_prediction_scale_and_shift_do_not_matter():
    """Theirs clips the raw prediction at 1e-3, so a shift that means nothing changes the score; ours does not."""
    truth, prediction = scene(2)
    assert (prediction < 1e-3).mean() > 0.1
    lifted = prediction - prediction.min() + 0.01
    assert ours(prediction, truth, 70.0) == pytest.approx(ours(lifted, truth, 70.0), abs=1e-9)
    assert ours(lifted, truth, 70.0) == pytest.approx(published(lifted, truth, 70.0), abs=1e-6)
    assert abs(published(prediction, truth, 70.0) - published(lifted, truth, 70.0)).max() > 1e-3


def test_a_few_values_just_below_the_clip_do_not_matter():
    """A prediction in [0, 1], as DepthCrafter writes it, touches 0 at its farthest pixel: the clip moves it by 1e-3."""
    truth, prediction = scene(3)
    prediction = (prediction - prediction.min()) / np.ptp(prediction)
    below = (prediction < 1e-3).sum()
    assert 1 <= below <= 3
    # 1e-3 of the range, at a few of 960 pixels
    assert ours(prediction, truth, 70.0) == pytest.approx(published(prediction, truth, 70.0), rel=1e-3)


@MAX_DEPTHS
@pytest.mark.parametrize("nearest", [0.5, 0.05, 0.0011])
@pytest.mark.parametrize("seed", range(3))
def test_the_published_alignment_scores_as_published_wherever_the_prediction_lies(seed, nearest, max_depth):
    truth, prediction = scene(seed, nearest=nearest)
    assert (prediction < 1e-3).any()
    found = ours(prediction, truth, max_depth, Alignment.DEPTHCRAFTER)
    assert found == pytest.approx(published(prediction, truth, max_depth), abs=1e-6)
