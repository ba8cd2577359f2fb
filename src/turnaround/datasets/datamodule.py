"""The one DataModule: numbered batches for training, clips for validation."""

from collections.abc import Iterator
from itertools import count
from typing import Protocol, cast, runtime_checkable

from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset, Sampler

from turnaround.types import Clip, ClipSource


@runtime_checkable
class NumberedBatches(Protocol):
    """Gives the whole batch `number` of a process, for any number, the same each time.

    The batches of one number are of one shape, so that all processes work equally long.
    """

    def __getitem__(self, place: tuple[int, int]):
        """place: the batch's number, and the process it is for."""
        ...


class Endless(Sampler):
    """The numbers start, start + 1, … without end, each with the process."""

    def __init__(self, start: int, process: int):
        self.start, self.process = start, process

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((number, self.process) for number in count(self.start))


class _Clips(Dataset):
    def __init__(self, source: ClipSource):
        self.source = source

    def __len__(self) -> int:
        return len(self.source.ids())

    def __getitem__(self, index: int):
        return self.source.clip(self.source.ids()[index])


class DataModule(LightningDataModule):
    """Training reads batch numbers on from the step the trainer has reached, so resuming continues the same order.

    With several processes, each reads its own batch of every number. workers: processes that prepare batches.
    """

    def __init__(self, *, train: NumberedBatches, validation: ClipSource, workers: int):
        super().__init__()
        self.train, self.validation, self.workers = train, validation, workers

    def train_dataloader(self) -> DataLoader:
        trainer = self.trainer
        assert trainer is not None
        done = trainer.global_step * trainer.accumulate_grad_batches
        return DataLoader(
            cast(Dataset, self.train),
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
        return batch if isinstance(batch, Clip) else batch.to(device)
