"""Casting rays into a set of solids: the nearest hit, and whether points see each other.

Vectors are laid out as [3, rays] (see `shapes`). World frame, metres.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from turnaround.render.shapes import NEAR, Rays, Shape, bounding_radius, intersect, outward


@dataclass(frozen=True, kw_only=True)
class Solid:
    """A shape at a place: `rotation` is world_from_object, `position` the object's origin in the world."""

    shape: Shape
    size: Float[Tensor, "3"]
    rotation: Float[Tensor, "3 3"]
    position: Float[Tensor, "3"]

    def to(self, dtype: torch.dtype) -> "Solid":
        return Solid(
            shape=self.shape,
            size=self.size.to(dtype),
            rotation=self.rotation.to(dtype),
            position=self.position.to(dtype),
        )

    def local(self, vectors: Rays) -> Rays:
        """World directions in the object's frame. Written out: a matrix product's rounding depends on threads."""
        r = self.rotation
        return torch.stack([r[0, i] * vectors[0] + r[1, i] * vectors[1] + r[2, i] * vectors[2] for i in range(3)])

    def world(self, vectors: Rays) -> Rays:
        """Object directions in the world frame."""
        r = self.rotation
        return torch.stack([r[i, 0] * vectors[0] + r[i, 1] * vectors[1] + r[i, 2] * vectors[2] for i in range(3)])


@dataclass(frozen=True, kw_only=True)
class Hits:
    """The nearest hits. t: in units of the ray's direction, infinite without a hit. index: of the solid, -1 without."""

    t: Float[Tensor, " r"]
    index: Int[Tensor, " r"]


def cast(solids: Sequence[Solid], origin: Rays, direction: Float[Tensor, "3 r"]) -> Hits:
    """The first solid that each ray meets."""
    rays = direction.shape[1]
    nearest = torch.full((rays,), torch.inf, dtype=direction.dtype)
    index = torch.full((rays,), -1, dtype=torch.int64)
    for number, solid in enumerate(solids):
        near = _candidates(solid, origin, direction)
        if near is None:
            t = _intersect(solid, origin, direction)
            closer = t < nearest
            nearest = torch.where(closer, t, nearest)
            index.masked_fill_(closer, number)
        elif len(near):
            t = _intersect(solid, _select(origin, near), direction[:, near])
            closer = t < nearest[near]
            nearest[near[closer]] = t[closer]
            index[near[closer]] = number
    return Hits(t=nearest, index=index)


def sees(solids: Sequence[Solid], start: Rays, end: Rays, *, margin: float = 1e-6) -> Bool[Tensor, " r"]:
    """Whether nothing stands between the points, except within `margin` (a share of the way) of the end.

    Shells are seen through nothing but themselves, and hide nothing that lies inside them: they are tested as well,
    so that a point behind a wall or under the ground is not seen.
    """
    way = end - start
    distance = (way * way).sum(dim=0).sqrt()
    direction, limit = way / distance, distance * (1 - margin)  # of length 1: NEAR is in metres
    blocked = torch.zeros(way.shape[1], dtype=torch.bool)
    for solid in solids:
        near = _candidates(solid, start, direction)
        if near is None:
            blocked |= _intersect(solid, start, direction) < limit
        elif len(near):
            near = near[~blocked[near]]
            blocked[near] |= _intersect(solid, _select(start, near), direction[:, near]) < limit[near]
    return ~blocked


def normals(solids: Sequence[Solid], hits: Hits, points: Float[Tensor, "3 r"]) -> Float[Tensor, "3 r"]:
    """World normals at the hit points, towards the viewer's side; 0 without a hit."""
    result = torch.zeros_like(points)
    for number, solid in enumerate(solids):
        here = (hits.index == number).nonzero().squeeze(1)
        if len(here):
            local = solid.local(points[:, here] - solid.position[:, None])
            result[:, here] = solid.world(outward(solid.shape, solid.size, local))
    return result


def _intersect(solid: Solid, origin: Rays, direction: Rays) -> Float[Tensor, " r"]:
    local_origin = solid.local(origin - solid.position[:, None])
    return intersect(solid.shape, solid.size, local_origin, solid.local(direction))


def _candidates(solid: Solid, origin: Rays, direction: Float[Tensor, "3 r"]) -> Int[Tensor, " c"] | None:
    """Rays that come near the solid's bounding sphere, or None where all do (a shell)."""
    if solid.shape.is_shell:
        return None
    radius = bounding_radius(solid.shape, solid.size) * (1 + NEAR)
    to_centre = solid.position[:, None] - origin
    along = (to_centre * direction).sum(dim=0)
    squared = (to_centre * to_centre).sum(dim=0)
    # |to_centre|^2 - along^2 / |d|^2 <= radius^2, and the sphere not wholly behind
    near = (squared - radius * radius) * (direction * direction).sum(dim=0) <= along * along
    near &= (along > 0) | (squared <= radius * radius)
    return near.nonzero().squeeze(1)


def _select(vectors: Rays, index: Int[Tensor, " c"]) -> Float[Tensor, "3 #c"]:
    return vectors if vectors.shape[1] == 1 else vectors[:, index]
