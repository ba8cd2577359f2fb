"""Whether what the first picture shows keeps its colours in the frames that are made from it."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.flow import backward_warp
from turnaround.geometry.projection import pixel_grid
from turnaround.geometry.visibility import seen_from
from turnaround.metrics.base import Average, average_of
from turnaround.types import Pinhole, Video


@dataclass(frozen=True, kw_only=True)
class KnownPixelError:
    """Mean absolute difference of a frame's pixels that were not filled and the first frame at their points; mean over
    frames. tolerance: as of `geometry.visibility.seen_from`. frames: so many of the video, evenly spaced, the first
    left out. Lower is better; resampling alone makes it more than 0."""

    tolerance: float
    frames: int
    name = "known_pixel_error"

    def __call__(
        self, video: Video, filled: Bool[Tensor, "t h w"], depth: Float[Tensor, "t h w"], cameras: Pinhole
    ) -> Average:
        count = len(video) - 1
        taken = [1 + number * count // min(self.frames, count) for number in range(min(self.frames, count))]
        return average_of([self._of(frame, video, filled, depth, cameras) for frame in taken])

    def _of(
        self,
        frame: int,
        video: Video,
        filled: Bool[Tensor, "t h w"],
        depth: Float[Tensor, "t h w"],
        cameras: Pinhole,
    ) -> float | None:
        places, seen, _ = seen_from(depth[frame], cameras.at(frame), depth[0], cameras.at(0), tolerance=self.tolerance)
        counted = seen & ~filled[frame]
        if not counted.any():
            return None
        flow = torch.where(counted[..., None], places - pixel_grid(*counted.shape, like=places), 0).movedim(-1, 0)
        shown = backward_warp(video[:1], flow[None].to(video))[0]
        return float((video[frame] - shown).abs().mean(0)[counted].double().mean())
