"""Noise levels: which are trained, which are visited when sampling."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.types import InputError


@dataclass(frozen=True, kw_only=True)
class LogNormalSigma:
    """ln sigma ~ N(mean, std^2): mean 0.7 and std 1.6 in DepthCrafter (arXiv 2409.02095, section 3.3).

    apart: the share of clips each of whose frames has a level of its own (diffusion forcing, arXiv 2407.01392), so that
    a network learns to continue from frames that are nearly known; the others have one level for all frames.
    """

    mean: float
    std: float
    apart: float

    def sample(self, clips: int, frames: int, generator: torch.Generator) -> Float[Tensor, "b t"]:
        normal = torch.randn(clips, frames, generator=generator)
        own = torch.rand(clips, 1, generator=generator) < self.apart
        return (self.mean + self.std * torch.where(own, normal, normal[:, :1])).exp()


@runtime_checkable
class Levels(Protocol):
    """The noise levels at which a sampler asks the network."""

    def sigmas(self) -> Float[Tensor, " steps"]:
        """From high to low, in float64."""
        ...


@dataclass(frozen=True, kw_only=True)
class KarrasLevels:
    """The noise levels of EDM (arXiv 2206.00364, equation 5)."""

    steps: int
    sigma_min: float
    sigma_max: float
    rho: float

    def __post_init__(self):
        _require_steps(self.steps)

    def sigmas(self):
        if self.steps == 1:
            return torch.tensor([self.sigma_max], dtype=torch.float64)
        ramp = torch.linspace(0, 1, self.steps, dtype=torch.float64)
        high, low = self.sigma_max ** (1 / self.rho), self.sigma_min ** (1 / self.rho)
        return (high + ramp * (low - high)) ** self.rho


@dataclass(frozen=True, kw_only=True)
class TrainedLevels:
    """Levels spread over the noise that training drew, ln sigma ~ N(mean, std^2), evenly in ln sigma.

    highest and lowest: in standard deviations from the mean. With 5 steps, DepthCrafter's own levels lie at +3.7, +2.6,
    +1.3, -0.7 and -4.3: the first two and the last were hardly trained.
    """

    steps: int
    mean: float
    std: float
    highest: float
    lowest: float

    def __post_init__(self):
        _require_steps(self.steps)
        if self.highest < self.lowest:
            found = f"{self.highest} and {self.lowest}"
            raise InputError("levels", expected="highest >= lowest", found=found, fix="correct inference.levels")

    def sigmas(self):
        deviations = torch.linspace(self.highest, self.lowest, self.steps, dtype=torch.float64)
        return (self.mean + self.std * deviations).exp()


def _require_steps(steps: int) -> None:
    if steps < 1:
        raise InputError("steps", expected="at least 1", found=str(steps), fix="correct the number of steps")
