import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
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
    "trainer.val_check_interval=3",
]


def train(out: Path, *options: str, steps: int = 3) -> dict:
    command = [
        sys.executable,
        "train.py",
        *SMALL,
        f"trainer.max_steps={steps}",
        f"cache={out.parent}/cache",
        f"out={out}",
        *options,
    ]
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


# Freezing leaves gaps in the numbers of trained parameters, by which optimizer states are kept.
FREEZING = "task.freeze=['temporal_|time_pos_embed|time_mixer']"


def last(out: Path) -> dict:
    return torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "checkpoints" / "weights.safetensors")


def gradients(out: Path) -> dict[int, torch.Tensor]:
    """Their running mean, by the number of the parameter."""
    (optimizer,) = last(out)["optimizer_states"]
    return {number: state["exp_avg"] for number, state in optimizer["state"].items()}


def distance(first: dict, second: dict) -> float:
    """Euclidean, over all tensors."""
    assert first.keys() == second.keys()
    return sum((first[key] - second[key]).double().square().sum().item() for key in first) ** 0.5


def assert_near(found: Path, expected: Path, other: Path) -> None:
    """Sums of two addends in another order: rounding, 1e-7 of each gradient, which four steps of a network with
    absolute values in its loss raise some hundred times, where `other` batches change a tenth.
    """
    assert distance(gradients(found), gradients(expected)) < 1e-4 * distance(gradients(other), gradients(expected))
    # Adam divides gradients by their size, so rounding decides where those go that are nearly nothing.
    assert distance(weights(found), weights(expected)) < 1e-2 * distance(weights(other), weights(expected))


@pytest.mark.slow
def test_shares_train_what_whole_copies_do_and_resume_exactly(tmp_path):
    """ddp, fsdp, fsdp in two legs, and fsdp that goes on as ddp and then as zero2."""
    one, ddp, fsdp, legs, mixed = (tmp_path / name for name in ("one", "ddp", "fsdp", "legs", "mixed"))
    train(one, FREEZING, steps=4)
    train(ddp, FREEZING, "trainer=ddp", steps=4)
    train(fsdp, FREEZING, "trainer=fsdp", steps=4)
    assert_near(fsdp, ddp, one)
    assert (fsdp / "metrics.jsonl").read_text().count("validation/abs_rel") == 1

    train(legs, FREEZING, "trainer=fsdp", steps=2)
    train(mixed, FREEZING, "trainer=ddp", f"resume={legs}/checkpoints/last.ckpt", steps=3)
    train(mixed, FREEZING, "trainer=zero2", "resume=auto", steps=4)
    assert_near(mixed, ddp, one)

    train(legs, FREEZING, "trainer=fsdp", "resume=auto", steps=4)
    for content in (weights, gradients, lambda out: last(out)["state_dict"]):
        assert distance(content(legs), content(fsdp)) == 0


# Stereo, posed views and pictures; which of them batch n is from follows from the seed: these six have all three.
INPAINTING = [
    "experiment=inpaint_small",
    "trainer.accelerator=cpu",
    "trainer=ddp",
    "logger=none",
    "net.unet.unet.block_out_channels=[16,16,16,16]",
    "pixels_per_batch=1024",
    "crop={height: 16, width: 32}",
    "sampler.worlds.height=32",
    "sampler.worlds.width=48",
    "trainer.val_check_interval=3",
    "data.validation.count=1",
    *(f"data.train.sources.{name}.batches.pairs.clips.count=4" for name in ("stereo", "views", "pictures")),
]


def inpaint(out: Path, steps: int, *options: str) -> None:
    command = [sys.executable, "train.py", *INPAINTING, f"trainer.max_steps={steps}", f"cache={out.parent}/cache"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    found = subprocess.run(
        [*command, f"out={out}", *options], cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert found.returncode == 0, found.stderr


@pytest.mark.slow
def test_inpainters_learn_from_three_kinds_of_pairs_in_two_processes_and_resume_exactly(tmp_path):
    whole, legs = tmp_path / "whole", tmp_path / "legs"
    inpaint(whole, 6)
    inpaint(legs, 3)
    inpaint(legs, 6, "resume=auto")
    assert distance(weights(legs), weights(whole)) == 0
    assert distance(last(legs)["state_dict"], last(whole)["state_dict"]) == 0
    assert (legs / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
