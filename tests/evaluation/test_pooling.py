"""Over what a protocol takes the mean: frames, or all pixels of a clip."""

import math

import pytest
import torch
from still_clips import HEIGHT, WIDTH, Clips, make_benchmark, write_predictions

from turnaround.evaluation.score import score
from turnaround.metrics.boundary import BoundaryF1
from turnaround.metrics.change import RelativeTemporalDifference
from turnaround.metrics.depth import AbsRel, Delta, Rmse, SILog
from turnaround.types import DepthKind, InputError

# Where the truth is known: three pixels of frame 0, one of frame 1, none of frame 2.
TRUTH = {(0, 0, 0): 1.0, (0, 2, 3): 2.0, (0, 5, 7): 4.0, (1, 1, 1): 2.0}
FOUND = {(0, 0, 0): 1.0, (0, 2, 3): 2.5, (0, 5, 7): 2.0, (1, 1, 1): 3.0}
LOGS = [0, math.log(1.25), -math.log(2), math.log(1.5)]  # of FOUND / TRUTH


def maps(values, elsewhere):
    filled = torch.full((3, HEIGHT, WIDTH), elsewhere)
    for place, value in values.items():
        filled[place] = value
    return filled


def deviation(values):
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        (
            "frames",
            {
                "abs_rel": ((0 + 0.25 + 0.5) / 3 + 0.5) / 2,
                "rmse": (math.sqrt((0 + 0.25 + 4) / 3) + 1) / 2,
                "silog": (100 * deviation(LOGS[:3]) + 0) / 2,
                "delta1": (1 / 3 + 0) / 2,
            },
        ),
        (
            "pixels",
            {
                "abs_rel": (0 + 0.25 + 0.5 + 0.5) / 4,
                "rmse": math.sqrt((0 + 0.25 + 4 + 1) / 4),
                "silog": 100 * deviation(LOGS),
                "delta1": 1 / 4,
            },
        ),
    ],
)
def test_hand_computed_values_of_both(tmp_path, pooling, expected):
    source = Clips()
    write_predictions(tmp_path / "peer", source, DepthKind.METRIC, lambda depth: maps(FOUND, elsewhere=9.0))
    source.clip("a").depth.values[:] = maps(TRUTH, elsewhere=torch.nan)
    source.clip("b").depth.values[:] = torch.nan
    metrics = [AbsRel(), Rmse(), SILog(), Delta(power=1)]
    benchmark = make_benchmark(source, pooling=pooling, metrics=metrics, temporal_metrics=[])
    row, unknown = score(benchmark, tmp_path)
    assert row["metrics"] == pytest.approx(expected, abs=1e-12)
    assert unknown["metrics"] == dict.fromkeys(expected)
    counts = [row["meta"].get("pixels"), unknown["meta"].get("pixels")]
    assert counts == ([4, 0] if pooling == "pixels" else [None, None])
    assert (row["meta"]["frames"], row["meta"]["frames_dropped"]) == (3, 1)


def test_pairs_of_frames_are_not_pooled(tmp_path):
    source, factors = Clips(), torch.tensor([0.5, 0.8, 1.1])
    write_predictions(tmp_path / "peer", source, DepthKind.METRIC, lambda depth: depth * factors[:, None, None])
    frames, pixels = (next(score(make_benchmark(source, pooling=name), tmp_path)) for name in ("frames", "pixels"))
    assert pixels["metrics"]["tae"] == frames["metrics"]["tae"] > 0
    assert pixels["metrics"]["rmse"] != frames["metrics"]["rmse"]


@pytest.mark.parametrize("metric", [BoundaryF1(), RelativeTemporalDifference()], ids=lambda metric: metric.name)
def test_what_sees_where_pixels_stand_cannot_be_pooled(metric):
    make_benchmark(Clips(), metrics=[AbsRel(), metric])
    with pytest.raises(InputError, match=rf"benchmark little: .*found {metric.name};"):
        make_benchmark(Clips(), metrics=[AbsRel(), metric], pooling="pixels")


def test_another_pooling_is_refused():
    with pytest.raises(InputError, match="pooling to be one of frames, pixels, found videos"):
        make_benchmark(Clips(), pooling="videos")
