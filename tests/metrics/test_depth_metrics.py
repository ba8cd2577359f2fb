import math

import pytest
import torch

from turnaround.metrics.base import Average, DepthMetric
from turnaround.metrics.depth import AbsRel, Delta, IRmse, Log10, LogRmse, Rmse, SILog, SquaredRelative

ERRORS = [AbsRel(), SquaredRelative(), Rmse(), LogRmse(), Log10(), IRmse(), SILog()]
METRICS = [*ERRORS, Delta(power=1), Delta(power=2), Delta(power=3)]

# Frame 0: ratios 1, 1.25 (not below the threshold), 1/2 and an invalid pixel. Frame 1: one valid pixel. Frame 2: none.
TRUTH = torch.tensor([[[1, 2], [4, torch.nan]], [[2, 0], [0, 0]], [[0, 0], [0, 0]]])
DEPTH = torch.tensor([[[1, 2.5], [2, 9]], [[3, 9], [9, 9]], [[9, 9], [9, 9.0]]])
VALID = torch.tensor([[[1, 1], [1, 0]], [[1, 0], [0, 0]], [[0, 0], [0, 0]]]).bool()
LOGS = math.log(1.25), math.log(2), math.log(1.5)


@pytest.mark.parametrize(
    ("metric", "frames"),
    [
        (AbsRel(), [(0 + 0.25 + 0.5) / 3, 0.5]),
        (Rmse(), [math.sqrt((0 + 0.25 + 4) / 3), 1]),
        (SquaredRelative(), [(0 + 0.25 / 2 + 4 / 4) / 3, 1 / 2]),
        (LogRmse(), [math.sqrt((LOGS[0] ** 2 + LOGS[1] ** 2) / 3), LOGS[2]]),
        (Log10(), [(math.log10(1.25) + math.log10(2)) / 3, math.log10(1.5)]),
        (IRmse(), [math.sqrt((0 + (0.4 - 0.5) ** 2 + (0.5 - 0.25) ** 2) / 3), 1 / 2 - 1 / 3]),
        (
            SILog(),
            [100 * math.sqrt((LOGS[0] ** 2 + LOGS[1] ** 2) / 3 - ((LOGS[0] - LOGS[1]) / 3) ** 2), 0],
        ),
        (Delta(power=1), [1 / 3, 0]),
        (Delta(power=2), [2 / 3, 1]),
        (Delta(power=3), [2 / 3, 1]),
    ],
)
def test_hand_computed_values_are_averaged_over_pixels_then_over_frames_with_truth(metric, frames):
    average = metric(DEPTH, TRUTH, VALID)
    assert average.count == 2
    assert average.sum == pytest.approx(sum(frames), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_truth_is_perfect(metric):
    truth = 1 + torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0))
    valid = torch.ones_like(truth, dtype=torch.bool)
    assert metric(truth, truth, valid).value == (1 if metric.name.startswith("delta") else 0)
    assert isinstance(metric, DepthMetric)


def test_names_are_those_of_the_tables():
    names = ["abs_rel", "sq_rel", "rmse", "log_rmse", "log10", "i_rmse", "silog", "delta1", "delta2", "delta3"]
    assert [metric.name for metric in METRICS] == names


def test_silog_does_not_see_a_common_factor():
    truth = 1 + torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert SILog()(7 * truth, truth, truth > 0).value == pytest.approx(0, abs=1e-12)


def test_averages_merge_and_an_empty_one_has_no_value():
    empty = AbsRel()(DEPTH, TRUTH, torch.zeros_like(VALID))
    assert empty == Average(sum=0.0, count=0)
    assert math.isnan(empty.value)
    assert (Average(sum=1.0, count=1) + Average(sum=5.0, count=2) + empty).value == 2


def test_a_prediction_without_a_number_gives_none():
    depth = DEPTH.clone()
    depth[0, 0, 0] = torch.nan
    assert math.isnan(AbsRel()(depth, TRUTH, VALID).value)
