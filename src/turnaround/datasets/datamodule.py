"""The one DataModule: numbered batches for training, clips for validation."""

from collections.abc import Iterator
from typing import Protocol, cast, runtime_checkable

from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset, Sampler

from turnaround.types import Clip, ClipSource


@runtime_checkable
class NumberedBatches(Protocol):
    """Gives the whole batch `number`, for any number, the same each time."""

    def __getitem__(self, number: int): ...


class Endless(Sampler):
    """The numbers start, start + step, … without end."""

    def __init__(self, start: int, step: int):
        self.start, self.step = start, step

    def __iter__(self) -> Iterator[int]:
        number = self.start
        while True:
            yield number
            number += self.step


class _Clips(Dataset):
    def __init__(self, source: ClipSource):
        self.source = source

    def __len__(self) -> int:
        return len(self.source.ids())

    def __getitem__(self, index: int):
        return self.source.clip(self.source.ids()[index])


class DataModule(LightningDataModule):
    """Training reads batch numbers on from the step the trainer has reached, so resuming continues the same order.

    With several processes, process r of n reads every n-th number from r. workers: processes that prepare batches.
    """

    def __init__(self, *, train: NumberedBatches, validation: ClipSource, workers: int):
        super().__init__()
        self.train, self.validation, self.workers = train, validation, workers

    def train_dataloader(self) -> DataLoader:
        trainer = self.trainer
        assert trainer is not None
        done = trainer.global_step * trainer.accumulate_grad_batches
        numbers = Endless(done * trainer.world_size + trainer.global_rank, trainer.world_size)
        return DataLoader(
            cast(Dataset, self.train),
            sampler=numbers,
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
