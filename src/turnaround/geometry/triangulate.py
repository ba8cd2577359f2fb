"""Points from where two cameras see them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.projection import pinhole_rays, project
from turnaround.geometry.se3 import transform
from turnaround.types import Pinhole


@dataclass(frozen=True, kw_only=True)
class Triangulated:
    """depth: along the first camera's z, not positive behind it. error: pixels between where the point is seen and
    where it projects to, the larger of both cameras; infinite behind either. angle: radians between both rays."""

    depth: Float[Tensor, "n"]
    error: Float[Tensor, "n"]
    angle: Float[Tensor, "n"]


def triangulate(
    first: Float[Tensor, "n 2"], second: Float[Tensor, "n 2"], camera: Pinhole, other: Pinhole
) -> Triangulated:
    """The middle of the shortest line between both rays. first, second: pixels in `camera` and `other`, of one frame.

    Rays that are parallel meet nowhere: angle 0, and an error that says nothing.
    """
    eyes, ways = zip(*(_world_rays(p.double(), c) for p, c in ((first, camera), (second, other))), strict=True)
    between = eyes[1] - eyes[0]
    a, b = ways
    cosine = (a * b).sum(1)
    along_a, along_b = a @ between, b @ between
    apart = (1 - cosine.square()).clamp(min=1e-18)
    near_a, near_b = (along_a - cosine * along_b) / apart, (cosine * along_a - along_b) / apart
    points = ((eyes[0] + near_a[:, None] * a) + (eyes[1] + near_b[:, None] * b)) / 2
    seen = [project(points[None], c) for c in (camera, other)]
    errors = [
        torch.where(z[0] > 0, (pixels[0] - p).norm(dim=1), torch.inf)
        for (pixels, z), p in zip(seen, (first, second), strict=True)
    ]
    return Triangulated(
        depth=seen[0][1][0],
        error=torch.maximum(*errors),
        angle=torch.linalg.cross(a, b).norm(dim=1).clamp(max=1).asin(),
    )


def _world_rays(pixels: Float[Tensor, "n 2"], camera: Pinhole) -> tuple[Float[Tensor, "3"], Float[Tensor, "n 3"]]:
    """Where they start, and their directions of length 1."""
    pose = camera.world_from_cam[0].to(pixels)
    rays = pinhole_rays(pixels, camera.intrinsics[0].to(pixels))
    turned = transform(pose, rays) - pose[:3, 3]
    return pose[:3, 3], torch.nn.functional.normalize(turned, dim=1)
