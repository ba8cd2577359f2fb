"""Consistency of aligned depth between neighbouring frames."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.projection import in_image, project, unproject
from turnaround.metrics.base import Average
from turnaround.types import Pinhole

Frame = Float[Tensor, "h w"]
Mask = Bool[Tensor, "h w"]


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

    def __call__(
        self,
        depth: Float[Tensor, "t h w"],
        truth: Float[Tensor, "t h w"],
        valid: Bool[Tensor, "t h w"],
        cameras: Pinhole,
    ) -> Average:
        depth, truth = depth.double(), truth.double()
        steps = [(k, k + 1) for k in range(len(depth) - 1)]
        errors = [self._error(depth, truth, valid, cameras, *step) for i, j in steps for step in ((i, j), (j, i))]
        counted = [error for error in errors if error is not None]
        return Average(sum=100 * sum(counted, 0.0), count=len(counted))

    def _error(
        self,
        depth: Float[Tensor, "t h w"],
        truth: Float[Tensor, "t h w"],
        valid: Bool[Tensor, "t h w"],
        cameras: Pinhole,
        source: int,
        target: int,
    ) -> float | None:
        """AbsRel of one direction of one step; None where no pixel is counted. One step at a time bounds the memory."""
        height, width = depth.shape[1:]
        cameras_at = [_single(cameras, frame) for frame in (source, target)]
        pixels, z = _carry(truth[source], *cameras_at)
        index, inside = _pixel_index(pixels, z, height, width)
        found = truth[target].flatten()[index]
        known = valid[source].flatten() & inside & valid[target].flatten()[index]
        shared = known & ((z - found).abs() <= self.tolerance * found)
        seen = torch.zeros_like(shared).index_fill(0, index[shared], True).view(height, width)

        carried = self.splat(*_carry(depth[source], *cameras_at), shared, height, width)
        counted = seen & carried.isfinite()
        if not counted.any():
            return None
        there = depth[target][counted]
        return float(((carried[counted] - there).abs() / there).mean())


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


def _single(cameras: Pinhole, frame: int) -> Pinhole:
    return Pinhole(
        world_from_cam=cameras.world_from_cam[frame : frame + 1],
        intrinsics=cameras.intrinsics[frame : frame + 1],
        height=cameras.height,
        width=cameras.width,
    )
