"""A half sphere around a camera, of coloured discs: for scenes that are looked at from many places, all around.

Two passes over all points, compiled by numba: the first finds the nearest at each pixel, the second mixes those at its
distance, so that many small points in one pixel are averaged (after Zwicker et al., Surface Splatting, SIGGRAPH 2001).
Discs always face the camera.
"""

import math
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numba import njit
from torch import Tensor

from turnaround.types import Equirectangular180

WIDEST = 16.0  # pixels that a disc's radius is cut to: what is so near the eye is a blur in any case


@dataclass(frozen=True, kw_only=True)
class Discs:
    """Points in the world with colours (sRGB) and radii (metres)."""

    points: Float[Tensor, "n 3"]
    colors: UInt8[Tensor, "n 3"]
    radius: Float[Tensor, "n"]

    def with_others(self, other: "Discs") -> "Discs":
        return Discs(
            points=torch.cat([self.points, other.points]),
            colors=torch.cat([self.colors, other.colors]),
            radius=torch.cat([self.radius, other.radius]),
        )


def splat_discs(
    discs: Discs, camera: Equirectangular180, *, tolerance: float
) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "h w"], Bool[Tensor, "h w"]]:
    """Colour, distance along the ray (NaN in holes), and where no disc is.

    A disc counts at the pixels whose centres lie within its radius, and at the pixel in which it lies. Of those at a
    pixel the ones whose distance exceeds the nearest by at most the share `tolerance` are mixed, those in the middle of
    their disc the most.
    """
    pose = torch.linalg.inv(camera.world_from_cam[0].double())
    points = (discs.points.double() @ pose[:3, :3].T + pose[:3, 3]).float().contiguous().numpy()
    radius, colors = discs.radius.float().contiguous().numpy(), discs.colors.contiguous().numpy()
    size = (camera.height, camera.width)
    at = np.empty((len(points), 5), dtype=np.float32)
    nearest = np.full(size, np.inf, dtype=np.float32)
    _nearest(points, radius, math.pi, WIDEST, at, nearest)
    mixed = np.zeros((*size, 5), dtype=np.float32)
    _mix(at, colors, nearest, tolerance, mixed)
    total = torch.from_numpy(mixed).permute(2, 0, 1)
    hole = total[4] == 0
    weight = torch.where(hole, 1.0, total[4])
    return total[:3] / weight / 255, (total[3] / weight).masked_fill(hole, torch.nan), hole


@njit(cache=True, error_model="numpy")
@no_type_check
def _nearest(points, radius, pi, widest, at, nearest):
    """The least distance at each pixel. at: of each point its column, row, half width and height, and distance."""
    height, width = nearest.shape
    for n in range(len(points)):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        flat = np.sqrt(x * x + z * z)
        distance = np.sqrt(flat * flat + y * y)
        at[n, 4] = 0.0
        if not (z > 0 and distance < np.inf):
            continue
        column, row = (np.arctan2(x, z) / pi + 0.5) * width, (0.5 - np.arctan2(-y, flat) / pi) * height
        high = min(radius[n] / distance * height / pi, widest)
        wide = min(radius[n] / flat * width / pi, widest)
        at[n, 0], at[n, 1], at[n, 2], at[n, 3], at[n, 4] = column, row, wide, high, distance
        first_row, last_row, first_column, last_column = _box(column, row, wide, high, width, height)
        for r in range(first_row, last_row):
            for c in range(first_column, last_column):
                if distance < nearest[r, c]:
                    nearest[r, c] = distance


@njit(cache=True, error_model="numpy")
@no_type_check
def _mix(at, colors, nearest, tolerance, mixed):
    """Sums of weight times red, green, blue and distance, and of weight."""
    height, width = nearest.shape
    for n in range(len(at)):
        column, row, wide, high, distance = at[n, 0], at[n, 1], at[n, 2], at[n, 3], at[n, 4]
        if distance == 0:
            continue
        first_row, last_row, first_column, last_column = _box(column, row, wide, high, width, height)
        for r in range(first_row, last_row):
            for c in range(first_column, last_column):
                if distance > nearest[r, c] * (1 + tolerance):
                    continue
                u, v = (c + 0.5 - column) / max(wide, 0.5), (r + 0.5 - row) / max(high, 0.5)
                weight = np.exp(-2 * (u * u + v * v))
                mixed[r, c, 0] += weight * colors[n, 0]
                mixed[r, c, 1] += weight * colors[n, 1]
                mixed[r, c, 2] += weight * colors[n, 2]
                mixed[r, c, 3] += weight * distance
                mixed[r, c, 4] += weight


@njit(cache=True, error_model="numpy")
@no_type_check
def _box(column, row, wide, high, width, height):
    """Pixels whose centres lie in a box, at least the one in which its middle lies."""
    first_row = min(int(np.ceil(row - high - 0.5)), int(row))
    last_row = max(int(np.floor(row + high - 0.5)), int(row)) + 1
    first_column = min(int(np.ceil(column - wide - 0.5)), int(column))
    last_column = max(int(np.floor(column + wide - 0.5)), int(column)) + 1
    return max(first_row, 0), min(last_row, height), max(first_column, 0), min(last_column, width)
