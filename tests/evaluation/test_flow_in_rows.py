"""Metrics along the flow: values where the source knows the flow, and the reason where it does not."""

import pytest
import torch
from still_clips import HEIGHT, WIDTH, Clips, make_benchmark, write_predictions

from turnaround.evaluation.benchmark import FlowSource
from turnaround.evaluation.score import read_rows, score, write_rows
from turnaround.metrics.flow import OpticalWarpingError, RelativeTemporalConsistency
from turnaround.types import DepthKind, Flow

METRICS = [OpticalWarpingError(), RelativeTemporalConsistency()]
REASON = "unknown: the source has none of this clip"


class ClipsWithFlow(Clips):
    """Of the clip a it is known that nothing moves."""

    asked = 0

    def backward_flow(self, id):
        self.asked += 1
        if id == "b":
            return None
        visible = torch.ones(2, HEIGHT, WIDTH, dtype=torch.bool)
        return Flow(pixels=torch.zeros(2, 2, HEIGHT, WIDTH), visible=visible)


def rows_of(source, folder, **changes):
    settings = {"metrics": [], "temporal_metrics": [], "flow_metrics": METRICS} | changes
    return list(score(make_benchmark(source, **settings), folder))


def test_a_clip_whose_flow_is_known_has_values_and_another_the_reason(tmp_path):
    source = ClipsWithFlow()
    assert isinstance(source, FlowSource)
    assert not isinstance(Clips(), FlowSource)
    source.clip("a").video[:] = 0.5  # so that all weights are 1
    growing = torch.tensor([1.0, 1.2, 1.8])[:, None, None]
    write_predictions(tmp_path / "oracle", source, DepthKind.METRIC)
    write_predictions(tmp_path / "peer", source, DepthKind.METRIC, lambda depth: depth * growing)
    rows = rows_of(source, tmp_path)
    assert [(row["item"], row["method"]) for row in rows] == [(i, m) for i in "ab" for m in ("oracle", "peer")]
    assert rows[0]["metrics"] == pytest.approx({"opw": 0, "rtc": 1}, abs=1e-12)
    # OPW does not see a factor; of the ratios 1.2 and 1.5 one is below 1.25
    assert rows[1]["metrics"] == pytest.approx({"opw": 0, "rtc": 0.5}, abs=1e-5)  # files hold float32
    for row in rows[:2]:
        assert "flow" not in row["meta"]
    for row in rows[2:]:
        assert row["metrics"] == {"opw": None, "rtc": None}
        assert row["meta"]["flow"] == REASON
    assert source.asked == 2  # once per clip, for all methods
    write_rows(tmp_path / "rows.jsonl", rows)
    assert read_rows(tmp_path / "rows.jsonl") == rows


def test_a_source_that_knows_no_flow_gives_the_reason(tmp_path):
    source = Clips()
    write_predictions(tmp_path / "oracle", source, DepthKind.METRIC)
    for row in rows_of(source, tmp_path):
        assert row["metrics"] == {"opw": None, "rtc": None}
        assert row["meta"]["flow"] == REASON


def test_without_such_metrics_nobody_asks_for_flow(tmp_path):
    source = ClipsWithFlow()
    write_predictions(tmp_path / "oracle", source, DepthKind.METRIC)
    rows = rows_of(source, tmp_path, flow_metrics=[])
    assert source.asked == 0
    assert all("flow" not in row["meta"] for row in rows)


def test_a_prediction_of_another_length_has_no_values_along_the_flow(tmp_path):
    source = ClipsWithFlow()
    write_predictions(tmp_path / "short", source, DepthKind.METRIC, lambda depth: depth[:2])
    first = rows_of(source, tmp_path)[0]
    assert first["metrics"] == {"opw": None, "rtc": None}
    assert first["meta"]["invalid"] == "2 frames predicted, the clip has 3"


def test_pooling_leaves_them_as_they_are(tmp_path):
    source = ClipsWithFlow()
    factors = torch.tensor([1.0, 1.2, 1.8])[:, None, None]
    write_predictions(tmp_path / "peer", source, DepthKind.METRIC, lambda depth: depth * factors)
    frames, pixels = (rows_of(source, tmp_path, pooling=pooling)[0] for pooling in ("frames", "pixels"))
    assert pixels["metrics"] == frames["metrics"]
