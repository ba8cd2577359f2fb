"""Noise levels: which are trained, which are visited when sampling."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class LogNormalSigma:
    """ln sigma ~ N(mean, std^2): mean 0.7 and std 1.6 in DepthCrafter (arXiv 2409.02095, section 3.3)."""

    mean: float
    std: float

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, " b"]:
        return (self.mean + self.std * torch.randn(count, generator=generator)).exp()


def karras_sigmas(steps: int, *, sigma_min: float, sigma_max: float, rho: float) -> Float[Tensor, " steps"]:
    """The noise levels of EDM (arXiv 2206.00364, equation 5), from high to low, in float64."""
    if steps == 1:
        return torch.tensor([sigma_max], dtype=torch.float64)
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return (high + ramp * (low - high)) ** rho
