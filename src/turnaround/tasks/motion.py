"""A network learns to tell from one picture how what it shows moves (`types.MotionNetwork`)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from turnaround.geometry.eulerian import followed, pixel_centres
from turnaround.losses.base import masked_mean
from turnaround.render.moving import flowing
from turnaround.tasks.base import Optimization, Task
from turnaround.types import Clip, MotionBatch, MotionField, MotionNetwork, Video
from turnaround.viz.layout import hcat


class MotionTraining(Task):
    """The velocity of each pixel that may move is to come out; validates on clips of a still camera.

    masked: share of pictures whose network is told what moves; of others all may move, and what stands still counts.
    fps: of the clips.
    """

    def __init__(
        self,
        *,
        network: MotionNetwork,
        masked: float,
        fps: float,
        optimization: Optimization,
        freeze: Sequence[str],
        seed: int,
    ):
        assert isinstance(network, nn.Module)
        super().__init__(
            network=network, optimization=optimization, freeze=freeze, gradient_checkpointing=False, seed=seed
        )
        self.masked, self.fps = masked, fps
        self._media: Mapping[str, Video] = {}

    def losses(self, batch: MotionBatch, generator: torch.Generator) -> Mapping[str, Tensor]:
        told = (torch.rand(len(batch.pictures), 1, 1, generator=generator) < self.masked).to(batch.moving.device)
        may = batch.moving | ~told
        error = (self._motion_network().motion(batch.pictures, may) - batch.velocity).abs().mean(dim=1)
        return {"absolute": masked_mean(error, may)}

    def on_validation_epoch_start(self) -> None:
        self._media = {}

    def validation_step(self, clip: Clip, batch_idx: int) -> None:
        """Logs the PSNR of the frames that its motion makes of the first, and of the first standing still, and keeps
        those of the first clip: moved, truth."""
        video = clip.video.to(self.device)
        may = torch.ones_like(video[:1, 0], dtype=torch.bool)
        velocity = self._motion_network().motion(video[:1], may)[0].float() * max(video.shape[-2:]) / self.fps
        moved = carried(video[0], MotionField(velocity=velocity, moving=may[0]), len(video) - 1)
        for name, frames in {"moved": moved, "still": video[:1].expand_as(moved)}.items():
            error = ((frames - video[1:]) ** 2).mean().clamp(min=1e-10)
            self.log(f"validation/{name}_psnr", -10 * error.log10(), batch_size=1, prog_bar=True)
        if batch_idx == 0:
            self._media = {"motion": hcat([moved.float().cpu(), video[1:].cpu()], gap=2)}

    def media(self) -> Mapping[str, Video]:
        """Videos of the last validation, for the logger."""
        return self._media

    def _motion_network(self) -> MotionNetwork:
        assert isinstance(self.network, MotionNetwork)
        return self.network


def carried(image: Tensor, field: MotionField, frames: int) -> Video:
    """[t 3 h w]: the frames after a picture; what comes from over its edge is what lies there."""
    start = pixel_centres(field.moving)
    return torch.stack(
        [
            flowing(image, field.moving, followed(field, start, -frame).at).unflatten(1, tuple(field.moving.shape))
            for frame in range(1, frames + 1)
        ]
    )
