"""Whether neighbouring frames show the same: each is carried into the next by true depth and cameras, exactly.

The scene stands still. A pixel counts where the point that it shows is visible in the frame before.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.flow import backward_warp
from turnaround.geometry.projection import in_image, pixel_grid, project, unproject
from turnaround.metrics.base import Average, average_of
from turnaround.metrics.perceptual import PerceptualDistance
from turnaround.types import Pinhole, Video

Colour = Float[Tensor, "3 h w"]


@dataclass(frozen=True, kw_only=True)
class WarpedError:
    """Mean absolute difference of a frame and the one before it, warped; per pair of frames, then over the pairs.

    tolerance: a point is visible in the frame before where the depth it has there differs by at most this share from
    the one found there. Lower is better. The truth itself scores above 0, by what resampling and gloss change; a video
    of one colour scores 0.
    """

    tolerance: float
    name = "warped_error"

    def __call__(self, video: Video, depth: Float[Tensor, "t h w"], cameras: Pinhole) -> Average:
        pairs = _warped_pairs(video, depth, cameras, self.tolerance)
        return average_of([_mean((before - frame).abs().mean(0), seen) for before, frame, seen in pairs])


@dataclass(frozen=True, kw_only=True)
class WarpedLpips:
    """As `WarpedError`, with the LPIPS map as the difference. Pixels that do not count show the same in both frames."""

    tolerance: float
    distance: PerceptualDistance
    name = "warped_lpips"

    def __call__(self, video: Video, depth: Float[Tensor, "t h w"], cameras: Pinhole) -> Average:
        pairs = _warped_pairs(video, depth, cameras, self.tolerance)
        return average_of([_mean(self.distance(before, frame), seen) for before, frame, seen in pairs])


def _mean(values: Float[Tensor, "h w"] | None, where: Bool[Tensor, "h w"]) -> float | None:
    return None if values is None or not where.any() else float(values[where].double().mean())


def _warped_pairs(
    video: Video, depth: Float[Tensor, "t h w"], cameras: Pinhole, tolerance: float
) -> Iterator[tuple[Colour, Colour, Bool[Tensor, "h w"]]]:
    """For each frame but the first: the one before it seen from its camera, the frame itself, and where this counts.

    Where it does not, both show the frame.
    """
    for later in range(1, len(video)):
        frame = video[later]
        flow, seen = _flow_back(depth, cameras, later, tolerance)
        before = backward_warp(video[later - 1 : later], flow[None])[0]
        yield torch.where(seen, before, frame), frame, seen


def _flow_back(
    depth: Float[Tensor, "t h w"], cameras: Pinhole, later: int, tolerance: float
) -> tuple[Float[Tensor, "2 h w"], Bool[Tensor, "h w"]]:
    """From each pixel of frame `later` to the place of its point in the frame before, and whether it is seen there."""
    size = depth.shape[1:]
    points = unproject(depth[later : later + 1].double(), cameras.at(later)).flatten(1, 2)
    pixels, z = (values[0].unflatten(0, size) for values in project(points, cameras.at(later - 1)))
    inside = in_image(pixels, *size) & (z > 0)  # not where the depth is unknown
    x, y = torch.where(inside[..., None], pixels, 0).long().unbind(-1)
    found = depth[later - 1].double()[y, x]
    seen = inside & ((z - found).abs() <= tolerance * found)
    flow = torch.where(seen[..., None], pixels - pixel_grid(*size, like=pixels), 0)
    return flow.movedim(-1, 0).to(depth), seen
