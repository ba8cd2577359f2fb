"""Video depth by diffusion (DepthCrafter, arXiv 2409.02095) or in a single step, as the objective has it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import torch
from pytorch_lightning.strategies import DeepSpeedStrategy, FSDPStrategy
from torch import Tensor, nn

from turnaround.diffusion.estimate import DepthDiffusion
from turnaround.geometry.align import align_to_depth
from turnaround.io.shots import OneShot
from turnaround.metrics.depth import AbsRel, Delta
from turnaround.tasks.base import Optimization, Task
from turnaround.tasks.latents import encoder_on, place_encoders
from turnaround.tasks.objectives import LatentObjective, Objective, needs_pixels
from turnaround.types import (
    Clip,
    DepthBatch,
    DepthKind,
    DepthNetwork,
    DepthVideo,
    LatentBatch,
    LatentEncoder,
    Video,
)
from turnaround.viz.color import colorize
from turnaround.viz.layout import hcat

MIN_DEPTH, MAX_DEPTH = 0.1, 80.0  # metres: what validation counts


class VideoDepth(Task):
    """Learns disparity of videos from `DepthBatch`es, or from their latents; validates on clips with true depth.

    window, overlap, pixels: as in `DepthDiffusion`.
    """

    def __init__(
        self,
        *,
        network: DepthNetwork,
        objective: Objective,
        optimization: Optimization,
        freeze: Sequence[str],
        gradient_checkpointing: bool,
        seed: int,
        window: int,
        overlap: int,
        pixels: int,
    ):
        assert isinstance(network, nn.Module)
        super().__init__(
            network=network,
            optimization=optimization,
            freeze=freeze,
            gradient_checkpointing=gradient_checkpointing,
            seed=seed,
        )
        self.objective = objective
        self.window, self.overlap, self.pixels = window, overlap, pixels
        self._media: Mapping[str, Video] = {}

    def losses(self, batch: DepthBatch | LatentBatch, generator: torch.Generator) -> Mapping[str, Tensor]:
        return self.objective.losses(self._depth_network(), batch, generator)

    def latent_encoder(self, device: torch.device) -> AbstractContextManager[LatentEncoder]:
        """What makes the latents of a `LatentBatch`, at work on `device` within a `with` block.

        InputError: an objective that compares pixels; encoders that are trained.
        """
        if not isinstance(self.objective, LatentObjective):
            raise needs_pixels(self.objective)
        return encoder_on(self._depth_network(), device)

    def on_train_batch_start(self, batch: DepthBatch | LatentBatch, batch_idx: int) -> None:
        """Where latents are read, the encoders have nothing to do until validation and leave the device's memory."""
        self._place_encoders(torch.device("cpu") if isinstance(batch, LatentBatch) else self.device)

    def on_validation_start(self) -> None:
        self._place_encoders(self.device)

    def _place_encoders(self, device: torch.device) -> None:
        if not isinstance(self.trainer.strategy, DeepSpeedStrategy | FSDPStrategy):  # these place parameters themselves
            place_encoders(self._depth_network(), device)

    def estimator(self) -> DepthDiffusion:
        """The network as it is now, with the sampler that fits the objective."""
        return DepthDiffusion(
            network=self._depth_network(),
            sampler=self.objective.sampler,
            shots=OneShot(),
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
