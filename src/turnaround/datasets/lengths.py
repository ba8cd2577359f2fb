"""How many frames training windows have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from turnaround.types import InputError


@runtime_checkable
class Lengths(Protocol):
    """A distribution of window lengths, none above `longest`."""

    @property
    def longest(self) -> int: ...

    def draw(self, random: np.random.Generator) -> int: ...


@dataclass(frozen=True, kw_only=True)
class UniformLengths:
    """Every length from `least` to `most` alike."""

    least: int
    most: int

    def __post_init__(self):
        if not 1 <= self.least <= self.most:
            found = f"{self.least} and {self.most}"
            raise InputError("lengths", expected="1 <= least <= most", found=found, fix="correct the lengths")

    @property
    def longest(self) -> int:
        return self.most

    def draw(self, random):
        return int(random.integers(self.least, self.most + 1))


@dataclass(frozen=True, kw_only=True)
class WeightedLengths:
    """weights: from length to its weight; they need not sum to 1."""

    weights: Mapping[int, float]

    def __post_init__(self):
        values = self.weights.values()
        if not any(values) or min(values) < 0 or min(self.weights) < 1:
            expected = "weights of at least 0, not all 0, of lengths from 1"
            raise InputError("lengths.weights", expected=expected, found=str(dict(self.weights)), fix="correct them")

    @property
    def longest(self) -> int:
        return max(length for length, weight in self.weights.items() if weight > 0)

    def draw(self, random):
        weights = np.array(list(self.weights.values()))
        return int(random.choice(list(self.weights), p=weights / weights.sum()))


def draw_length(lengths: Lengths, seed: int, place: tuple[int, int]) -> tuple[int, np.random.Generator]:
    """The length of the windows of a batch, and what else is random in it.

    place: the batch's number and its process. The length follows from (seed, number) alone. Then each process goes on
    in a stretch of its own of the same random numbers, which the others do not reach.
    """
    number, process = place
    random = np.random.default_rng([seed, number])
    length = lengths.draw(random)
    assert isinstance(random.bit_generator, np.random.PCG64)
    return length, np.random.Generator(random.bit_generator.jumped(process))
