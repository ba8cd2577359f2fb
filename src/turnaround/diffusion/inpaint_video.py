"""An `Inpainter` of videos, in windows whose first frames are finished already."""

from dataclasses import replace

import torch
from torch import Tensor

from turnaround.diffusion.inpaint import (
    Box,
    DiffusionInpainter,
    composited,
    crop_around,
    disparity_scale,
    frame_of,
    inverse_of,
    padded,
    shrunk,
    take_back_offset,
    with_disparity,
)
from turnaround.diffusion.placing import fingerprint, require_overlap, resize
from turnaround.diffusion.sample import Sampler
from turnaround.diffusion.windows import windows
from turnaround.types import FilledVideo, InpaintNetwork, InputError, PartialVideo


class VideoInpainter(DiffusionInpainter):
    """Fills the holes of frames together, `window` at a time; memory is that of one window beside the video itself.

    The first `overlap` frames of a window are the last of the one before, as they were filled, and are known to it
    (StereoCrafter, arXiv 2409.07447). All windows share one crop, around the holes of all frames, and one scale of
    disparity; noise belongs to places, as in `DiffusionInpainter`, and is that of
    the depth as it is known so far. So how a video is divided changes what is
    held and nothing else. A window without new holes costs nothing.
    """

    def __init__(
        self,
        *,
        network: InpaintNetwork,
        sampler: Sampler,
        window: int,
        overlap: int,
        context: float,
        pixels: int,
        seam: int,
        device: str,
        name: str,
    ):
        require_overlap(window, overlap)
        super().__init__(
            network=network, sampler=sampler, context=context, pixels=pixels, seam=seam, device=device, name=name
        )
        self.window, self.overlap = window, overlap

    def fingerprint(self) -> str:
        settings = (self.sampler, self.window, self.overlap, self.context, self.pixels, self.seam)
        return fingerprint(settings, self.network)

    def fill(self, partial: PartialVideo, *, seed: int) -> FilledVideo:
        """InputError: a frame without a known pixel."""
        for index in partial.hole.flatten(1).all(dim=1).nonzero().flatten().tolist():
            expected, fix = "some known pixels", "give a hole that leaves something to go on from"
            raise InputError(f"frame {index}", expected=expected, found="a hole everywhere", fix=fix)
        if not partial.hole.any():
            return FilledVideo(video=partial.video, depth=partial.depth)
        box = crop_around(partial.hole.any(dim=0), self.context, self.network.size_multiple)
        scale = disparity_scale(inverse_of(partial)[None])  # one for all frames
        depth = None if partial.depth is None else partial.depth.clone()
        done = replace(partial, video=partial.video.clone(), hole=partial.hole.clone(), depth=depth)
        for items, _ in windows(range(len(partial.video)), self.window, self.overlap):
            if done.hole[items].any():  # frames that the window before has filled have none
                self._window(done, range(items[0], items[-1] + 1), box, scale, seed)
        return FilledVideo(video=done.video, depth=done.depth)

    @torch.inference_mode()
    def _window(self, done: PartialVideo, frames: range, box: Box, scale: Tensor, seed: int) -> None:
        """Fills these frames in place."""
        parts = [padded(frame_of(done, index), box) for index in frames]
        pictures = torch.cat([with_disparity(part, scale) for part in parts], dim=1)
        hole = torch.stack([part.hole for part in parts], dim=1)
        small, hidden = shrunk(pictures, hole, self.working_size(box.height, box.width))
        singles = zip(parts, small.split(1, dim=1), hidden.split(1, dim=1), frames, strict=True)
        noise = torch.stack([self._noise(part, s, h, scale, index, box, seed) for part, s, h, index in singles])
        condition = self._condition(small, hidden)
        latents = self.sampler.sample(self.network, condition, noise[None].to(self.device))
        found = self.network.decode(latents)[0].float().clamp(0, 1).cpu()
        found = resize(found, (box.height, box.width))
        found = take_back_offset(found, pictures[0], hole[0], self.seam).clamp(0, 1)
        for index, picture in zip(frames, found.split(1), strict=True):
            filled = composited(frame_of(done, index), picture, scale, box)
            done.video[index], done.hole[index] = filled.video[0], False
            if done.depth is not None and filled.depth is not None:
                done.depth[index] = filled.depth[0]
