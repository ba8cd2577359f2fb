"""Fillings of holes that learned nothing: what an inpainting network has to beat."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from turnaround.geometry.holes import sides
from turnaround.types import FilledVideo, InputError, PartialVideo

ALGORITHMS = {"telea": cv2.INPAINT_TELEA, "navier_stokes": cv2.INPAINT_NS}


@dataclass(frozen=True, kw_only=True)
class OpenCvInpainter:
    """OpenCV's inpainting, frame by frame, on colours rounded to 8 bits.

    algorithm: telea (Telea, An Image Inpainting Technique Based on the Fast Marching Method, 2004) or navier_stokes
    (Bertalmio et al., Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting, CVPR 2001). radius: pixels around
    a hole's pixel that decide it. A frame of which nothing is known becomes black.
    """

    algorithm: str
    radius: float
    weights = ()

    def __post_init__(self):
        if self.algorithm not in ALGORITHMS or not self.radius > 0:
            expected = f"one of {', '.join(ALGORITHMS)} with a radius above 0"
            found = f"{self.algorithm}, radius {self.radius}"
            raise InputError("OpenCV inpainting", expected=expected, found=found, fix="correct the method's config")

    @property
    def name(self) -> str:
        return self.algorithm

    def fingerprint(self) -> str:
        return repr(self)

    def fill(self, partial: PartialVideo, *, seed: int) -> FilledVideo:
        frames = zip(partial.video, partial.hole, strict=True)
        filled = torch.stack([self._fill(frame, hole) for frame, hole in frames]).to(partial.video)
        return FilledVideo(video=torch.where(partial.hole[:, None], filled, partial.video), depth=partial.depth)

    def _fill(self, frame: Float[Tensor, "3 h w"], hole: Bool[Tensor, "h w"]) -> Float[Tensor, "3 h w"]:
        pixels = (frame.detach().cpu() * 255).round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()
        mask = hole.cpu().numpy().astype(np.uint8)
        filled = cv2.inpaint(pixels, mask, self.radius, ALGORITHMS[self.algorithm])
        return torch.from_numpy(filled).permute(2, 0, 1).float() / 255


@dataclass(frozen=True, kw_only=True)
class BackgroundStretch:
    """Each pixel of a hole takes the colour of the farther of the two nearest known pixels in its row.

    What a camera uncovers to its side is most often background. Of two pixels that are equally far, or where the depth
    of one is not known, the nearer in the row wins, then the left one. A row of which nothing is known takes the
    filled row nearest to it, the upper of two alike; a frame of which nothing is known stays black.
    """

    name = "background_stretch"
    weights = ()

    def fingerprint(self) -> str:
        return repr(self)

    def fill(self, partial: PartialVideo, *, seed: int) -> FilledVideo:
        depth = partial.video.new_full(partial.hole.shape, torch.nan) if partial.depth is None else partial.depth
        source = torch.stack([_background(hole, far) for hole, far in zip(partial.hole, depth, strict=True)])
        taken = partial.video.flatten(2).gather(2, source[:, None].expand(-1, 3, -1, -1).flatten(2))
        filled = taken.view_as(partial.video)
        return FilledVideo(video=torch.where(partial.hole[:, None], filled, partial.video), depth=partial.depth)


def _background(hole: Bool[Tensor, "h w"], depth: Float[Tensor, "h w"]) -> Int[Tensor, "h w"]:
    """The row-major index of the pixel whose colour each pixel takes."""
    taken = sides(hole, depth)[0].clamp(min=0)
    row = _nearest_row(~hole.all(dim=1))
    return row[:, None] * hole.shape[1] + taken[row]


def _nearest_row(known: Bool[Tensor, "h"]) -> Int[Tensor, "h"]:
    """For each row the nearest that is known, of two alike the upper; itself where none is."""
    rows = torch.arange(len(known), device=known.device)
    distance = (rows[:, None] - rows).abs().masked_fill(~known, 2 * len(rows))
    return distance.argmin(dim=1) if known.any() else rows
