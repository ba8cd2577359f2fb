"""Which clips a training batch is made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from turnaround.datasets.drops import DroppedError, drawn
from turnaround.datasets.stereo4d_store import ClipStore
from turnaround.types import InputError

ORDER = 5  # tells these draws from others of (seed, number, process)
T = TypeVar("T")


@runtime_checkable
class ClipOrder(Protocol):
    """Names for a batch; they follow from the place alone, so that training resumes exactly."""

    def draw(self, groups: Sequence[Sequence[str]], place: tuple[int, int], count: int) -> list[str]:
        """groups: of all names, as of `ClipStore`. place: the batch's number, and the process it is for. count: the
        same for all batches."""
        ...


@dataclass(frozen=True, kw_only=True)
class AtRandom:
    """Every name alike, each time anew."""

    seed: int

    def draw(self, groups, place, count):
        names = [name for group in groups for name in group]
        random = np.random.default_rng([self.seed, *place, ORDER])
        return [names[i] for i in random.integers(len(names), size=count)]


@dataclass(frozen=True, kw_only=True)
class InEpochs:
    """Every name once in an epoch, whatever process and worker it falls to; each epoch in an order of its own.

    Groups are shuffled, and the names of `together` groups that follow each other among themselves, so that what is
    read one after the other lies near. processes: how many train together; each gets its share of every epoch.
    """

    seed: int
    together: int
    processes: int
    _orders: dict[int, list[str]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self):
        if min(self.together, self.processes) < 1:
            found = f"{self.together} and {self.processes}"
            raise InputError("together, processes", expected="at least 1", found=found, fix="correct the data's config")

    def draw(self, groups, place, count):
        number, process = place
        if not 0 <= process < self.processes:
            fix = "give as many processes as train"
            raise InputError("processes", expected=f"more than {process}", found=str(self.processes), fix=fix)
        total = sum(map(len, groups))
        first = (number * self.processes + process) * count
        places = (divmod(position, total) for position in range(first, first + count))
        return [self.order(groups, epoch)[rest] for epoch, rest in places]

    def order(self, groups: Sequence[Sequence[str]], epoch: int) -> list[str]:
        """All names, in the order of an epoch."""
        if epoch not in self._orders:
            random = np.random.default_rng([self.seed, epoch, ORDER])
            shuffled = [groups[i] for i in random.permutation(len(groups))]
            near = [shuffled[i : i + self.together] for i in range(0, len(shuffled), self.together)]
            pools = ([name for group in part for name in group] for part in near)
            for old in [other for other in self._orders if other < epoch - 1]:
                del self._orders[old]
            self._orders[epoch] = [pool[i] for pool in pools for i in random.permutation(len(pool))]
        return self._orders[epoch]


def drawn_clip(
    store: ClipStore, name: str, random: np.random.Generator, read: Callable[[str, np.random.Generator], T]
) -> T:
    """What `read` makes of a clip; for one that is dropped others are drawn at random. InputError: all are dropped."""
    try:
        return read(name, random)
    except DroppedError:
        names = [name for group in store.groups() for name in group]
        return drawn(names, lambda other: read(other, random), random)
