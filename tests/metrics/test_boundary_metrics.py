import math

import pytest
import torch

from turnaround.metrics.base import DepthMetric
from turnaround.metrics.boundary import THRESHOLDS, BoundaryF1, BoundaryRecall, thinned

F1, RECALL = BoundaryF1(), BoundaryRecall()
BOTH = pytest.mark.parametrize("metric", [F1, RECALL], ids=lambda metric: metric.name)


def step(at=3, near=2.0, far=4.0):
    """One frame of 4 x 6 whose columns from `at` on are far."""
    depth = torch.full((1, 4, 6), near)
    depth[..., at:] = far
    return depth


def everywhere(maps):
    return torch.ones_like(maps, dtype=torch.bool)


def share_of_thresholds_below(ratio):
    return sum(t for t in THRESHOLDS if t < ratio) / sum(THRESHOLDS)


def test_thresholds_are_those_of_the_paper():
    assert len(THRESHOLDS) == 10
    assert THRESHOLDS[0] == pytest.approx(1.05)
    assert THRESHOLDS[-1] == pytest.approx(1.25)


@BOTH
def test_truth_is_perfect_and_a_common_factor_is_not_seen(metric):
    truth = 1 + torch.rand(3, 8, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert metric(truth, truth, everywhere(truth)).value == 1
    assert metric(8 * truth, truth, everywhere(truth)).value == 1  # a power of two: the ratios are the same floats
    assert metric(truth, truth, everywhere(truth)).count == 3
    assert isinstance(metric, DepthMetric)


@BOTH
def test_a_constant_map_scores_nothing(metric):
    assert metric(torch.full((1, 4, 6), 3.0), step(), everywhere(step())).value == 0


@BOTH
def test_a_misplaced_contour_or_one_the_wrong_way_round_is_not_found(metric):
    assert metric(step(at=2), step(), everywhere(step())).value == 0
    assert metric(step(near=4.0, far=2.0), step(), everywhere(step())).value == 0


@BOTH
def test_a_flatter_contour_is_found_at_the_thresholds_below_its_ratio(metric):
    flat = step(near=2.0, far=2.3)
    assert 0 < share_of_thresholds_below(1.15) < 1
    assert metric(flat, step(), everywhere(step())).value == pytest.approx(share_of_thresholds_below(1.15))


def test_false_contours_cost_f1_only():
    depth = step()
    depth[:, 2:] *= 4  # the true contours stay, one per row; six false ones appear between rows 1 and 2
    assert F1(depth, step(), everywhere(step())).value == pytest.approx(2 * 4 / (4 + 10))
    assert RECALL(depth, step(), everywhere(step())).value == 1


def test_contours_of_all_four_directions_count():
    truth = torch.full((1, 5, 5), 4.0)
    truth[:, 2, 2] = 1.0  # one near pixel: a contour to each side
    depth = truth.clone()
    depth[:, 2, 3] = 1.0  # two near pixels: the right side moves on, one more above and one more below
    assert F1(depth, truth, everywhere(truth)).value == pytest.approx(2 * 3 / (4 + 6))
    assert RECALL(depth, truth, everywhere(truth)).value == pytest.approx(3 / 4)


def test_a_blurred_edge_is_found_by_recall_only_where_it_is_steepest():
    blurred = torch.tensor([[[1.0, 1.3, 2.6, 3.38]]])  # ratios 1.3, 2, 1.3 in one run
    sharp_there = torch.tensor([[[1.0, 1.0, 3.0, 3.0]]])
    sharp_beside = torch.tensor([[[1.0, 3.0, 3.0, 3.0]]])
    assert RECALL(blurred, sharp_there, everywhere(blurred)).value == 1
    assert RECALL(blurred, sharp_beside, everywhere(blurred)).value == 0
    assert F1(blurred, sharp_beside, everywhere(blurred)).value == pytest.approx(2 * 1 / (3 + 1))


def test_thinning_keeps_the_first_largest_of_each_run_and_runs_end_with_the_line():
    ratios = torch.tensor([[2.0, 3.0, 3.0, 1.0, 2.0], [4.0, 1.0, 1.0, 2.0, 2.5], [1.0, 1.0, 1.0, 1.0, 1.0]])
    kept = torch.tensor([[0, 1, 0, 0, 1], [1, 0, 0, 0, 1], [0, 0, 0, 0, 0]]).bool()
    assert torch.equal(thinned(ratios, 1.5), kept)
    assert not thinned(ratios, 9.0).any()


@BOTH
def test_pairs_with_an_unknown_pixel_do_not_count(metric):
    truth, depth = step(), step()
    depth[:, 1, 3] = 2.0
    valid = everywhere(truth)
    valid[:, 1, 3] = False
    truth[~valid] = torch.nan
    assert metric(depth, truth, valid).value == 1


@BOTH
def test_frames_without_contours_do_not_count(metric):
    flat = torch.full((2, 4, 6), 3.0)
    assert math.isnan(metric(flat, flat, everywhere(flat)).value)
    assert math.isnan(metric(step(), step(), ~everywhere(step())).value)
    truth = torch.cat([step(), flat[:1]])
    assert metric(truth, truth, everywhere(truth)).count == 1


def test_contours_where_the_truth_has_none_cost_f1_and_have_no_recall():
    flat = torch.full((1, 4, 6), 3.0)
    assert F1(step(), flat, everywhere(flat)).value == 0
    assert math.isnan(RECALL(step(), flat, everywhere(flat)).value)


def test_names_are_those_of_the_tables():
    assert (F1.name, RECALL.name) == ("boundary_f1", "boundary_recall")
