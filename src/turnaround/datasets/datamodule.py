"""The one DataModule: numbered batches for training, clips for validation."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Protocol, runtime_checkable

import torch
from pytorch_lightning import LightningDataModule, Trainer
from torch.utils.data import DataLoader, Dataset, Sampler

from turnaround.datasets.latents import NeedsLatents
from turnaround.types import Clip, ClipSource, InputError, LatentEncoder


@runtime_checkable
class NumberedBatches(Protocol):
    """Gives the whole batch `number` of a process, for any number, the same each time.

    The batches of one number are of one shape, so that all processes work equally long.
    """

    def __getitem__(self, place: tuple[int, int]):
        """place: the batch's number, and the process it is for."""
        ...


@runtime_checkable
class EncodesLatents(Protocol):
    """A task that can say what makes the latents it learns from."""

    def latent_encoder(self, device: torch.device) -> AbstractContextManager[LatentEncoder]: ...


class Endless(Sampler):
    """The numbers start, start + 1, … without end, each with the process."""

    def __init__(self, start: int, process: int):
        self.start, self.process = start, process

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((number, self.process) for number in count(self.start))


@dataclass(frozen=True)
class _Refused:
    """Bad input that a worker met. The DataLoader would make a RuntimeError of many lines of it."""

    error: tuple[str, str, str, str]


class _InWorkers(Dataset):
    def __init__(self, batches: NumberedBatches):
        self.batches = batches

    def __getitem__(self, place: tuple[int, int]):
        try:
            return self.batches[place]
        except InputError as error:
            return _Refused((error.subject, error.expected, error.found, error.fix))


class _Clips(Dataset):
    def __init__(self, source: ClipSource):
        self.source = source

    def __len__(self) -> int:
        return len(self.source.ids())

    def __getitem__(self, index: int):
        return self.source.clip(self.source.ids()[index])


class DataModule(LightningDataModule):
    """Training reads batch numbers on from the step the trainer has reached, so resuming continues the same order.

    With several processes, each reads its own batch of every number. Latents that are read but not there yet are made
    before the first step. workers: processes that prepare batches.
    """

    def __init__(self, *, train: NumberedBatches, validation: ClipSource, workers: int):
        super().__init__()
        self.train, self.validation, self.workers = train, validation, workers

    def setup(self, stage: str) -> None:
        """Runs before the task is moved to its device, so the encoders can have that to themselves."""
        if stage == "fit" and isinstance(self.train, NeedsLatents):
            trainer = self._trainer()
            self.train.prepare(partial(_open_encoder, trainer), _numbers(trainer), trainer.global_rank)

    def train_dataloader(self) -> DataLoader:
        trainer = self._trainer()
        done = trainer.global_step * trainer.accumulate_grad_batches
        return DataLoader(
            _InWorkers(self.train),
            sampler=Endless(done, trainer.global_rank),
            batch_size=None,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=trainer.num_devices > 0 and trainer.strategy.root_device.type == "cuda",
        )

    def val_dataloader(self) -> DataLoader:
        return DataLoader(_Clips(self.validation), batch_size=None)

    def transfer_batch_to_device(self, batch, device, dataloader_idx: int):
        """Training batches go to the device; clips stay on the CPU, estimators take from them what they need."""
        if isinstance(batch, _Refused):
            subject, expected, found, fix = batch.error
            raise InputError(subject, expected=expected, found=found, fix=fix)
        return batch if isinstance(batch, Clip) else batch.to(device)

    def _trainer(self) -> Trainer:
        assert self.trainer is not None
        return self.trainer


def _open_encoder(trainer: Trainer) -> AbstractContextManager[LatentEncoder]:
    task = trainer.lightning_module
    assert isinstance(task, EncodesLatents)
    return task.latent_encoder(trainer.strategy.root_device)


def _numbers(trainer: Trainer) -> Iterator[int]:
    """Those of all batches of the training, from its first step on; where latents are asked for, they must end."""
    if trainer.max_steps < 0:
        expected, fix = "a number of steps, whose latents are made before the first", "give one, or data of pixels"
        raise InputError("trainer.max_steps", expected=expected, found=str(trainer.max_steps), fix=fix)
    yield from range(trainer.max_steps * trainer.accumulate_grad_batches)
