"""Training: what was stopped and resumed ends as what was not."""

import itertools
import json
import math
import signal
import threading
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Dataset, Sampler

from turnaround.nets.tokens import PooledTokens
from turnaround.run.checkpoint import load_network
from turnaround.run.logger import Untracked
from turnaround.run.train import TrainRun
from turnaround.types import InputError

NET = {"_target_": "turnaround.nets.tokens.PooledTokens", "latent_channels": 2, "channels": 3}


class Regression(pl.LightningModule):
    """Learns random targets, with noise from the global generators and momentum in the optimizer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.network = PooledTokens(latent_channels=2, channels=3)
        self.averages: list[torch.Tensor] = []

    def training_step(self, batch, batch_idx):
        loss = self._loss(batch + 0.1 * torch.randn_like(batch))
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self._loss(batch + torch.randn_like(batch)))
        self.averages.append(self.network.project.weight.detach().clone())

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (step + 1))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _loss(self, latents):
        return self.network(latents.new_zeros(1, 4, 3, 2, 2), latents).square().mean()


class Numbered(Dataset):
    """Item i depends on i alone."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, number):
        return torch.rand(1, 4, 2, 2, 2, generator=torch.Generator().manual_seed(number))


class FromStep(Sampler):
    """Numbers on from the steps taken, without end: stateless, so that resuming needs no state of a loader."""

    def __init__(self, start):
        self.start = start

    def __iter__(self):
        return itertools.count(self.start)


class Data(pl.LightningDataModule):
    def train_dataloader(self):
        taken = self.trainer.global_step * self.trainer.accumulate_grad_batches
        return DataLoader(Numbered(10**6), sampler=FromStep(taken), batch_size=None)

    def val_dataloader(self):
        return DataLoader(Numbered(2), batch_size=None)


@pytest.fixture(autouse=True)
def _restore_determinism():
    yield
    torch.use_deterministic_algorithms(False)


def train(out: Path, steps: int, *, task=None, resume=None, every=100, decay=0.5, **trainer) -> dict:
    arguments = {
        "accelerator": "cpu",
        "max_steps": steps,
        "max_epochs": -1,
        "deterministic": True,
        "precision": "auto",
        "gradient_clip_val": 1.0,
        "log_every_n_steps": 1,
        "val_check_interval": 2,
        "check_val_every_n_epoch": None,
        "num_sanity_val_steps": 0,
        "enable_model_summary": False,
        "enable_progress_bar": False,
    }
    job = TrainRun(
        task=task or Regression(),
        data=Data(),
        net=NET,
        trainer=arguments | trainer,
        logger=Untracked(),
        checkpoint_every=every,
        ema_decay=decay,
        seed=1,
        resume=resume,
    )
    return job.run(out)


def state(out: Path) -> dict:
    return torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)


def flat(value, key=""):
    """Every leaf of a nested state by its path, without what tells time or place."""
    if isinstance(value, dict):
        return {k: v for name, item in value.items() for k, v in flat(item, f"{key}/{name}").items()}
    if isinstance(value, list | tuple):
        return {k: v for index, item in enumerate(value) for k, v in flat(item, f"{key}/{index}").items()}
    return {key: value}


def assert_same_end(first: Path, second: Path) -> None:
    ours, theirs = flat(state(first)), flat(state(second))
    assert ours.keys() == theirs.keys()
    tensors = [key for key, value in ours.items() if isinstance(value, torch.Tensor)]
    assert any("average" in key for key in tensors)
    assert any("exp_avg" in key for key in tensors)
    for key, value in ours.items():
        same = torch.equal(value, theirs[key]) if isinstance(value, torch.Tensor) else value == theirs[key]
        assert same, key
    exported = [load_file(out / "checkpoints/weights.safetensors") for out in (first, second)]
    assert all(torch.equal(tensor, exported[1][key]) for key, tensor in exported[0].items())
    assert (first / "metrics.jsonl").read_text() == (second / "metrics.jsonl").read_text()


@pytest.mark.parametrize(("first", "val_every", "accumulate"), [(2, 2, 1), (3, 2, 1), (1, 4, 1), (2, 2, 2)])
def test_resuming_is_exact(tmp_path, first, val_every, accumulate):
    """The first leg ends with a validation, without one, or with accumulated gradients; the result is the same."""
    options = {"val_check_interval": val_every, "accumulate_grad_batches": accumulate}
    train(tmp_path / "whole", 4, **options)
    train(tmp_path / "parts", first, **options)
    assert state(tmp_path / "parts")["global_step"] == first
    metrics = train(tmp_path / "parts", 4, resume="auto", **options)
    assert_same_end(tmp_path / "whole", tmp_path / "parts")
    assert set(metrics) == {"train/loss", "val/loss"}


def test_each_step_and_validation_is_logged_once(tmp_path):
    train(tmp_path, 2)
    train(tmp_path, 4, resume="auto")
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "train/loss" in line] == [0, 1, 2, 3]
    assert [line["step"] for line in lines if "val/loss" in line] == [1, 3]


class Killed(Regression):
    """Dies in the middle of step `at`."""

    def __init__(self, at: int):
        super().__init__()
        self.at = at

    def training_step(self, batch, batch_idx):
        if self.global_step == self.at:
            raise RuntimeError("killed")
        return super().training_step(batch, batch_idx)


def test_a_killed_run_continues_from_its_last_checkpoint(tmp_path):
    train(tmp_path / "whole", 6)
    with pytest.raises(RuntimeError, match="killed"):
        train(tmp_path / "parts", 6, task=Killed(5), every=2)
    assert state(tmp_path / "parts")["global_step"] == 4
    assert not (tmp_path / "parts/checkpoints/weights.safetensors").exists()
    train(tmp_path / "parts", 6, resume="auto")
    assert_same_end(tmp_path / "whole", tmp_path / "parts")


def test_a_resumed_training_can_go_to_another_folder(tmp_path):
    train(tmp_path / "whole", 4)
    train(tmp_path / "first", 2)
    train(tmp_path / "second", 4, resume=str(tmp_path / "first/checkpoints/last.ckpt"))
    ours, theirs = (load_network(tmp_path / name / "checkpoints").state_dict() for name in ("whole", "second"))
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_the_average_follows_its_formula_and_is_what_validation_and_users_get(tmp_path):
    class Watched(Regression):
        def on_train_batch_end(self, outputs, batch, batch_idx):
            history.append(self.network.project.weight.detach().clone())

    history, task = [Regression().network.project.weight.detach().clone()], Watched()
    train(tmp_path, 2, task=task, decay=0.2)
    average = history[0]
    for step, weights in enumerate(history[1:], start=1):
        average = torch.lerp(average, weights, 1 - min(0.2, (1 + step) / (10 + step)))
    assert min(0.2, 2 / 11) != 0.2, "the first step is one of the warm-up"
    exported = load_network(tmp_path / "checkpoints").project.weight
    assert torch.equal(exported, average)
    assert torch.equal(task.averages[0], average), "validation sees the average"
    assert torch.equal(task.network.project.weight, history[-1]), "training goes on with its own weights"


def test_without_decay_the_latest_weights_are_exported(tmp_path):
    task = Regression()
    train(tmp_path, 2, task=task, decay=0.0)
    assert torch.equal(load_network(tmp_path / "checkpoints").project.weight, task.network.project.weight)


def test_a_time_limit_ends_training_with_a_checkpoint(tmp_path):
    train(tmp_path, -1, max_time={"seconds": 1}, val_check_interval=10**9)
    reached = state(tmp_path)["global_step"]
    assert reached > 0
    assert (tmp_path / "checkpoints/weights.safetensors").exists()


def test_an_interruption_ends_as_one(tmp_path):
    class Interrupted(Regression):
        def training_step(self, batch, batch_idx):
            if self.global_step == 3:
                signal.raise_signal(signal.SIGINT)
            return super().training_step(batch, batch_idx)

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests run in the background ignore it
    assert threading.current_thread() is threading.main_thread()
    try:
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, 6, task=Interrupted(), every=2)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert state(tmp_path)["global_step"] == 2


def test_media_become_videos(tmp_path):
    class Filmed(Regression):
        def media(self):
            return {"val/clip 1": torch.rand(3, 3, 16, 16)}

    train(tmp_path, 4, task=Filmed())
    names = sorted(path.name for path in (tmp_path / "media").iterdir())
    assert names == ["val-clip-1_0000002.mp4", "val-clip-1_0000004.mp4"]


def test_an_older_training_is_not_overwritten(tmp_path):
    train(tmp_path, 1)
    with pytest.raises(InputError, match="resume=auto"):
        train(tmp_path, 2)
    assert state(tmp_path)["global_step"] == 1


def test_a_checkpoint_of_another_net_is_refused(tmp_path):
    train(tmp_path, 1)
    other = Regression()
    other.network = PooledTokens(latent_channels=2, channels=4)
    with pytest.raises(InputError, match=r"network.project.weight: expected the shape \(4, 4\), found \(3, 4\)"):
        train(tmp_path, 2, task=other, resume="auto")
    with pytest.raises(InputError, match="no such file"):
        train(tmp_path / "new", 2, resume=str(tmp_path / "nowhere.ckpt"))


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        ({"max_step": 3}, "trainer.max_step: .*did you mean max_steps"),
        ({"logger": None}, "trainer.logger: .*sets itself"),
        ({"accelerator": "abacus"}, "trainer: .*abacus"),
        ({"precision": "7-odd"}, "trainer: .*7-odd"),
    ],
)
def test_bad_trainer_arguments_are_refused(tmp_path, trainer, said):
    with pytest.raises(InputError, match=said):
        train(tmp_path, 1, **trainer)


def test_a_net_that_could_not_be_loaded_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setitem(NET, "_target_", "torch.nn.Linear")
    with pytest.raises(InputError, match=r"torch\.nn\.Linear"):
        train(tmp_path, 1)


def test_final_metrics_are_the_last_ones_logged(tmp_path):
    metrics = train(tmp_path, 2)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert all(math.isfinite(value) for value in metrics.values())
    assert metrics["val/loss"] == lines[-1]["val/loss"]
