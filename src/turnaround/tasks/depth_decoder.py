"""A light decoder learns to read disparity latents (`nets.depth_decoder`)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from turnaround.geometry.holes import fill_holes
from turnaround.losses.base import masked_mean
from turnaround.losses.depth import normalize_sequence
from turnaround.losses.diffusion import latent_differences
from turnaround.nets.depth_decoder import LightDepthDecoder
from turnaround.nets.svd import SvdDepthNetwork
from turnaround.tasks.base import Optimization, Task
from turnaround.types import Clip, DepthBatch, Video
from turnaround.viz.color import colorize
from turnaround.viz.layout import hcat


class DepthDecoderTraining(Task):
    """True disparity, as the teacher's codec encodes it, is to come out of the decoder again.

    teacher: a network, of which only the codec is kept; frozen, and not saved. noise: added to latents while training,
    for a denoiser's are never exact; its spread, as a share of that of the latents, is drawn per clip from 0 to this.
    space, time: weights of the differences between neighbours and between frames.
    """

    def __init__(
        self,
        *,
        network: LightDepthDecoder,
        teacher: SvdDepthNetwork,
        optimization: Optimization,
        freeze: Sequence[str],
        seed: int,
        noise: float,
        space: float,
        time: float,
    ):
        super().__init__(
            network=network, optimization=optimization, freeze=freeze, gradient_checkpointing=False, seed=seed
        )
        network.require_fit(teacher.codec)
        network.weights = teacher.weights  # whose latents it learns to read
        self.codec = teacher.codec.requires_grad_(False)
        self.noise, self.space, self.time = noise, space, time
        self.strict_loading = False  # for what `state_dict` leaves out
        self._media: Mapping[str, Video] = {}

    def losses(self, batch: DepthBatch, generator: torch.Generator) -> Mapping[str, Tensor]:
        target = normalize_sequence(batch.inverse_depth, batch.valid)
        latents = self.codec.encode_disparity(fill_holes(target, batch.valid))
        predicted = self.decoder(self._disturbed(latents, generator))
        space, time = latent_differences(predicted[:, :, None], target[:, :, None], batch.valid)
        return {
            "absolute": masked_mean((predicted - target).abs(), batch.valid),
            "space": self.space * space,
            "time": self.time * time,
        }

    @property
    def decoder(self) -> LightDepthDecoder:
        assert isinstance(self.network, LightDepthDecoder)
        return self.network

    def on_validation_epoch_start(self) -> None:
        self._media = {}

    def validation_step(self, clip: Clip, batch_idx: int) -> None:
        """Logs the absolute error of every clip, with the codec's own decoder and with the light one, and keeps the
        first clip's picture: video, own, light, truth."""
        assert clip.depth is not None
        depth = clip.depth.values[None].to(self.device)
        valid = depth > 0  # NaN, unknown, fails the comparison
        target = normalize_sequence(torch.where(valid, 1 / depth, 0.0), valid)
        latents = self.codec.encode_disparity(fill_holes(target, valid))
        maps = {"own": self.codec.decode_disparity(latents), "light": self.decoder(latents)}
        for name, disparity in maps.items():
            error = masked_mean((disparity - target).abs(), valid)
            self.log(f"validation/{name}", error, batch_size=1, prog_bar=True)
        if batch_idx == 0:
            pictures = [colorize(disparity[0].float().cpu()) for disparity in (*maps.values(), target)]
            self._media = {"disparity": hcat([clip.video.cpu(), *pictures], gap=2)}

    def media(self) -> Mapping[str, Video]:
        """Videos of the last validation, for the logger."""
        return self._media

    def state_dict(self, *args, **kwargs):
        """Without the teacher's, which training leaves as it was."""
        state = super().state_dict(*args, **kwargs)
        return {name: tensor for name, tensor in state.items() if name.startswith("network.")}

    def _disturbed(self, latents: Tensor, generator: torch.Generator) -> Tensor:
        share = torch.rand(len(latents), 1, 1, 1, 1, generator=generator) * self.noise
        noise = torch.randn(latents.shape, generator=generator)
        return latents + (share * noise).to(latents) * latents.std()
