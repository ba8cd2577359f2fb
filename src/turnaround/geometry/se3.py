"""Rigid motions as 4x4 matrices named `a_from_b`: `a_from_b @ b_from_c` is `a_from_c`."""

import torch
from jaxtyping import Float
from torch import Tensor


def invert(a_from_b: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """b_from_a of a rigid motion."""
    rotation = a_from_b[..., :3, :3].transpose(-1, -2)
    return rigid(rotation, -(rotation @ a_from_b[..., :3, 3:]).squeeze(-1))


def rigid(rotation: Float[Tensor, "*batch 3 3"], translation: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 4 4"]:
    """The motion p -> rotation @ p + translation."""
    top = torch.cat([rotation, translation.unsqueeze(-1)], dim=-1)
    bottom = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=top.dtype, device=top.device).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, bottom], dim=-2)


def transform(
    a_from_b: Float[Tensor, "*batch 4 4"], points: Float[Tensor, "*batch n 3"]
) -> Float[Tensor, "*batch n 3"]:
    """Points of frame b in frame a."""
    return points @ a_from_b[..., :3, :3].transpose(-1, -2) + a_from_b[..., None, :3, 3]


def rotation_about(axis: Float[Tensor, "*batch 3"], angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation by `angle` radians about `axis` (any length but zero), right-handed (Rodrigues' formula)."""
    x, y, z = torch.nn.functional.normalize(axis, dim=-1).unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    identity = torch.eye(3, dtype=axis.dtype, device=axis.device)
    sine, cosine = angle.sin()[..., None, None], angle.cos()[..., None, None]
    return identity + sine * cross + (1 - cosine) * (cross @ cross)


def look_at(
    eye: Float[Tensor, "*batch 3"], target: Float[Tensor, "*batch 3"], up: Float[Tensor, "3"]
) -> Float[Tensor, "*batch 4 4"]:
    """world_from_cam of a camera at `eye` that looks at `target`; its y axis points away from `up`.

    `up` must not be parallel to the line of sight.
    """
    forward = torch.nn.functional.normalize(target - eye, dim=-1)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, up.expand_as(forward)), dim=-1)
    down = torch.linalg.cross(forward, right)
    return rigid(torch.stack([right, down, forward], dim=-1), eye)
