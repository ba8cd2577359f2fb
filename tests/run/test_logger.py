"""What is logged can be read back, also after a kill."""

import json
import math
import os

import pytest
import torch

from turnaround.io.video import write_video
from turnaround.run.logger import JsonlLogger, Untracked, WandbRun, build_loggers
from turnaround.types import InputError


def steps(path):
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_lines_are_strict_json(tmp_path):
    logger = JsonlLogger(tmp_path / "m.jsonl", resume_step=0)
    logger.log_metrics({"a": 1.5, "b": math.nan, "c": math.inf}, step=3)
    line = (tmp_path / "m.jsonl").read_text()
    assert json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON")) == {
        "step": 3,
        "a": 1.5,
        "b": None,
        "c": None,
    }


def test_resuming_keeps_earlier_lines_and_drops_later_and_torn_ones(tmp_path):
    path = tmp_path / "m.jsonl"
    first = JsonlLogger(path, resume_step=0)
    for step in range(5):
        first.log_metrics({"a": float(step)}, step=step)
    with path.open("a") as file:
        file.write('{"step": 1, "a"')
    resumed = JsonlLogger(path, resume_step=3)
    assert steps(path) == [0, 1, 2]
    resumed.log_metrics({"a": 3.0}, step=3)
    assert steps(path) == [0, 1, 2, 3]
    JsonlLogger(path, resume_step=0)
    assert path.read_text() == ""


def test_without_a_tracker_only_the_file_is_written(tmp_path):
    (logger,) = build_loggers(Untracked(), tmp_path, resume_step=0)
    logger.log_metrics({"a": 1.0}, step=0)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_an_unknown_mode_is_refused():
    with pytest.raises(InputError, match=r"logger\.mode: expected offline or online, found onlin"):
        WandbRun(project="p", mode="onlin")


def test_wandb_runs_offline_and_silently(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    out = tmp_path / "out"
    out.mkdir()
    (out / "config.yaml").write_text("net: {width: 8}\n")
    write_video(out / "clip.mp4", torch.rand(3, 3, 16, 16), fps=8.0)
    tracker = WandbRun(project="tests", mode="offline")
    assert tracker.id is None
    _, logger = build_loggers(tracker, out, resume_step=0)
    logger.log_metrics({"loss": 0.25}, step=0)
    tracker.log_metrics({"abs_rel": 0.1, "tae": None})
    tracker.log_table("rows", [{"item": "a", "x": 1.0}, {"item": "b", "y": 2.0}])
    tracker.log_video("media/clip", out / "clip.mp4", step=1)
    assert tracker.id == logger.version
    tracker.finish(failed=False)
    (run,) = out.glob("wandb/offline-run-*")
    assert len(list(run.glob("files/media/videos/**/*.mp4"))) == 1
    (table,) = run.glob("files/media/table/**/*.json")
    assert json.loads(table.read_text())["data"] == [["a", 1.0, None], ["b", None, 2.0]]
    assert (run / f"run-{tracker.id}.wandb").stat().st_size > 0
    assert capfd.readouterr() == ("", "")
    assert "WANDB_MODE" not in os.environ
