"""The alignments of DUSt3R's family: medians and least absolute deviations."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize_scalar

from turnaround.geometry.align import (
    LAWFUL,
    Alignment,
    align_to_depth,
    fit_affine_l1,
    fit_depth_affine,
    fit_depth_scale,
    fit_median_scale,
    fit_scale_l1,
)
from turnaround.types import DepthKind, DepthVideo

SCALES = pytest.mark.parametrize("fit", [fit_median_scale, fit_scale_l1])


def uniform(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def truth():
    return 1 + 9 * uniform(3, 8, 10)


def all_of(truth):
    return torch.ones_like(truth, dtype=torch.bool)


def with_outliers(truth, share=0.2):
    """The truth with that share of its pixels somewhere between 50 and 150 metres."""
    return torch.where(uniform(*truth.shape, seed=1) < share, 50 + 100 * uniform(*truth.shape, seed=2), truth)


def test_each_kind_may_use_what_undoes_its_freedom():
    scales = {Alignment.MEDIAN_SCALE, Alignment.SCALE_L1}
    assert scales <= set(LAWFUL[DepthKind.METRIC]) & set(LAWFUL[DepthKind.SCALE_INVARIANT])
    assert LAWFUL[DepthKind.SCALE_INVARIANT] == tuple(Alignment)[1:]
    assert LAWFUL[DepthKind.AFFINE_DEPTH] == (Alignment.DEPTH_AFFINE, Alignment.AFFINE_L1)
    assert LAWFUL[DepthKind.AFFINE_DISPARITY] == (
        Alignment.DISPARITY_AFFINE,
        Alignment.DISPARITY_AFFINE_L1,
        Alignment.DEPTHCRAFTER,
    )
    assert [LAWFUL[kind][0] for kind in DepthKind] == ["identity", "depth_scale", "depth_affine", "disparity_affine"]


@pytest.mark.parametrize(
    ("kind", "image", "alignment"),
    [
        (DepthKind.SCALE_INVARIANT, lambda z: z / 7, Alignment.MEDIAN_SCALE),
        (DepthKind.SCALE_INVARIANT, lambda z: z / 7, Alignment.SCALE_L1),
        (DepthKind.AFFINE_DEPTH, lambda z: (z - 2) / 3, Alignment.AFFINE_L1),
        (DepthKind.AFFINE_DISPARITY, lambda z: 4 / z - 5, Alignment.DISPARITY_AFFINE_L1),
    ],
)
def test_exact_predictions_are_recovered(truth, kind, image, alignment):
    prediction = DepthVideo(values=image(truth), kind=kind)
    depth = align_to_depth(prediction, truth, all_of(truth), 0.1, 100.0, alignment)
    torch.testing.assert_close(depth, truth, rtol=1e-9, atol=0)


def test_median_scale_hand_computed():
    truth = torch.tensor([[[2.0, 9.0, 4.0, 5.0]], [[3.0, 8.0, 0.0, 0.0]]])
    prediction = torch.tensor([[[1.0, 4.0, 100.0, 2.0]], [[7.0, 3.0, 0.0, 0.0]]])
    # of 2 3 4 5 8 9 and 1 2 3 4 7 100 the lower medians are 4 and 3: pooled over both frames
    assert fit_median_scale(prediction, truth, truth > 0) == pytest.approx(4 / 3)
    valid = truth > 0
    valid[0, 0, 2] = False
    assert fit_median_scale(prediction, truth, valid) == pytest.approx(5 / 3)


def test_scale_l1_is_ten_published_steps(truth):
    prediction = truth.numpy() * (0.3 + 0.1 * uniform(*truth.shape, seed=3).numpy())
    target, scale = truth.numpy(), truth.numpy().mean() / prediction.mean()
    for _ in range(10):
        weight = 1 / (np.abs(scale * prediction - target) + 1e-8)
        scale = np.sum(weight * prediction * target) / np.sum(weight * prediction**2)
    assert fit_scale_l1(torch.from_numpy(prediction), truth, all_of(truth)) == pytest.approx(scale, rel=1e-12)
    best = minimize_scalar(lambda s: np.abs(s * prediction - target).sum(), bounds=(1, 10), method="bounded").x
    # ten steps are not yet the minimum, and already near it
    assert scale == pytest.approx(best, rel=1e-2)


@SCALES
def test_scales_ignore_outliers_of_the_truth_better_than_least_squares(truth, fit):
    noisy = with_outliers(truth)
    plain = fit_depth_scale(truth / 7, noisy, all_of(truth))
    assert abs(plain / 7 - 1) > 1
    # a fifth of outliers on one side moves the median from the 50th to about the 63rd percentile
    assert fit(truth / 7, noisy, all_of(truth)) == pytest.approx(7, rel=0.3)


@SCALES
def test_scales_follow_the_unit_of_the_prediction(truth, fit):
    prediction = truth * (0.3 + 0.1 * uniform(*truth.shape, seed=3))
    scale = fit(prediction, truth, all_of(truth))
    assert fit(1e5 * prediction, truth, all_of(truth)) == pytest.approx(scale / 1e5, rel=1e-9)


@SCALES
def test_scale_is_one_where_there_is_nothing_to_fit(truth, fit):
    assert fit(truth, truth, ~all_of(truth)) == 1
    assert fit(torch.zeros_like(truth), truth, all_of(truth)) == 1


def test_affine_l1_passes_through_the_inliers(truth):
    noisy = with_outliers(truth)
    plain = fit_depth_affine((truth - 2) / 3, noisy, all_of(truth))
    assert abs(plain[1] - 2) > 1
    # 1e-7 of the spread of the target is the smallest residual that is told from 0
    assert fit_affine_l1((truth - 2) / 3, noisy, all_of(truth)) == pytest.approx((3, 2), abs=1e-4)


@pytest.mark.parametrize("count", [3, 10, 101, 1000])
@pytest.mark.parametrize("unit", [1.0, 1e-3, 1e3])
def test_affine_l1_reaches_the_minimum_that_linear_programming_finds(count, unit):
    source = uniform(count, seed=count)
    target = 1.7 * source + 0.4 + 0.3 * uniform(count, seed=count + 1).square()
    scale, shift = fit_affine_l1(unit * source, target, torch.ones(count, dtype=torch.bool))
    columns = np.stack([source.numpy(), np.ones(count)], axis=1)
    best = linprog(
        np.r_[0, 0, np.ones(count)],
        A_ub=np.block([[columns, -np.eye(count)], [-columns, -np.eye(count)]]),
        b_ub=np.r_[target.numpy(), -target.numpy()],
        bounds=[(None, None)] * 2 + [(0, None)] * count,
    )
    deviation = float((scale * unit * source + shift - target).abs().sum())
    # residuals below 1e-7 of the spread are not told from 0
    assert deviation == pytest.approx(best.fun, abs=1e-6 * count)


def test_affine_l1_may_run_against_the_truth_and_knows_constants(truth):
    assert fit_affine_l1(-truth, truth, all_of(truth)) == pytest.approx((-1, 0), abs=1e-9)
    scale, shift = fit_affine_l1(torch.full_like(truth, 3.0), truth, all_of(truth))
    # an even number: any value between the two medians is a minimum
    low, high = truth.flatten().sort().values[truth.numel() // 2 - 1 : truth.numel() // 2 + 1]
    assert scale == 0
    assert low - 1e-5 <= shift <= high + 1e-5
    assert fit_affine_l1(truth, torch.full_like(truth, 3.0), all_of(truth)) == pytest.approx((0, 3), abs=1e-12)
    assert fit_affine_l1(truth, truth, ~all_of(truth)) == (1.0, 0.0)


def test_robust_disparity_alignment_ignores_outliers_of_the_truth(truth):
    noisy = torch.where(uniform(*truth.shape, seed=1) < 0.2, 0.05, truth)  # 20 / metre, far above all others
    prediction = DepthVideo(values=(1 / truth - 0.3) / 2.5, kind=DepthKind.AFFINE_DISPARITY)
    robust, plain = (
        align_to_depth(prediction, noisy, all_of(truth), 0.01, 100.0, alignment)
        for alignment in (Alignment.DISPARITY_AFFINE_L1, Alignment.DISPARITY_AFFINE)
    )
    torch.testing.assert_close(robust, truth, rtol=1e-3, atol=0)
    assert (plain - truth).abs().max() > 0.5


def test_depth_predictions_are_inverted_for_the_disparity_alignments(truth):
    prediction = DepthVideo(values=truth / 7, kind=DepthKind.SCALE_INVARIANT)
    depth = align_to_depth(prediction, truth, all_of(truth), 0.01, 100.0, Alignment.DISPARITY_AFFINE_L1)
    torch.testing.assert_close(depth, truth, rtol=1e-9, atol=0)


@pytest.mark.parametrize("alignment", list(Alignment))
def test_no_valid_pixel_leaves_the_prediction(truth, alignment):
    nothing = ~all_of(truth)
    depth = align_to_depth(DepthVideo(values=truth, kind=DepthKind.METRIC), truth, nothing, 0.1, 100.0, alignment)
    torch.testing.assert_close(depth, truth, rtol=1e-12, atol=0)
