"""Video depth by diffusion (DepthCrafter, arXiv 2409.02095) or in a single step."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from turnaround.diffusion.denoiser import predict_velocity, spread, velocity_target
from turnaround.diffusion.estimate import DepthDiffusion
from turnaround.diffusion.sample import Sampler, SingleStepSampler
from turnaround.diffusion.schedule import LogNormalSigma
from turnaround.geometry.align import align_to_depth
from turnaround.losses.base import masked_mean
from turnaround.losses.depth import DepthLoss, align_affine, normalize_sequence
from turnaround.losses.diffusion import velocity_loss
from turnaround.metrics.depth import AbsRel, Delta
from turnaround.tasks.base import Optimization, Task
from turnaround.types import Clip, DepthBatch, DepthKind, DepthNetwork, DepthVideo, InputError, Video
from turnaround.viz.color import colorize
from turnaround.viz.layout import hcat

MIN_DEPTH, MAX_DEPTH = 0.1, 80.0  # metres: what validation counts


@runtime_checkable
class Objective(Protocol):
    """What is minimised, and the sampler that fits it."""

    sampler: Sampler

    def losses(self, network: DepthNetwork, batch: DepthBatch, generator: torch.Generator) -> Mapping[str, Tensor]: ...


class Diffusion:
    """EDM v-prediction at random noise levels, one level per clip (arXiv 2409.02095, section 3.3)."""

    def __init__(self, *, noise: LogNormalSigma, sampler: Sampler):
        self.noise, self.sampler = noise, sampler

    def losses(self, network, batch, generator):
        clean = network.encode_disparity(normalize_sequence(batch.inverse_depth, batch.valid))
        sigma = self.noise.sample(len(clean), generator).to(clean)
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        predicted = predict_velocity(network, clean + spread(sigma) * noise, sigma, network.condition(batch.video))
        return {"velocity": velocity_loss(predicted, velocity_target(clean, noise, sigma), batch.valid)}


class SingleStep:
    """One evaluation with zeros for noise, its decoded disparity compared with the truth (E2E-FT, arXiv 2409.11355).

    terms: losses after the best scale and shift per clip. anchor: weight of the plain difference to the normalised
    disparity, which keeps the network's own scale and shift those of the sequence.
    """

    def __init__(self, *, sampler: Sampler, terms: Mapping[str, DepthLoss], anchor: float):
        if not isinstance(sampler, SingleStepSampler):
            found, fix = type(sampler).__name__, "choose inference=single_step"
            raise InputError("objective.sampler", expected="a SingleStepSampler", found=found, fix=fix)
        self.sampler, self.terms, self.anchor = sampler, terms, anchor

    def losses(self, network, batch, generator):
        condition = network.condition(batch.video)
        target = normalize_sequence(batch.inverse_depth, batch.valid)
        shape = network.encode_disparity(target).shape
        latents = self.sampler.sample(network, condition, target.new_zeros(shape))
        predicted = network.decode_disparity(latents)
        aligned = align_affine(predicted, batch.inverse_depth, batch.valid)
        values = {n: term.weight * term(aligned, batch.inverse_depth, batch.valid) for n, term in self.terms.items()}
        return values | {"anchor": self.anchor * masked_mean((predicted - target).abs(), batch.valid)}


class VideoDepth(Task):
    """Learns disparity of videos from `DepthBatch`es; validates on clips with true depth.

    window, overlap, pixels: as in `DepthDiffusion`.
    """

    def __init__(
        self,
        *,
        network: DepthNetwork,
        objective: Objective,
        optimization: Optimization,
        freeze: Sequence[str],
        seed: int,
        window: int,
        overlap: int,
        pixels: int,
    ):
        assert isinstance(network, nn.Module)
        super().__init__(network=network, optimization=optimization, freeze=freeze, seed=seed)
        self.objective = objective
        self.window, self.overlap, self.pixels = window, overlap, pixels
        self._media: Mapping[str, Video] = {}

    def losses(self, batch: DepthBatch, generator: torch.Generator) -> Mapping[str, Tensor]:
        return self.objective.losses(self._depth_network(), batch, generator)

    def estimator(self) -> DepthDiffusion:
        """The network as it is now, with the sampler that fits the objective."""
        return DepthDiffusion(
            network=self._depth_network(),
            sampler=self.objective.sampler,
            window=self.window,
            overlap=self.overlap,
            pixels=self.pixels,
            device=str(self.device),
            name="ours",
        )

    def on_validation_epoch_start(self) -> None:
        self._media = {}

    def validation_step(self, clip: Clip, batch_idx: int) -> None:
        """Logs AbsRel and delta1 of every clip, and keeps the first clip's picture: video, prediction, truth."""
        assert clip.depth is not None
        maps = torch.stack(list(self.estimator().stream(clip.video.cpu(), seed=self.seed)))
        truth = clip.depth.values.cpu()
        valid = (truth > MIN_DEPTH) & (truth < MAX_DEPTH)
        prediction = DepthVideo(values=maps, kind=DepthKind.AFFINE_DISPARITY)
        depth = align_to_depth(prediction, truth, valid, MIN_DEPTH, MAX_DEPTH)
        for metric in (AbsRel(), Delta(power=1)):
            self.log(f"validation/{metric.name}", metric(depth, truth, valid).value, batch_size=1, prog_bar=True)
        if batch_idx == 0:
            near = 1 / truth[valid].amin()
            pictures = [colorize((1 / values / near).float()) for values in (depth, truth)]
            self._media = {"depth": hcat([clip.video.cpu(), *pictures], gap=2)}

    def _depth_network(self) -> DepthNetwork:
        assert isinstance(self.network, DepthNetwork)
        return self.network

    def media(self) -> Mapping[str, Video]:
        """Videos of the last validation, for the logger."""
        return self._media
