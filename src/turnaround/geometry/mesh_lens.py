"""Which triangle of a mesh a pixel or a ray meets, and where: no loop over triangles, pixels or rays."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from turnaround.types import InputError, MeshLens

CELLS = 64  # of the grid in which triangles are looked up, along each axis
MOST_ENTRIES = 2**24  # of triangles in cells, so that memory is bounded
BAND = 2**16  # places handled at once, likewise
INSIDE = 1e-9  # of a triangle: how far below 0 its weights may be, so that none falls between two


def mesh_rays(lens: MeshLens, pixels: Float[Tensor, "n 2"]) -> Float[Tensor, "n 3"]:
    """Unit rays of pixels; NaN outside the mesh."""
    corners = lens.pixels.double()
    size = torch.tensor([lens.width, lens.height], dtype=torch.float64, device=corners.device)
    around = torch.zeros(len(lens.triangles), 1, dtype=torch.float64, device=corners.device)
    cells = _Cells.of((corners / size)[lens.triangles], around)
    # (x, y, 1) is the same weighted sum of corners as (x, y), with weights that add up to 1
    weights = _Weights(_homogeneous(corners), lens.triangles, cells)
    found = weights.mix(_homogeneous(pixels.double()), pixels.double() / size, lens.points.double())
    return torch.nn.functional.normalize(found, dim=-1)


def mesh_pixels(lens: MeshLens, rays: Float[Tensor, "n 3"]) -> Float[Tensor, "n 2"]:
    """Pixels of rays of any length; NaN where the mesh shows nothing. The inverse of `mesh_rays`."""
    unit = torch.nn.functional.normalize(lens.points.double(), dim=-1)[lens.triangles]
    longest = (unit - unit.roll(1, dims=1)).norm(dim=-1).amax(1, keepdim=True)
    # the sphere bulges out of the box around three of its points, by less than this
    cells = _Cells.of(unit, longest.square() / 2)
    weights = _Weights(lens.points.double(), lens.triangles, cells)
    directions = torch.nn.functional.normalize(rays.double(), dim=-1)
    return weights.mix(directions, directions, lens.pixels.double())


@dataclass(frozen=True, kw_only=True)
class _Cells:
    """Which triangles may meet each cell of a grid over [low, low + CELLS * step]: `order` from a cell's start on."""

    low: Float[Tensor, "k"]
    step: Float[Tensor, "k"]
    starts: Int[Tensor, "n"]
    order: Int[Tensor, "m"]

    @classmethod
    def of(cls, corners: Float[Tensor, "m 3 k"], margin: Float[Tensor, "m 1"]) -> "_Cells":
        """margin: by how much a triangle may reach beyond the box around its corners."""
        least, most = corners.amin(1) - margin, corners.amax(1) + margin
        low = least.amin(0)
        step = ((most.amax(0) - low) / CELLS).clamp_min(1e-12)
        first, last = (((bound - low) / step).long().clamp(0, CELLS - 1) for bound in (least, most))
        extent = last - first + 1
        count = extent.prod(-1)
        if int(count.sum()) > MOST_ENTRIES:
            raise InputError(
                "mesh of a lens",
                expected="triangles that hardly overlap",
                found=f"{len(corners)} which are too large",
                fix="choose the view by stereo.view",
            )
        triangle = torch.repeat_interleave(torch.arange(len(corners), device=corners.device), count)
        rank = torch.arange(len(triangle), device=corners.device) - (count.cumsum(0) - count)[triangle]
        cell = torch.zeros_like(rank)
        for axis in range(corners.shape[-1]):
            cell = cell * CELLS + first[triangle, axis] + rank % extent[triangle, axis]
            rank = rank // extent[triangle, axis]
        order = cell.argsort(stable=True)
        starts = torch.zeros(CELLS ** corners.shape[-1] + 1, dtype=torch.long, device=corners.device)
        starts[1:] = torch.bincount(cell, minlength=len(starts) - 1).cumsum(0)
        return cls(low=low, step=step, starts=starts, order=triangle[order])

    def at(self, places: Float[Tensor, "n p"]) -> tuple[Int[Tensor, "n"], Int[Tensor, "n"]]:
        """Where in `order` the candidates of each place begin and end; none outside the grid."""
        index = ((places - self.low) / self.step).nan_to_num(-1.0)
        inside = ((index >= 0) & (index <= CELLS)).all(-1)
        cell = torch.zeros_like(inside, dtype=torch.long)
        for axis in range(places.shape[-1]):
            cell = cell * CELLS + index[:, axis].long().clamp(0, CELLS - 1)
        start = self.starts[cell]
        return start, torch.where(inside, self.starts[cell + 1], start)


class _Weights:
    """Of what vectors are sums of a triangle's three corners, with weights that are not negative."""

    def __init__(self, corners: Float[Tensor, "n 3"], triangles: Int[Tensor, "m 3"], cells: _Cells):
        columns = corners[triangles].transpose(-1, -2)
        flat = torch.linalg.det(columns).abs() < 1e-15  # seen edge on, or of no area: it shows nothing
        eye = torch.eye(3, dtype=columns.dtype, device=columns.device)
        self._inverse = torch.linalg.inv(torch.where(flat[:, None, None], eye, columns))
        self._inverse[flat] = torch.nan
        self._triangles, self._cells = triangles, cells

    def mix(
        self, vectors: Float[Tensor, "n 3"], places: Float[Tensor, "n p"], values: Float[Tensor, "v k"]
    ) -> Float[Tensor, "n k"]:
        """Values of the corners, mixed by the share that each has of a vector; NaN where there is no triangle."""
        parts = zip(vectors.split(BAND), places.split(BAND), strict=True)
        mixed = [self._mix(*part, values) for part in parts]
        return torch.cat(mixed) if mixed else vectors.new_zeros(0, values.shape[-1])

    def _mix(
        self, vectors: Float[Tensor, "n 3"], places: Float[Tensor, "n p"], values: Float[Tensor, "v k"]
    ) -> Float[Tensor, "n k"]:
        found = torch.full((len(vectors), values.shape[-1]), torch.nan, dtype=values.dtype, device=values.device)
        start, stop = self._cells.at(places)
        open_ones = torch.nonzero(start < stop)[:, 0]
        while len(open_ones):
            triangle = self._cells.order[start[open_ones]]
            weights = (self._inverse[triangle] @ vectors[open_ones, :, None])[..., 0]
            shares = weights / weights.sum(-1, keepdim=True)
            hit = (shares >= -INSIDE).all(-1) & (weights.sum(-1) > 0)
            corners = values[self._triangles[triangle[hit]]]
            found[open_ones[hit]] = (shares[hit, None, :] @ corners)[:, 0]
            start[open_ones] += 1
            open_ones = open_ones[~hit & (start[open_ones] < stop[open_ones])]
        return found


def _homogeneous(pixels: Float[Tensor, "n 2"]) -> Float[Tensor, "n 3"]:
    return torch.cat([pixels, torch.ones_like(pixels[:, :1])], dim=-1)
