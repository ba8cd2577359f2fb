"""What an inpainting network minimises, each with the sampler that fits it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from turnaround.diffusion.denoiser import Preconditioning, predict_velocity, spread, velocity_target
from turnaround.diffusion.inpaint import batch_disparity, pictures_of
from turnaround.diffusion.sample import Sampler, SingleStepSampler
from turnaround.diffusion.schedule import LogNormalSigma
from turnaround.geometry.holes import fill_from_behind
from turnaround.losses.image import Regions, absolute_error, gradient_error, weighted_mean
from turnaround.types import InpaintBatch, InpaintNetwork


@runtime_checkable
class InpaintObjective(Protocol):
    """What is minimised, and the sampler that fits it."""

    sampler: Sampler

    def losses(
        self, network: InpaintNetwork, batch: InpaintBatch, generator: torch.Generator
    ) -> Mapping[str, Tensor]: ...


@dataclass(frozen=True, kw_only=True)
class SingleStepInpaint:
    """One evaluation with zeros for noise; its pictures are compared with the target.

    regions: how much pixels count. gradient: weight of the differences between neighbours, up to `scales` of them.
    depth: weight of the absolute error of disparity, where the network completes it. typical, floor: the errors of each
    picture are divided by those of `geometry.holes.fill_from_behind`, which are at least `floor`, and multiplied by
    `typical`, so that narrow holes, which are easy, count as much as wide ones.
    """

    sampler: SingleStepSampler
    regions: Regions
    gradient: float
    scales: int
    depth: float
    typical: float
    floor: float

    def losses(self, network, batch, generator):
        seen, target, known_depth = pictures_of_batch(network, batch)
        condition = network.condition(seen, batch.hole)
        size = (network.latent_channels, seen.shape[-2] // network.factor, seen.shape[-1] // network.factor)
        latents = self.sampler.sample(network, condition, seen.new_zeros(*seen.shape[:2], *size))
        weights = self.regions.weights(batch.hole, batch.valid)
        errors = self._errors(network.decode(latents), target, weights, known_depth)
        rough = self._errors(fill_from_behind(seen, batch.hole), target, weights, known_depth)
        scale = self.typical / torch.stack(list(rough.values())).sum(dim=0).clamp(min=self.floor)
        return {name: (each * scale).mean() for name, each in errors.items()}

    def _errors(
        self,
        pictures: Float[Tensor, "b t p h w"],
        target: Float[Tensor, "b t p h w"],
        weights: Float[Tensor, "b t h w"],
        known_depth: Float[Tensor, "b t h w"],
    ) -> Mapping[str, Float[Tensor, "b"]]:
        color, truth = pictures[:, :, :3], target[:, :, :3]
        terms = {
            "color": absolute_error(color, truth, weights),
            "gradient": self.gradient * gradient_error(color, truth, weights, scales=self.scales),
        }
        if pictures.shape[2] > 3:
            error = (pictures - target)[:, :, 3:].abs()
            terms["depth"] = self.depth * weighted_mean(error, weights * known_depth)
        return terms


@dataclass(frozen=True, kw_only=True)
class InpaintDiffusion:
    """Velocity prediction at random noise levels, on the whole latent, with extra weight where holes are.

    hole: weight of the cells of holes; the others count 1. Cells of which the truth is not wholly known do not count:
    of colour, or of depth in the channels that hold it. ring: weight of the pixel error of what is decoded from the
    predicted clean latents, on the known border of holes and in them (`regions`); 0: nothing is decoded.
    """

    noise: LogNormalSigma
    sampler: Sampler
    hole: float
    ring: float
    regions: Regions

    def losses(self, network, batch, generator):
        seen, target, known_depth = pictures_of_batch(network, batch)
        clean = network.encode(target)
        sigma = self.noise.sample(clean.shape[0], clean.shape[1], generator).to(clean)
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        noisy = clean + spread(sigma) * noise
        predicted = predict_velocity(network, noisy, sigma, network.condition(seen, batch.hole))
        error = (predicted - velocity_target(clean, noise, sigma)) ** 2
        color, disparity = error[:, :, : network.color_channels], error[:, :, network.color_channels :]
        terms = {"velocity": weighted_mean(color, self._cells(batch.hole, batch.valid, network.factor)).mean()}
        if network.picture_channels > 3:
            cells = self._cells(batch.hole, known_depth > 0, network.factor)
            terms["depth"] = weighted_mean(disparity, cells).mean()
        if self.ring:
            scaling = Preconditioning.at(sigma)
            found = network.decode(spread(scaling.c_skip) * noisy + spread(scaling.c_out) * predicted)
            near = self.regions.weights(batch.hole, batch.valid)
            terms["ring"] = self.ring * absolute_error(found[:, :, :3], target[:, :, :3], near).mean()
        return terms

    def _cells(
        self, hole: Bool[Tensor, "b t h w"], known: Bool[Tensor, "b t h w"], factor: int
    ) -> Float[Tensor, "b t y x"]:
        """More for cells with more of a hole; nothing where any pixel of the target is not known."""
        share = avg_pool2d(hole.float(), factor)
        true = avg_pool2d(known.float(), factor) == 1
        return (1 + (self.hole - 1) * share) * true


def pictures_of_batch(
    network: InpaintNetwork, batch: InpaintBatch
) -> tuple[Float[Tensor, "b t p h w"], Float[Tensor, "b t p h w"], Float[Tensor, "b t h w"]]:
    """What is seen, the target, and 1 where the target's depth is known."""
    seen, target = batch_disparity(batch.seen_inverse_depth, batch.inverse_depth)
    known = (batch.inverse_depth > 0).to(seen)
    return pictures_of(network, batch.seen, seen), pictures_of(network, batch.target, target), known
