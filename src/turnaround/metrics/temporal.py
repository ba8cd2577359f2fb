"""Consistency of aligned depth between neighbouring frames."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.projection import in_image, project, unproject
from turnaround.metrics.base import Average, average_of
from turnaround.types import Pinhole

Frame = Float[Tensor, "h w"]
Maps = Float[Tensor, "t h w"]
Masks = Bool[Tensor, "t h w"]


@runtime_checkable
class Splat(Protocol):
    """Turns projected points into a depth map; `inf` where nothing lands."""

    def __call__(
        self, pixels: Float[Tensor, "n 2"], z: Float[Tensor, "n"], keep: Bool[Tensor, "n"], height: int, width: int
    ) -> Frame: ...


def splat_nearest(
    pixels: Float[Tensor, "n 2"], z: Float[Tensor, "n"], keep: Bool[Tensor, "n"], height: int, width: int
) -> Frame:
    """Each kept point falls into the one pixel that contains it; the nearest point wins."""
    index, inside = _pixel_index(pixels, z, height, width)
    keep = keep & inside
    empty = z.new_full((height * width,), torch.inf)
    return empty.scatter_reduce(0, index[keep], z[keep], reduce="amin").view(height, width)


def splat_last(pixels: Float[Tensor, "n 2"], z: Float[Tensor, "n"], height: int, width: int) -> Frame:
    """Each point falls into the one pixel that contains it, in front of the camera or behind; the point with the
    highest index wins, and 0 stands where nothing lands."""
    inside = in_image(pixels, height, width)
    x, y = pixels[inside].floor().long().unbind(-1)
    order = torch.arange(len(z), device=z.device)
    winner = order.new_full((height * width,), -1).scatter_reduce(0, y * width + x, order[inside], reduce="amax")
    return torch.where(winner >= 0, z[winner.clamp(min=0)], 0).view(height, width)


@dataclass(frozen=True, kw_only=True)
class TemporalAlignmentError:
    """TAE, strict: depth of one frame carried into the next by exact cameras and compared with the depth found there.

    100 / (2 (N - 1)) * sum over neighbours and both directions of AbsRel(carried, found), with the found prediction as
    denominator (Depth Any Video; Video Depth Anything, arXiv 2501.12375, eq. 5). Strict means: exact K and poses, a
    z-test where points collide, and only surface that the truth shows in both frames. A source pixel takes part when
    its true point, carried the same way, meets the true depth of the other frame within `tolerance` (relative), which
    drops what is hidden, unknown or moving; a target pixel is counted when such a true point falls on it. A direction
    without counted pixels leaves the sum and the count.

    Nearest-pixel splatting leaves a floor on slanted surfaces: the truth itself scores a little above 0 there.
    """

    tolerance: float
    splat: Splat = splat_nearest
    name = "tae"

    def __call__(self, depth: Maps, truth: Maps, valid: Masks, cameras: Pinhole) -> Average:
        depth, truth = depth.double(), truth.double()
        steps = _both_ways(len(depth))
        pairs = (_meet(depth, truth, valid, cameras, *step, self.tolerance, self.splat) for step in steps)
        return average_of([_mean(100 * (carried - found).abs() / found) for carried, found in pairs])


@dataclass(frozen=True, kw_only=True)
class MultiFrameConsistency:
    """MFC: |carried - found| in metres, depth of each frame carried into the next by the true pose (ChronoDepth, arXiv
    2406.01493, appendix A), mean over pixels, then over pairs.

    The paper leaves moving surface to true flow; here the pixels are those of `TemporalAlignmentError`, which the truth
    shows in both frames and at rest. Lower is better. A constant map is perfect when the camera moves across its
    optical axis without panning or tilting.
    """

    tolerance: float
    splat: Splat = splat_nearest
    name = "mfc"

    def __call__(self, depth: Maps, truth: Maps, valid: Masks, cameras: Pinhole) -> Average:
        depth, truth = depth.double(), truth.double()
        steps = range(len(depth) - 1)
        pairs = (_meet(depth, truth, valid, cameras, k, k + 1, self.tolerance, self.splat) for k in steps)
        return average_of([_mean((carried - found).abs()) for carried, found in pairs])


@dataclass(frozen=True, kw_only=True)
class TemporalAlignmentErrorPublished:
    """TAE as the evaluation script of Video Depth Anything computes it (arXiv 2501.12375, eq. 5), for its tables.

    As `TemporalAlignmentError`, but with neither truth nor z-test: of the points that fall into one pixel the last
    written stays, which the script leaves to chance and which is the highest source index here (row by row); every
    pixel where something positive landed counts, hidden or not. A direction without such a pixel counts as 0.

    Lower is better. The truth itself scores above 0 where surface is hidden or moves, and a constant map is perfect
    when the camera moves across its optical axis without panning or tilting.
    """

    name = "tae_vda"

    def __call__(self, depth: Maps, truth: Maps, valid: Masks, cameras: Pinhole) -> Average:
        depth = depth.double()
        errors = [self._error(depth, cameras, *step) for step in _both_ways(len(depth))]
        return Average(sum=100 * sum(errors, 0.0), count=len(errors))

    def _error(self, depth: Maps, cameras: Pinhole, source: int, target: int) -> float:
        carried = splat_last(*_carry(depth[source], cameras.at(source), cameras.at(target)), *depth.shape[1:])
        landed = (carried > 0) & (depth[target] > 0)
        found = depth[target][landed]
        return _mean((carried[landed] - found).abs() / found) or 0.0


def _both_ways(frames: int) -> list[tuple[int, int]]:
    """Source and target of both directions of every step."""
    return [step for k in range(frames - 1) for step in ((k, k + 1), (k + 1, k))]


def _meet(
    depth: Maps,
    truth: Maps,
    valid: Masks,
    cameras: Pinhole,
    source: int,
    target: int,
    tolerance: float,
    splat: Splat,
) -> tuple[Float[Tensor, "m"], Float[Tensor, "m"]]:
    """Carried and found depth of the pixels that count in one direction of one step, which bounds the memory."""
    height, width = depth.shape[1:]
    cameras_at = [cameras.at(frame) for frame in (source, target)]
    pixels, z = _carry(truth[source], *cameras_at)
    index, inside = _pixel_index(pixels, z, height, width)
    found = truth[target].flatten()[index]
    known = valid[source].flatten() & inside & valid[target].flatten()[index]
    shared = known & ((z - found).abs() <= tolerance * found)
    seen = torch.zeros_like(shared).index_fill(0, index[shared], True).view(height, width)

    carried = splat(*_carry(depth[source], *cameras_at), shared, height, width)
    counted = seen & carried.isfinite()
    return carried[counted], depth[target][counted]


def _mean(errors: Float[Tensor, "m"]) -> float | None:
    return float(errors.mean()) if errors.numel() else None


def _carry(depth: Frame, source: Pinhole, target: Pinhole) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n"]]:
    """Pixels and z, in the target camera, of the points that the depth gives in the source camera."""
    pixels, z = project(unproject(depth[None], source).flatten(1, 2), target)
    return pixels[0], z[0]


def _pixel_index(
    pixels: Float[Tensor, "n 2"], z: Float[Tensor, "n"], height: int, width: int
) -> tuple[Tensor, Bool[Tensor, "n"]]:
    """Flat index of the pixel that contains each point (0 where outside), and whether it is inside the image."""
    inside = in_image(pixels, height, width) & (z > 0)
    x, y = pixels.floor().unbind(-1)
    return torch.where(inside, y * width + x, 0).long(), inside
