"""Inpainting of what a moving camera uncovers, in pictures and videos."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from turnaround.diffusion.inpaint import DiffusionInpainter
from turnaround.render.elements import Edges
from turnaround.render.engine import forward_splat
from turnaround.tasks.base import Optimization, Task
from turnaround.tasks.inpaint_objectives import InpaintObjective
from turnaround.types import Clip, InpaintBatch, InpaintNetwork, InputError, PartialVideo, Pinhole, Video, View
from turnaround.viz.layout import hcat


class Inpainting(Task):
    """Learns to fill holes from `InpaintBatch`es; validates on clips whose frames are views of one moment.

    edges: of the warps that validation fills, from the first view of a clip to each other. context, pixels, seam: as in
    `DiffusionInpainter`.
    """

    def __init__(
        self,
        *,
        network: InpaintNetwork,
        objective: InpaintObjective,
        optimization: Optimization,
        freeze: Sequence[str],
        gradient_checkpointing: bool,
        seed: int,
        edges: Edges,
        context: float,
        pixels: int,
        seam: int,
    ):
        assert isinstance(network, nn.Module)
        super().__init__(
            network=network,
            optimization=optimization,
            freeze=freeze,
            gradient_checkpointing=gradient_checkpointing,
            seed=seed,
        )
        self.objective, self.edges = objective, edges
        self.context, self.pixels, self.seam = context, pixels, seam
        self._media: Mapping[str, Video] = {}

    def losses(self, batch: InpaintBatch, generator: torch.Generator) -> Mapping[str, Tensor]:
        """InputError: pictures whose sides are not multiples of what the network needs."""
        network = self._inpaint_network()
        height, width = batch.hole.shape[-2:]
        if height % network.size_multiple or width % network.size_multiple:
            expected, fix = f"multiples of {network.size_multiple} pixels, which the network needs", "correct the crop"
            raise InputError("crop", expected=expected, found=f"{height} x {width}", fix=fix)
        return self.objective.losses(network, batch, generator)

    def inpainter(self) -> DiffusionInpainter:
        """The network as it is now, with the sampler that fits the objective."""
        return DiffusionInpainter(
            network=self._inpaint_network(),
            sampler=self.objective.sampler,
            context=self.context,
            pixels=self.pixels,
            seam=self.seam,
            device=str(self.device),
            name="ours",
        )

    def on_validation_epoch_start(self) -> None:
        self._media = {}

    def validation_step(self, clip: Clip, batch_idx: int) -> None:
        """Logs the PSNR over all that the warp to each other view leaves open, cracks included, and keeps the first
        clip's picture: seen, filled, truth."""
        partial = views_from_first(clip, self.edges)
        filled = self.inpainter().fill(partial, seed=self.seed)
        for found, truth, hole in zip(filled.video, clip.video[1:], partial.hole, strict=True):
            if hole.any():
                error = ((found - truth)[:, hole] ** 2).mean().clamp(min=1e-10)
                self.log("validation/open_psnr", -10 * error.log10(), batch_size=1, prog_bar=True)
        if batch_idx == 0:
            self._media = {"filled": hcat([partial.video, filled.video, clip.video[1:].cpu()], gap=2)}

    def media(self) -> Mapping[str, Video]:
        """Videos of the last validation, for the logger."""
        return self._media

    def _inpaint_network(self) -> InpaintNetwork:
        assert isinstance(self.network, InpaintNetwork)
        return self.network


def views_from_first(clip: Clip, edges: Edges) -> PartialVideo:
    """The first view of a clip as the cameras of the others see it."""
    assert clip.depth is not None
    assert isinstance(clip.cameras, Pinhole)
    first = View(image=clip.video[0].cpu(), depth=clip.depth.values[0].cpu(), camera=clip.cameras.at(0))
    cameras = [clip.cameras.at(frame) for frame in range(1, len(clip.video))]
    warped = [forward_splat(first, camera, edges=edges) for camera in cameras]
    return PartialVideo(
        video=torch.stack([w.image for w in warped]),
        hole=torch.stack([w.hole for w in warped]),
        depth=torch.stack([w.depth for w in warped]),
        cameras=Pinhole(
            world_from_cam=clip.cameras.world_from_cam[1:],
            intrinsics=clip.cameras.intrinsics[1:],
            height=clip.cameras.height,
            width=clip.cameras.width,
        ),
    )
