"""From a condition to clean latents."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.diffusion.denoiser import denoise, spread
from turnaround.diffusion.schedule import Levels
from turnaround.types import Condition, VelocityNetwork

Latents = Float[Tensor, "b t d y x"]


@runtime_checkable
class Sampler(Protocol):
    """noise: unit normal, of the latents' shape. known: clean latents of the first frames, from the window before."""

    def sample(
        self,
        network: VelocityNetwork,
        condition: Condition,
        noise: Latents,
        known: Float[Tensor, "b k d y x"] | None = None,
    ) -> Latents: ...


@dataclass(frozen=True, kw_only=True)
class WindowStart:
    """The noise levels from which a window descends that continues another one.

    known: of the frames whose latents are known; new: of the others, which start at the latents of the last known
    frame. A frame waits at its level until the others have come down to it. At the highest level of all, a start says
    nothing: the released code's way (DepthCrafter puts its signal at one part in 10^6 of the noise).
    """

    known: float
    new: float

    def levels(self, known: int, frames: int) -> Float[Tensor, "1 t"]:
        return torch.tensor([[self.known] * known + [self.new] * (frames - known)], dtype=torch.float64)


@dataclass(frozen=True, kw_only=True)
class EulerSampler:
    """Euler steps along the probability flow from the highest level to 0 (arXiv 2206.00364, algorithm 1, no churn)."""

    levels: Levels
    start: WindowStart

    def sample(self, network, condition, noise, known=None):
        sigmas = self.levels.sigmas()
        if known is None:
            return descend(network, first_latents(noise, sigmas), condition, sigmas)
        seen, frames = known.shape[1], noise.shape[1]
        start = self.start.levels(seen, frames).clamp(max=float(sigmas[0])).expand(len(noise), -1).to(noise)
        guess = torch.cat([known, known[:, -1:].expand(-1, frames - seen, -1, -1, -1)], dim=1)
        return descend(network, guess + spread(start) * noise, condition, sigmas, start)


@dataclass(frozen=True, kw_only=True)
class SingleStepSampler:
    """One evaluation at a fixed noise level, with zeros for noise (E2E-FT, arXiv 2409.11355). Deterministic."""

    sigma: float

    def sample(self, network, condition, noise, known=None):
        sigma = torch.full(noise.shape[:2], self.sigma, dtype=noise.dtype, device=noise.device)
        return denoise(network, torch.zeros_like(noise), sigma, condition)


def first_latents(noise: Latents, sigmas: Float[Tensor, " steps"]) -> Latents:
    """Noise at the first level, as the scheduler's init_noise_sigma has it for "leading" spacing."""
    return noise * (1 + float(sigmas[0]) ** 2) ** 0.5


def descend(
    network: VelocityNetwork,
    latents: Latents,
    condition: Condition,
    sigmas: Float[Tensor, " steps"],
    start: Float[Tensor, "b t"] | None = None,
) -> Latents:
    """From latents at the level `start` of each frame, by default the first, to clean ones.

    The network is asked only where a frame is due: where all start low, the higher levels cost nothing.
    """
    start = torch.full(latents.shape[:2], float(sigmas[0])).to(latents) if start is None else start
    for high, low in pairwise([*sigmas.tolist(), 0.0]):
        now, after = start.clamp(max=high), start.clamp(max=low)
        if torch.equal(now, after):
            continue
        clean = denoise(network, latents, now, condition)
        latents = clean + spread(after / now) * (latents - clean)  # x + (after - now) * dx/dsigma
    return latents
