"""Whether neighbouring frames show the same: each is carried into the next by true depth and cameras, exactly.

The scene stands still. A pixel counts where the point that it shows is visible in the frame before.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.flow import backward_warp
from turnaround.geometry.projection import pixel_grid
from turnaround.geometry.visibility import seen_from
from turnaround.metrics.base import Average, average_of
from turnaround.metrics.perceptual import PerceptualDistance
from turnaround.types import Pinhole, Video

Colour = Float[Tensor, "3 h w"]
Maps = Float[Tensor, "t h w"]
Masks = Bool[Tensor, "t h w"]


@dataclass(frozen=True, kw_only=True)
class WarpedError:
    """Mean absolute difference of a frame and the one before it, warped; per pair of frames, then over the pairs.

    tolerance: of `geometry.visibility.seen_from`, a share of the depth. Lower is better. The truth itself scores above
    0, by what resampling and gloss change; a video of one colour scores 0.
    """

    tolerance: float
    name = "warped_error"

    def __call__(self, video: Video, filled: Masks, depth: Maps, cameras: Pinhole) -> Average:
        pairs = _warped_pairs(video, depth, cameras, self.tolerance)
        return average_of([_mean((before - frame).abs().mean(0), seen) for before, frame, seen in pairs])


@dataclass(frozen=True, kw_only=True)
class HoleWarpedError:
    """As `WarpedError`, over those of its pixels that were filled in the later frame: what was known hides nothing."""

    tolerance: float
    name = "hole_warped_error"

    def __call__(self, video: Video, filled: Masks, depth: Maps, cameras: Pinhole) -> Average:
        pairs = zip(_warped_pairs(video, depth, cameras, self.tolerance), filled[1:], strict=True)
        return average_of([_mean((before - frame).abs().mean(0), seen & made) for (before, frame, seen), made in pairs])


@dataclass(frozen=True, kw_only=True)
class WarpedLpips:
    """As `WarpedError`, with the LPIPS map as the difference. Pixels that do not count show the same in both frames."""

    tolerance: float
    distance: PerceptualDistance
    name = "warped_lpips"

    def __call__(self, video: Video, filled: Masks, depth: Maps, cameras: Pinhole) -> Average:
        pairs = _warped_pairs(video, depth, cameras, self.tolerance)
        return average_of([_mean(self.distance(before, frame), seen) for before, frame, seen in pairs])


@dataclass(frozen=True, kw_only=True)
class LoopError:
    """How much more the last frame of a closed path differs from the first than frames from those before them: the mean
    absolute difference, over the median of all other steps. 1 is a loop that nobody sees; a video of one picture has
    no value."""

    name = "loop_error"

    def __call__(self, video: Video, filled: Masks, depth: Maps, cameras: Pinhole) -> Average:
        changes = (video - video.roll(1, 0)).abs().mean(dim=(1, 2, 3)).double()
        usual = float(changes[1:].median()) if len(video) > 1 else 0.0
        return average_of([float(changes[0]) / usual if usual > 0 else None])


def _mean(values: Float[Tensor, "h w"] | None, where: Bool[Tensor, "h w"]) -> float | None:
    return None if values is None or not where.any() else float(values[where].double().mean())


def _warped_pairs(
    video: Video, depth: Maps, cameras: Pinhole, tolerance: float
) -> Iterator[tuple[Colour, Colour, Bool[Tensor, "h w"]]]:
    """For each frame but the first: the one before it seen from its camera, the frame itself, and where this counts.

    Where it does not, both show the frame.
    """
    for later in range(1, len(video)):
        frame = video[later]
        places, seen, _ = seen_from(
            depth[later], cameras.at(later), depth[later - 1], cameras.at(later - 1), tolerance=tolerance
        )
        flow = torch.where(seen[..., None], places - pixel_grid(*seen.shape, like=places), 0).movedim(-1, 0)
        before = backward_warp(video[later - 1 : later], flow[None].to(video))[0]
        yield torch.where(seen, before, frame), frame, seen
