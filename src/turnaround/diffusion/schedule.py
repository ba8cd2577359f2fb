"""Noise levels: which are trained, which are visited when sampling."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


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


def karras_sigmas(steps: int, *, sigma_min: float, sigma_max: float, rho: float) -> Float[Tensor, " steps"]:
    """The noise levels of EDM (arXiv 2206.00364, equation 5), from high to low, in float64."""
    if steps == 1:
        return torch.tensor([sigma_max], dtype=torch.float64)
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return (high + ramp * (low - high)) ** rho
