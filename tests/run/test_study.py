import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from turnaround.run.study import Arm, Study, filled
from turnaround.types import InputError

ROOT = Path(__file__).parents[2]
TINY_TRAINING = [
    "net=svd_tiny",
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
TINY_SCORING = ["sampler.height=16", "sampler.width=24", "inference.pixels=384"]


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
def test_a_study_trains_scores_and_prints_its_table_and_does_nothing_twice(tmp_path):
    arms = ["single_step_e2e", "five_steps"]
    command = [
        *(sys.executable, str(ROOT / "run.py"), "study=single_step", f"out={tmp_path}/study", "frames=3", "clips=2"),
        f"pipeline.train=[logger=none,cache={tmp_path}/cache,{','.join(TINY_TRAINING)}]",
        "pipeline.eval=[logger=none,'methods=[${inference}]','baselines=[]',baseline=null,benchmark.source.count=2,"
        f"sampler.frames=3,cache={tmp_path}/cache,{','.join(TINY_SCORING)}]".replace("$", r"\$"),
        "~pipeline.arms.single_step_latent",
        "pipeline.arms.five_steps.eval=[inference=euler,inference.window=3,inference.overlap=1]",
        "pipeline.arms.single_step_e2e.eval=[inference=single_step,inference.window=3,inference.overlap=1]",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def run() -> str:
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
        assert found.returncode == 0, found.stderr
        return found.stderr

    said = run()
    assert "decided by: abs_rel, tae" in said
    assert said.count("$ ") == 4  # two trainings, two evaluations
    metrics = json.loads((tmp_path / "study" / "metrics.json").read_text())
    assert set(metrics) == {f"{arm}/{metric}" for arm in arms for metric in ("abs_rel", "tae")}
    table = (tmp_path / "study" / "table.md").read_text()
    assert all(arm in table for arm in arms)
    first = {path: path.stat().st_mtime_ns for arm in arms for path in (tmp_path / "study" / arm).rglob("*")}
    assert run().count("$ ") == 0
    assert first == {path: path.stat().st_mtime_ns for arm in arms for path in (tmp_path / "study" / arm).rglob("*")}
