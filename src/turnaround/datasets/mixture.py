"""Batches of several sources."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset

from turnaround.datasets.datamodule import NumberedBatches
from turnaround.datasets.latents import NeedsLatents, OpenEncoder
from turnaround.types import InputError

CHOICE = 1  # tells the choice of a source from what the sources themselves draw from (seed, number)


@dataclass(frozen=True, kw_only=True)
class Source:
    """weight: the share of the batches that come from here, before the weights of all are divided by their sum."""

    weight: float
    batches: NumberedBatches


class Mixture(Dataset):
    """Each batch is one of one source; which follows from (seed, number) alone.

    So all processes take batch n from the same source, where it is of one shape, and training resumes exactly. What
    batches hold is the sources' own: single pictures beside videos are a source whose windows are 1 frame long.
    """

    def __init__(self, *, sources: Mapping[str, Source], seed: int):
        self.sources, self.seed = list(sources.values()), seed
        weights = np.array([source.weight for source in self.sources])
        if not weights.sum() > 0 or weights.min() < 0:
            found = ", ".join(f"{name} {source.weight}" for name, source in sources.items()) or "none"
            expected = "weights of at least 0, not all 0"
            raise InputError("data.train.sources", expected=expected, found=found, fix="correct the weights")
        self.shares = weights / weights.sum()

    def __getitem__(self, place: tuple[int, int]):
        return self.source(place[0]).batches[place]

    def prepare(self, open_encoder: OpenEncoder, numbers: Iterable[int], process: int) -> None:
        """As of `NeedsLatents`, for the sources that do."""
        needy = {i: s.batches for i, s in enumerate(self.sources) if isinstance(s.batches, NeedsLatents)}
        chosen = [(number, self.choice(number)) for number in numbers] if needy else []
        for index, batches in needy.items():
            batches.prepare(open_encoder, [number for number, choice in chosen if choice == index], process)

    def source(self, number: int) -> Source:
        """Where batch `number` comes from."""
        return self.sources[self.choice(number)]

    def choice(self, number: int) -> int:
        random = np.random.default_rng([self.seed, number, CHOICE])
        return int(random.choice(len(self.sources), p=self.shares))
