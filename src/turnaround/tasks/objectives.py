"""What a video depth network minimises, each with the sampler that fits it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from turnaround.diffusion.denoiser import predict_velocity, spread, velocity_target
from turnaround.diffusion.sample import Sampler, SingleStepSampler
from turnaround.diffusion.schedule import LogNormalSigma
from turnaround.losses.base import masked_mean
from turnaround.losses.depth import DepthLoss, align_affine, normalize_sequence
from turnaround.losses.diffusion import latent_differences, latent_loss
from turnaround.tasks.latents import as_latents
from turnaround.types import DepthBatch, DepthNetwork, InputError, LatentBatch


@runtime_checkable
class Objective(Protocol):
    """What is minimised, and the sampler that fits it."""

    sampler: Sampler

    def losses(
        self, network: DepthNetwork, batch: DepthBatch | LatentBatch, generator: torch.Generator
    ) -> Mapping[str, Tensor]: ...


class LatentObjective(ABC):
    """An objective that compares latents: encoded at each step from pixels, or kept from before."""

    sampler: Sampler

    def losses(
        self, network: DepthNetwork, batch: DepthBatch | LatentBatch, generator: torch.Generator
    ) -> Mapping[str, Tensor]:
        return self.latent_losses(network, as_latents(network, batch), generator)

    @abstractmethod
    def latent_losses(
        self, network: DepthNetwork, batch: LatentBatch, generator: torch.Generator
    ) -> Mapping[str, Tensor]: ...


class Diffusion(LatentObjective):
    """EDM v-prediction at random noise levels (arXiv 2409.02095, section 3.3)."""

    def __init__(self, *, noise: LogNormalSigma, sampler: Sampler):
        self.noise, self.sampler = noise, sampler

    def latent_losses(self, network, batch, generator):
        clean = batch.disparity
        sigma = self.noise.sample(clean.shape[0], clean.shape[1], generator).to(clean)
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        predicted = predict_velocity(network, clean + spread(sigma) * noise, sigma, batch.condition)
        return {"velocity": latent_loss(predicted, velocity_target(clean, noise, sigma), batch.known)}


class SingleStep:
    """One evaluation with zeros for noise, its decoded disparity compared with the truth (E2E-FT, arXiv 2409.11355).

    terms: losses after the best scale and shift per clip. anchor: weight of the plain difference to the normalised
    disparity, which keeps the network's own scale and shift those of the sequence.
    """

    def __init__(self, *, sampler: Sampler, terms: Mapping[str, DepthLoss], anchor: float):
        self.sampler, self.terms, self.anchor = _single_step(sampler), terms, anchor

    def losses(self, network, batch, generator):
        if isinstance(batch, LatentBatch):
            raise needs_pixels(self)
        target = normalize_sequence(batch.inverse_depth, batch.valid)
        condition = network.condition(batch.video)
        batches, frames, _, *cells = condition.latents.shape
        nothing = condition.latents.new_zeros(batches, frames, network.depth_channels, *cells)
        latents = self.sampler.sample(network, condition, nothing)
        predicted = network.decode_disparity(latents)
        aligned = align_affine(predicted, batch.inverse_depth, batch.valid)
        values = {n: term.weight * term(aligned, batch.inverse_depth, batch.valid) for n, term in self.terms.items()}
        return values | {"anchor": self.anchor * masked_mean((predicted - target).abs(), batch.valid)}


class SingleStepLatent(LatentObjective):
    """One evaluation at a middle noise level with zeros for noise, compared as latents (DVD, arXiv 2603.12250).

    The squared difference alone would blur; `differences` weighs those of first differences in space and in time. The
    codec decodes nothing in training, which for Stable Video Diffusion's is most of the memory.
    """

    def __init__(self, *, sampler: Sampler, differences: float):
        self.sampler, self.differences = _single_step(sampler), differences

    def latent_losses(self, network, batch, generator):
        clean = batch.disparity
        predicted = self.sampler.sample(network, batch.condition, torch.zeros_like(clean))
        space, time = latent_differences(predicted, clean, batch.known)
        return {
            "latent": latent_loss(predicted, clean, batch.known),
            "space": self.differences * space,
            "time": self.differences * time,
        }


def needs_pixels(objective: object) -> InputError:
    """The error of latents given to an objective that compares what it decodes."""
    found = f"{type(objective).__name__}, which compares pixels"
    fix = "choose objective=diffusion or single_step_latent, or data=procedural"
    return InputError("objective", expected="one that compares latents, as the data are", found=found, fix=fix)


def _single_step(sampler: Sampler) -> SingleStepSampler:
    if not isinstance(sampler, SingleStepSampler):
        found, fix = type(sampler).__name__, "choose inference=single_step"
        raise InputError("objective.sampler", expected="a SingleStepSampler", found=found, fix=fix)
    return sampler
