import json
from pathlib import Path

import pytest

from turnaround.run.study import Arm, Study, filled
from turnaround.types import InputError

TINY_TRAINING = [
    "sampler.height=16",
    "sampler.width=24",
    "sampler.frames=3",
    "lengths=uniform",
    "lengths.most=3",
    "data.train.clips.count=4",
    "data.validation.count=1",
    "trainer.max_steps=2",
    "trainer.val_check_interval=2",
]
TINY_SCORING = ["sampler.height=16", "sampler.width=24", "sampler.frames=3"]
SHORT = ["inference.pixels=384", "inference.window=3", "inference.overlap=1"]


def test_arms_stand_for_their_folders():
    folders = {"a": Path("/out/a"), "b": Path("/out/b")}
    assert filled(["checkpoint=<a>/checkpoints", "x=[<b>,<a>]", "y=1"], folders) == [
        "checkpoint=/out/a/checkpoints",
        "x=[/out/b,/out/a]",
        "y=1",
    ]
    with pytest.raises(InputError, match=r"study.arms: expected a or b, found <c>"):
        filled(["checkpoint=<c>"], folders)


def test_a_baseline_that_is_no_arm_is_refused():
    with pytest.raises(InputError, match=r"study.baseline: expected one, found other"):
        Study(claim="", decides=[], arms={"one": Arm(eval=[])}, baseline="other", train=[], eval=[], seeds=[0])


@pytest.mark.slow
def test_a_study_trains_scores_and_compares_and_does_nothing_twice(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    study = Study(
        claim="one step is as good as five",
        decides=["abs_rel"],
        baseline="five_steps",
        train=["logger=none", f"cache={tmp_path}/cache", *TINY_TRAINING],
        eval=[
            "logger=none",
            f"cache={tmp_path}/cache",
            "benchmark.source.count=2",
            *TINY_SCORING,
        ],
        arms={
            "five_steps": Arm(
                train=["net=svd_tiny", "objective=diffusion", "inference=euler", *SHORT],
                eval=["inference=euler", *SHORT],
            ),
            "single_step": Arm(train=["net=svd_tiny", *SHORT], eval=SHORT),
            "longer": Arm(train=["net=checkpoint", "checkpoint=<single_step>/checkpoints", *SHORT], eval=SHORT),
        },
        seeds=[0],
    )
    metrics = study.run(tmp_path / "out")
    said = capfd.readouterr().err
    assert "one step is as good as five\ndecided by: abs_rel" in said
    assert said.count("$ ") == 6  # three trainings, three evaluations
    assert set(metrics) == {f"{arm}/abs_rel" for arm in study.arms}
    table = (tmp_path / "out" / "table.md").read_text()
    assert all(arm in table for arm in study.arms)
    started = json.loads((tmp_path / "out" / "longer" / "0" / "train" / "record.json").read_text())
    assert [notice["name"] for notice in started["weights"]] == ["checkpoints"]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("metrics.json")}
    assert study.run(tmp_path / "out") == metrics
    assert capfd.readouterr().err.count("$ ") == 0
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("metrics.json")}


@pytest.mark.slow
def test_a_study_stops_at_a_job_that_fails(tmp_path):
    arms = {"one": Arm(eval=["checkpoint=nowhere"])}
    study = Study(claim="", decides=[], arms=arms, baseline="one", train=[], eval=["logger=none"], seeds=[0])
    with pytest.raises(InputError, match="expected a job that ends well, found exit code 2"):
        study.run(tmp_path)
