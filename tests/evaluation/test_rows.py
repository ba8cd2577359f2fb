"""Rows say where their numbers come from, and survive the disk."""

import json
import math
from dataclasses import replace

import pytest
from still_clips import Clips, make_benchmark, write_predictions

from turnaround.evaluation.baselines import ConstantDepth
from turnaround.evaluation.predict import predict
from turnaround.evaluation.score import read_rows, score, write_rows
from turnaround.types import DepthKind, InputError


def test_rows_say_where_their_clips_came_from(tmp_path):
    source = Clips()
    write_predictions(tmp_path / "theirs", source, DepthKind.METRIC)
    origin = {"frames": "a.png\na.dpt", "sha256": "00ff"}
    source.clips["a"] = replace(source.clips["a"], sources=origin)
    rows = list(score(make_benchmark(source), tmp_path))
    assert rows[0]["meta"]["sources"] == origin
    assert "sources" not in rows[1]["meta"]
    write_rows(tmp_path / "rows.jsonl", rows)
    assert read_rows(tmp_path / "rows.jsonl") == rows


def test_rows_carry_seed_and_speed_and_survive_the_disk(tmp_path):
    source = Clips()
    benchmark = make_benchmark(source)
    predict(ConstantDepth(), benchmark, tmp_path / "predictions", 7, "settings")
    rows = list(score(benchmark, tmp_path / "predictions"))
    assert rows[0]["meta"]["seed"] == 7
    assert rows[0]["meta"]["seconds_per_frame"] > 0
    write_rows(tmp_path / "rows.jsonl", rows)
    assert read_rows(tmp_path / "rows.jsonl") == rows


def test_rows_are_strict_json(tmp_path):
    path = tmp_path / "rows.jsonl"
    row = {"benchmark": "x", "item": "a", "method": "m", "metrics": {"abs_rel": math.nan, "rmse": 1.0}, "meta": {}}
    write_rows(path, [row])
    assert json.loads(path.read_text())["metrics"] == {"abs_rel": None, "rmse": 1.0}
    assert read_rows(path)[0]["metrics"] == {"abs_rel": None, "rmse": 1.0}


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"benchmark": "x"}',
        '{"benchmark": "x", "item": "a", "method": "m", "metrics": {"rmse": NaN}, "meta": {}}',
        '{"benchmark": "x", "item": "a", "method": "m", "metrics": {"rmse": "1"}, "meta": {}}',
        '{"benchmark": "x", "item": 3, "method": "m", "metrics": {}, "meta": {}}',
        '{"benchmark": "x", "item": "a", "method": "m", "metrics": [], "meta": {}}',
    ],
)
def test_malformed_rows_are_named(tmp_path, line):
    path = tmp_path / "rows.jsonl"
    good = {"benchmark": "x", "item": "a", "method": "m", "metrics": {}, "meta": {}}
    path.write_text(json.dumps(good) + "\n" + line + "\n")
    with pytest.raises(InputError, match=r"rows\.jsonl line 2"):
        read_rows(path)
    with pytest.raises(InputError, match="no such file"):
        read_rows(tmp_path / "other.jsonl")


def test_failed_scoring_leaves_no_rows(tmp_path):
    source = Clips()
    write_predictions(tmp_path / "predictions", source, DepthKind.METRIC)
    (tmp_path / "predictions" / "b.npz").write_bytes(b"not an archive")
    with pytest.raises(InputError, match=r"b\.npz"):
        write_rows(tmp_path / "rows.jsonl", score(make_benchmark(source), tmp_path / "predictions"))
    assert [path.name for path in tmp_path.iterdir()] == ["predictions"]
