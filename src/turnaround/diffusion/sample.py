"""From a condition to clean latents."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.diffusion.denoiser import denoise
from turnaround.diffusion.schedule import karras_sigmas
from turnaround.types import Condition, VelocityNetwork


@runtime_checkable
class Sampler(Protocol):
    """noise: unit normal, of the latents' shape."""

    def sample(
        self, network: VelocityNetwork, condition: Condition, noise: Float[Tensor, "b t d y x"]
    ) -> Float[Tensor, "b t d y x"]: ...


@dataclass(frozen=True, kw_only=True)
class EulerSampler:
    """Euler steps along the probability flow from sigma_max to 0 (arXiv 2206.00364, algorithm 1 without churn)."""

    steps: int
    sigma_min: float
    sigma_max: float
    rho: float

    def sample(self, network, condition, noise):
        return self.descend(network, self.start(noise), condition)

    def sigmas(self) -> Float[Tensor, " steps"]:
        """The levels at which the network is asked, from high to low."""
        return karras_sigmas(self.steps, sigma_min=self.sigma_min, sigma_max=self.sigma_max, rho=self.rho)

    def start(self, noise: Float[Tensor, "b t d y x"]) -> Float[Tensor, "b t d y x"]:
        """Noise at the first level, as the scheduler's init_noise_sigma has it for "leading" spacing."""
        return noise * (1 + float(self.sigmas()[0]) ** 2) ** 0.5

    def descend(
        self, network: VelocityNetwork, latents: Float[Tensor, "b t d y x"], condition: Condition
    ) -> Float[Tensor, "b t d y x"]:
        """From latents at the first level to clean ones."""
        levels = self.sigmas().tolist()
        for now, after in zip(levels, [*levels[1:], 0.0], strict=True):
            sigma = torch.full(latents.shape[:2], now, dtype=latents.dtype, device=latents.device)
            clean = denoise(network, latents, sigma, condition)
            latents = clean + (after / now) * (latents - clean)  # x + (after - now) * dx/dsigma
        return latents


@dataclass(frozen=True, kw_only=True)
class SingleStepSampler:
    """One evaluation at a fixed noise level, with zeros for noise (E2E-FT, arXiv 2409.11355). Deterministic."""

    sigma: float

    def sample(self, network, condition, noise):
        sigma = torch.full(noise.shape[:2], self.sigma, dtype=noise.dtype, device=noise.device)
        return denoise(network, torch.zeros_like(noise), sigma, condition)
