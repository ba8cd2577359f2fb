import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

ROOT = Path(__file__).parents[2]
SMALL = [
    "trainer.accelerator=cpu",
    "net=svd_tiny",
    "logger=none",
    "sampler.height=16",
    "sampler.width=24",
    "sampler.frames=3",
    "lengths=uniform",
    "lengths.most=3",
    "data.train.clips.count=4",
    "data.validation.count=2",
    "trainer.max_steps=3",
    "trainer.val_check_interval=3",
]


def train(out: Path, *options: str) -> dict:
    command = [sys.executable, "train.py", *SMALL, f"cache={out.parent}/cache", f"out={out}", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines() == [str(out)]  # the first process alone speaks
    return json.loads((out / "record.json").read_text())


@pytest.mark.slow
def test_two_processes_train_one_network(tmp_path):
    assert train(tmp_path / "two", "trainer=ddp")["status"] == "done"
    assert train(tmp_path / "again", "trainer=ddp")["status"] == "done"
    train(tmp_path / "one")
    two, again, one = (load_file(tmp_path / n / "checkpoints" / "weights.safetensors") for n in ("two", "again", "one"))
    assert all(two[key].equal(again[key]) for key in two)
    assert any(not two[key].equal(one[key]) for key in two)  # the second process had its say
