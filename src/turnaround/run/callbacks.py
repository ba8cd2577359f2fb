"""What happens around the steps of a training: seeding, averaging, saving, showing."""

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning.callbacks import Callback, Checkpoint, ProgressBar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn

from turnaround.io.video import write_video
from turnaround.run.logger import Tracker
from turnaround.tasks.sharding import gathered, reshard, shared_as
from turnaround.types import InputError

MEDIA_FPS = 8.0  # previews are a few frames long: slow enough to be seen


class SeedSteps(Callback):
    """Seeds all random numbers anew before each batch, from (seed, process, stage, batch).

    So a step draws the same whether the run was resumed or not and whatever validation drew; and every validation
    draws the same, which makes them comparable.
    """

    def __init__(self, seed: int):
        self.seed = seed

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        self._draw_from(trainer.global_rank, 0, trainer.current_epoch, batch_idx)

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0) -> None:
        self._draw_from(trainer.global_rank, 1, dataloader_idx, batch_idx)

    def _draw_from(self, *key: int) -> None:
        mixed = np.random.SeedSequence((self.seed, *key)).generate_state(3)
        torch.manual_seed(int(mixed[0]))
        np.random.seed(int(mixed[1]))
        random.seed(int(mixed[2]))


class WeightAverage(Callback):
    """Exponential moving average of the trained parameters of `task.network`; validation sees the average.

    After step n the average moves towards the weights by 1 - min(decay, (1 + n) / (10 + n)): the first weights, which
    are noise, are forgotten sooner than `decay` alone would. decay 0 keeps the latest weights.

    Lightning's own EMAWeightAveraging also copies what is frozen, and leaves the average in the module when training
    ends, so that a checkpoint written then cannot be resumed exactly.
    """

    def __init__(self, *, decay: float):
        if not 0 <= decay < 1:
            raise InputError("ema_decay", expected="0 <= decay < 1", found=str(decay), fix="0 averages nothing")
        self.decay = decay
        self._average: dict[str, Tensor] = {}
        self._step = 0

    def on_train_start(self, trainer, pl_module) -> None:
        self._step = trainer.global_step
        for name, parameter in _trained(pl_module.get_submodule("network")):
            stored = self._average.get(name, parameter.detach())
            self._average[name] = shared_as(stored, parameter)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if trainer.global_step == self._step:  # gradients are still being accumulated
            return
        self._step = trainer.global_step
        weight = 1 - min(self.decay, (1 + self._step) / (10 + self._step))
        for name, parameter in _trained(pl_module.get_submodule("network")):
            self._average[name].lerp_(parameter.detach(), weight)

    def on_validation_start(self, trainer, pl_module) -> None:
        self._swap(pl_module.get_submodule("network"))

    def on_validation_end(self, trainer, pl_module) -> None:
        self._swap(pl_module.get_submodule("network"))

    @contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """The network with averaged weights."""
        self._swap(network)
        try:
            yield
        finally:
            self._swap(network)

    def state_dict(self) -> dict[str, Any]:
        return {"average": gathered(self._average)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._average = dict(state_dict["average"])

    def _swap(self, network: nn.Module) -> None:
        if not self._average:  # before training: the average of nothing is the network itself
            return
        reshard(network)
        for name, parameter in _trained(network):
            current = parameter.detach().clone()
            parameter.detach().copy_(self._average[name])
            self._average[name].copy_(current)


class LastCheckpoint(Checkpoint):
    """Keeps one checkpoint, written every `every` steps, when training ends and when the machine asks it to.

    Lightning's ModelCheckpoint saves before a validation that falls on the same step, and a run resumed from there
    skips that validation. This one saves after it.
    """

    def __init__(self, path: Path, *, every: int):
        if every < 1:
            raise InputError("checkpoint_every", expected="at least 1 step", found=str(every), fix="give more steps")
        self.path, self.every = path, every
        self._saved, self._due = 0, False

    def on_train_start(self, trainer, pl_module) -> None:
        self._saved = trainer.global_step

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        step = trainer.global_step
        ending = step == trainer.max_steps or trainer.should_stop or trainer.received_sigterm
        self._due = step != self._saved and (ending or step % self.every == 0)
        fetcher = trainer.fit_loop._data_fetcher
        if self._due and not (fetcher and trainer.fit_loop.epoch_loop._should_check_val_fx(fetcher)):
            self._save(trainer)

    def on_validation_end(self, trainer, pl_module) -> None:
        if self._due:
            self._save(trainer)

    def on_train_end(self, trainer, pl_module) -> None:
        if self._saved != trainer.global_step:
            self._save(trainer)

    def _save(self, trainer) -> None:
        trainer.save_checkpoint(self.path, weights_only=False)
        self._saved, self._due = trainer.global_step, False


class MediaLogger(Callback):
    """After each validation: what `task.media()` returns goes to `folder` and to the tracker.

    media() gives, by name, a video [t 3 h w] in [0, 1] or the path of a file that is one.
    """

    def __init__(self, folder: Path, tracker: Tracker):
        self.folder, self.tracker = folder, tracker

    def on_validation_end(self, trainer, pl_module) -> None:
        media = getattr(pl_module, "media", None)
        if trainer.sanity_checking or not trainer.is_global_zero or media is None:
            return
        for name, item in media().items():
            path = item
            if isinstance(item, Tensor):
                path = self.folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}_{trainer.global_step:07d}.mp4"
                write_video(path, item.detach().float().cpu(), fps=MEDIA_FPS)
            self.tracker.log_video(f"media/{name}", path, step=trainer.global_step)


class StepProgress(ProgressBar):
    """Steps taken of all, with the time left and the metrics logged with `prog_bar=True`, on stderr.

    Lightning's bars count batches of an epoch; ours has no end, so they could not tell the time left.
    """

    def __init__(self):
        super().__init__()
        times = (TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[metrics]}"))
        columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), *times)
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def enable(self) -> None:
        self._enabled = True

    def on_train_start(self, trainer, pl_module) -> None:
        total = trainer.max_steps if trainer.max_steps > 0 else None
        self._bar = self._progress.add_task("training", total=total, completed=trainer.global_step, metrics="")
        if self._enabled:
            self._progress.start()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        shown = "  ".join(f"{name} {value:.4g}" for name, value in trainer.progress_bar_metrics.items())
        self._progress.update(self._bar, completed=trainer.global_step, metrics=shown)

    def on_train_end(self, trainer, pl_module) -> None:
        self._progress.stop()

    def on_exception(self, trainer, pl_module, exception) -> None:
        self._progress.stop()


def _trained(network: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad)
