"""`train.py`: a task, its data and a trainer; ends with weights that `load_network` reads."""

import inspect
import logging
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from lightning_fabric.utilities.warnings import PossibleUserWarning
from pytorch_lightning.utilities.exceptions import SIGTERMException

from turnaround.nets.weights import require_same_net
from turnaround.run.build import nearest
from turnaround.run.callbacks import LastCheckpoint, MediaLogger, SeedSteps, StepProgress, WeightAverage
from turnaround.run.checkpoint import (
    AtomicCheckpointIO,
    origin,
    read_training_state,
    require_own_code,
    save_weights,
)
from turnaround.run.logger import Tracker, build_loggers
from turnaround.tasks.sharding import FullySharded, gathered, require_shardable
from turnaround.types import InputError

OURS = ("default_root_dir", "enable_checkpointing", "logger")
TERMINATED = 143


class TrainRun:
    """Trains `task.network` and writes `checkpoints/last.ckpt`, `checkpoints/weights.safetensors` with `net.yaml`,
    `metrics.jsonl` and `media/`.

    net: the config `task.network` was built from, as plain values. trainer: arguments of `pytorch_lightning.Trainer`
    (deterministic unless they say otherwise; precision "auto" is bf16-mixed where a GPU has it and 32-true elsewhere).
    checkpoint_every: in steps. ema_decay: of the averaged weights, which validation sees and `weights.safetensors`
    holds. resume: a `last.ckpt`, "auto" (that of `out`, if there is one) or None.

    Resuming is exact: weights, average, optimizer state and metrics end as those of an unbroken run, provided that the
    data's order and the task's noise follow from the step.
    """

    def __init__(
        self,
        *,
        task: pl.LightningModule,
        data: pl.LightningDataModule,
        net: Mapping[str, Any],
        trainer: Mapping[str, Any],
        logger: Tracker,
        checkpoint_every: int,
        ema_decay: float,
        seed: int,
        resume: str | None,
    ):
        _require_trainer_keys(trainer)
        source = origin(task.get_submodule("network"), net)
        require_own_code("net", source.net)  # now, for `load_network` would refuse the result
        if isinstance(trainer.get("strategy"), FullySharded):
            require_shardable(task.get_submodule("network"))  # now, while one process speaks for all
        self.task, self.data, self.net, self.trainer, self.tracker = task, data, source.net, trainer, logger
        self.checkpoint_every, self.seed, self.resume = checkpoint_every, seed, resume
        self.average = WeightAverage(decay=ema_decay)
        self.facts: dict[str, Any] = {"weights": [asdict(notice) for notice in source.weights]}

    def run(self, out: Path) -> dict[str, float]:
        """The last value of each metric the task logged."""
        last = out / "checkpoints" / "last.ckpt"
        resume = self._resume_from(last)
        step = self._step_of(resume) if resume else 0
        pl.seed_everything(self.seed, workers=True, verbose=False)
        trainer = self._build_trainer(out, last, step)
        failed = True
        try:
            _fit(trainer, self.task, self.data, resume)
            failed = False
        finally:
            self.facts["wandb"] = getattr(self.tracker, "id", None)
            self.tracker.finish(failed=failed)
        network = self.task.get_submodule("network")
        with self.average.applied(network):
            state = gathered(network.state_dict())  # by all processes, for each may hold but a share
            if trainer.is_global_zero:
                save_weights(last.parent, network, self.net, state=state)
        return {name: float(value) for name, value in trainer.callback_metrics.items()}

    def _resume_from(self, last: Path) -> Path | None:
        if self.resume is None:
            if last.exists():
                fix = "continue with resume=auto, or choose another out= folder"
                raise InputError(last, expected="a folder without a training", found="one", fix=fix)
            return None
        if self.resume == "auto":
            return last if last.exists() else None
        return Path(self.resume)

    def _step_of(self, path: Path) -> int:
        state = read_training_state(path)
        shapes = {key: tensor.shape for key, tensor in state["state_dict"].items()}
        require_same_net(path, shapes, self.task.state_dict(), partial=not self.task.strict_loading)
        return state["global_step"]

    def _build_trainer(self, out: Path, last: Path, step: int) -> pl.Trainer:
        # Several processes: our data modules hand each its own share.
        arguments = {"deterministic": True, "use_distributed_sampler": False, **self.trainer}
        if arguments.get("precision") == "auto":
            arguments["precision"] = _best_precision(arguments.get("accelerator", "auto"))
        ours = [
            SeedSteps(self.seed),
            MediaLogger(out / "media", self.tracker),  # before the average, which takes its weights back
            self.average,
            LastCheckpoint(last, every=self.checkpoint_every),
        ]
        if arguments.get("enable_progress_bar", True):
            ours.append(StepProgress())
        arguments["callbacks"] = [*(arguments.get("callbacks") or []), *ours]
        arguments["plugins"] = [*(arguments.get("plugins") or []), AtomicCheckpointIO()]
        arguments["logger"] = build_loggers(self.tracker, out, resume_step=step)
        logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)  # advertisements
        try:
            return pl.Trainer(**arguments, default_root_dir=out)
        except (MisconfigurationException, TypeError, ValueError) as error:
            self.tracker.finish(failed=True)
            fix = "see Lightning's Trainer for its arguments"
            raise InputError("trainer", expected="arguments that fit", found=str(error), fix=fix) from error


def _fit(trainer: pl.Trainer, task: pl.LightningModule, data: pl.LightningDataModule, resume: Path | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PossibleUserWarning)  # guesses, such as that our loader cannot be resumed
        warnings.filterwarnings("ignore", module="pytorch_lightning.utilities._pytree")  # theirs to repair
        warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view")  # no net adds to it in place
        try:
            trainer.fit(task, datamodule=data, ckpt_path=resume, weights_only=True)
        except SIGTERMException:
            raise SystemExit(TERMINATED) from None
        except SystemExit:  # what Lightning makes of an interruption
            raise KeyboardInterrupt from None


def _require_trainer_keys(trainer: Mapping[str, Any]) -> None:
    known = set(inspect.signature(pl.Trainer).parameters) - set(OURS)
    for key in trainer:
        if key not in known:
            found = "a key that a training sets itself" if key in OURS else "an unknown key"
            expected, fix = "an argument of Lightning's Trainer", nearest(key, known)
            raise InputError(f"trainer.{key}", expected=expected, found=found, fix=fix)


def _best_precision(accelerator: str) -> str:
    gpu = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return "bf16-mixed" if gpu else "32-true"
