"""How a movement starts and ends: monotone curves from (0, 0) to (1, 1)."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

Curve = Float[Tensor, "t"]


class Easing(ABC):
    """The share of the way that is done at each share of the time, both in [0, 1]; exact at both ends."""

    @abstractmethod
    def __call__(self, time: Curve) -> Curve: ...


@dataclass(frozen=True, kw_only=True)
class Linear(Easing):
    """At one speed."""

    def __call__(self, time):
        return time


@dataclass(frozen=True, kw_only=True)
class SmoothStep(Easing):
    """From rest to rest, fastest half-way: 3 t² - 2 t³."""

    def __call__(self, time):
        return time * time * (3 - 2 * time)
