import math

import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from turnaround.metrics.base import DepthMetric
from turnaround.metrics.change import RelativeTemporalDifference, TemporalChangeConsistency, structural_similarity

RTD, TCC = RelativeTemporalDifference(), TemporalChangeConsistency()
PERFECT = {"rtd": 0.0, "tcc": 1.0}
BOTH = pytest.mark.parametrize("metric", [RTD, TCC], ids=lambda metric: metric.name)


@pytest.fixture
def truth():
    return 1 + 9 * torch.rand(4, 14, 17, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def everywhere(maps):
    return torch.ones_like(maps, dtype=torch.bool)


@BOTH
def test_truth_is_perfect(truth, metric):
    average = metric(truth, truth, everywhere(truth))
    assert average.count == 3
    assert average.value == pytest.approx(PERFECT[metric.name], abs=1e-12)
    assert isinstance(metric, DepthMetric)


@BOTH
def test_a_constant_map_is_perfect_only_where_the_truth_does_not_change(truth, metric):
    constant = torch.full_like(truth, 5.0)
    assert abs(metric(constant, truth, everywhere(truth)).value - PERFECT[metric.name]) > 0.5
    still = truth[:1].expand(4, -1, -1)
    assert metric(constant, still, everywhere(truth)).value == PERFECT[metric.name]


@BOTH
def test_flicker_on_a_still_scene_is_seen(truth, metric):
    still = truth[:1].expand(4, -1, -1)
    flicker = still * torch.tensor([1.0, 1.1, 1.0, 1.1])[:, None, None]
    assert abs(metric(flicker, still, everywhere(still)).value - PERFECT[metric.name]) > 0.05


@BOTH
def test_unknown_truth_does_not_count(truth, metric):
    valid = everywhere(truth)
    valid[1, :3] = False
    depth = torch.where(valid, truth, 77.0)
    holed = torch.where(valid, truth, torch.nan)
    assert metric(depth, holed, valid).value == pytest.approx(PERFECT[metric.name], abs=1e-12)


@BOTH
def test_nothing_to_compare_has_no_value(truth, metric):
    assert math.isnan(metric(truth[:1], truth[:1], everywhere(truth[:1])).value)
    assert math.isnan(metric(truth, truth, ~everywhere(truth)).value)
    valid = everywhere(truth)
    valid[0] = False
    assert metric(truth, truth, valid).count == 2


def test_rtd_hand_computed():
    truth = torch.tensor([[[2.0, 4.0]], [[3.0, 4.0]], [[3.0, 5.0]]])  # changes 0.5, 0; then 0, 0.25
    depth = torch.tensor([[[1.0, 2.0]], [[1.0, 2.5]], [[2.0, 5.0]]])  # changes 0, 0.25; then 1, 1
    expected = (math.sqrt((0.5**2 + 0.25**2) / 2) + math.sqrt((1 + 0.75**2) / 2)) / 2
    assert RTD(depth, truth, everywhere(truth)).value == pytest.approx(expected, rel=1e-12)


def test_rtd_does_not_see_a_common_factor(truth):
    assert RTD(3 * truth, truth, everywhere(truth)).value == pytest.approx(0, abs=1e-12)


def test_tcc_of_uniform_changes_is_the_luminance_term():
    ramp = torch.arange(3.0, dtype=torch.float64)[:, None, None].expand(3, 12, 12)
    truth, depth = 1 + 0.02 * ramp, 1 - 0.01 * ramp  # absolute changes of 0.02 and 0.01 metres
    expected = (2 * 0.02 * 0.01 + 1e-4) / (0.02**2 + 0.01**2 + 1e-4)
    # the variance of a constant map rounds at 1e-18, next to a constant of 9e-4
    assert TCC(depth, truth, everywhere(truth)).value == pytest.approx(expected, rel=1e-9)


def test_tcc_of_opposite_change_is_not_below_zero(truth):
    depth, smaller = truth.clone(), truth.clone()
    change = (truth[1] - truth[0]).abs()
    depth[1] = depth[0] + change.max() - change
    assert TCC(depth[:2], smaller[:2], everywhere(truth[:2])).value == 0


def test_similarity_is_that_of_torchmetrics_inside_the_image(truth):
    first, second = truth[0], 0.5 * truth[0] + truth[1]
    _, reference = structural_similarity_index_measure(
        first[None, None], second[None, None], data_range=1.0, return_full_image=True
    )
    torch.testing.assert_close(structural_similarity(first, second), reference[0, 0, 5:-5, 5:-5], rtol=1e-9, atol=1e-12)


def test_frames_smaller_than_the_window_are_refused():
    small = torch.ones(2, 10, 20)
    with pytest.raises(RuntimeError, match=r"[Kk]ernel size"):
        TCC(small, small, everywhere(small))
