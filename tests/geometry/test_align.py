import pytest
import torch

from turnaround.geometry.align import (
    LAWFUL,
    Alignment,
    align_to_depth,
    fit_affine_l1,
    fit_depth_affine,
    fit_depth_scale,
    fit_disparity_affine,
)
from turnaround.types import DepthKind, DepthVideo


@pytest.fixture
def truth():
    return 1 + 9 * torch.rand(3, 8, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def all_of(truth):
    return torch.ones_like(truth, dtype=torch.bool)


def test_disparity_fit_recovers_scale_and_shift_over_all_frames(truth):
    scale, shift = fit_disparity_affine((1 / truth - 0.3) / 2.5, truth, all_of(truth))
    assert (scale, shift) == pytest.approx((2.5, 0.3), rel=1e-12)


def test_fits_ignore_invalid_pixels(truth):
    valid = all_of(truth)
    valid[0, 0] = False
    holed = torch.where(valid, truth, torch.nan)
    prediction = torch.where(valid, (1 / truth - 0.3) / 2.5, 1e6)
    assert fit_disparity_affine(prediction, holed, valid) == pytest.approx((2.5, 0.3), rel=1e-12)


def test_depth_fits_recover_scale_and_shift(truth):
    assert fit_depth_affine((truth - 2) / 3, truth, all_of(truth)) == pytest.approx((3, 2), rel=1e-12)
    assert fit_depth_scale(truth / 7, truth, all_of(truth)) == pytest.approx(7, rel=1e-12)


def test_constant_prediction_gets_the_best_constant_disparity(truth):
    scale, shift = fit_disparity_affine(torch.full_like(truth, 0.1), truth, all_of(truth))
    assert scale == 0
    assert shift == pytest.approx((1 / truth).mean().item(), rel=1e-12)
    depth = align_to_depth(
        DepthVideo(values=torch.full_like(truth, 0.1), kind=DepthKind.AFFINE_DISPARITY),
        truth,
        all_of(truth),
        0.1,
        100.0,
    )
    torch.testing.assert_close(depth, torch.full_like(depth, 1 / shift))


def test_nothing_to_fit_is_the_identity(truth):
    nothing = torch.zeros_like(truth, dtype=torch.bool)
    assert fit_disparity_affine(truth, truth, nothing) == (1.0, 0.0)
    assert fit_depth_affine(truth, truth, nothing) == (1.0, 0.0)
    assert fit_depth_scale(torch.zeros_like(truth), truth, all_of(truth)) == 1.0
    assert fit_affine_l1(truth, truth, nothing) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("kind", "image"),
    [
        (DepthKind.METRIC, lambda z: z),
        (DepthKind.SCALE_INVARIANT, lambda z: z / 7),
        (DepthKind.AFFINE_DEPTH, lambda z: (z - 2) / 3),
        (DepthKind.AFFINE_DISPARITY, lambda z: 4 / z - 5),
    ],
)
def test_each_kind_is_aligned_by_its_own_freedom(truth, kind, image):
    depth = align_to_depth(DepthVideo(values=image(truth), kind=kind), truth, all_of(truth), 0.1, 100.0)
    torch.testing.assert_close(depth, truth, rtol=1e-9, atol=0)


def test_metric_may_use_any_freedom_and_affine_kinds_only_their_own(truth):
    for alignment in Alignment:
        depth = align_to_depth(
            DepthVideo(values=truth, kind=DepthKind.METRIC), truth, all_of(truth), 0.1, 100.0, alignment
        )
        # the constants of DepthCrafter's script leave 1e-8 metres
        torch.testing.assert_close(depth, truth, rtol=1e-6 if alignment is Alignment.DEPTHCRAFTER else 1e-9, atol=0)
        assert alignment in LAWFUL[DepthKind.METRIC]
    for kind in DepthKind:
        for alignment in set(Alignment) - set(LAWFUL[kind]):
            with pytest.raises(ValueError, match="not lawful"):
                align_to_depth(DepthVideo(values=truth, kind=kind), truth, all_of(truth), 0.1, 100.0, alignment)


def test_depth_is_clipped_and_non_positive_disparity_is_far():
    truth = torch.tensor([[[1.0, 2.0, 4.0, 5.0]]])
    prediction = torch.tensor([[[1.0, 0.5, 0.25, -9.0]]])  # the last is not valid and does not move the fit
    valid = torch.tensor([[[True, True, True, False]]])
    depth = align_to_depth(DepthVideo(values=prediction, kind=DepthKind.AFFINE_DISPARITY), truth, valid, 1.5, 10.0)
    torch.testing.assert_close(depth, torch.tensor([[[1.5, 2, 4, 10]]], dtype=torch.float64), rtol=1e-12, atol=0)


def test_unknown_prediction_where_the_truth_is_valid_is_refused(truth):
    values = truth.clone()
    values[0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        align_to_depth(DepthVideo(values=values, kind=DepthKind.METRIC), truth, all_of(truth), 0.1, 100.0)


def test_absolute_deviations_ignore_a_fifth_of_outliers():
    generator = torch.Generator().manual_seed(1)
    source = torch.rand(2, 40, 50, generator=generator)
    target = 1.7 * source + 0.4
    outliers = torch.rand(source.shape, generator=generator) < 0.2
    target = torch.where(outliers, 20 * torch.rand(source.shape, generator=generator), target)
    everywhere = torch.ones_like(outliers)
    # The inliers are exact up to float32, so the least absolute deviations pass through them.
    assert fit_affine_l1(source, target, everywhere) == pytest.approx((1.7, 0.4), abs=1e-4)
    assert fit_affine_l1(source, target, ~outliers) == pytest.approx((1.7, 0.4), abs=1e-6)
