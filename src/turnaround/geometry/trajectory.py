"""How far a found camera path is from the true one."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """p -> scale * rotation @ p + translation."""

    scale: float
    rotation: Float[Tensor, "3 3"]
    translation: Float[Tensor, "3"]

    def __call__(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        return self.scale * (points @ self.rotation.T) + self.translation


Alignment = Callable[[Float[Tensor, "n 3"], Float[Tensor, "n 3"]], Similarity]


def similarity_alignment(points: Float[Tensor, "n 3"], truth: Float[Tensor, "n 3"]) -> Similarity:
    """Least squares (Umeyama, TPAMI 1991, equations 40 to 42). The scale is 1 where all points are one."""
    rotation, spread = _rotation(points, truth)
    away = points - points.mean(0)
    across = float(away.square().sum())
    scale = spread / across if across > 0 else 1.0
    return Similarity(scale=scale, rotation=rotation, translation=truth.mean(0) - scale * (rotation @ points.mean(0)))


def rigid_alignment(points: Float[Tensor, "n 3"], truth: Float[Tensor, "n 3"]) -> Similarity:
    """Least squares, at scale 1: the error of a path whose unit is known."""
    rotation, _ = _rotation(points, truth)
    return Similarity(scale=1.0, rotation=rotation, translation=truth.mean(0) - rotation @ points.mean(0))


def trajectory_error(found: Float[Tensor, "t 4 4"], truth: Float[Tensor, "t 4 4"], align: Alignment) -> float:
    """Absolute trajectory error: root mean square distance between camera centres once the path is aligned.

    found, truth: world_from_cam, each in its own world.
    """
    centres, true = found[:, :3, 3].double(), truth[:, :3, 3].double()
    return float((align(centres, true)(centres) - true).square().sum(1).mean().sqrt())


def path_length(world_from_cam: Float[Tensor, "t 4 4"]) -> float:
    """Of the line through the camera centres, in the unit of the poses."""
    return float(world_from_cam[:, :3, 3].double().diff(dim=0).norm(dim=1).sum())


def rotation_error_deg(
    found: Float[Tensor, "*batch 3 3"], truth: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch"]:
    """Degrees of the turn between both. By |A - B| = 2 sqrt(2) sin(angle / 2), which tells small angles better than
    the trace does."""
    chord = (found.double() - truth.double()).flatten(-2).norm(dim=-1) / math.sqrt(8)
    return torch.rad2deg(2 * chord.clamp(max=1).asin())


def direction_error_deg(found: Float[Tensor, "*batch 3"], truth: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch"]:
    """Degrees between two vectors, of any length but zero."""
    a, b = (torch.nn.functional.normalize(each.double(), dim=-1) for each in (found, truth))
    return torch.rad2deg(2 * torch.atan2((a - b).norm(dim=-1), (a + b).norm(dim=-1)))


def _rotation(points: Float[Tensor, "n 3"], truth: Float[Tensor, "n 3"]) -> tuple[Float[Tensor, "3 3"], float]:
    """From points to truth about their means; and the sum of singular values that the scale follows from."""
    covariance = (truth - truth.mean(0)).T @ (points - points.mean(0))
    u, values, v = torch.linalg.svd(covariance)
    signs = torch.ones_like(values)
    if torch.linalg.det(u) * torch.linalg.det(v) < 0:
        signs[-1] = -1
    return u @ torch.diag(signs) @ v, float((values * signs).sum())
