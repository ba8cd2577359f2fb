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


def rotation_from_quaternion(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Of Hamilton's quaternions (w, x, y, z), of any length but zero."""
    w, x, y, z = torch.nn.functional.normalize(quaternion, dim=-1).unbind(-1)
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def quaternion_from_rotation(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Hamilton's unit quaternion (w, x, y, z) with w >= 0.

    The matrix holds all products of two components. Each row of `products` is 4 times the quaternion times one of
    them; the one of the largest component loses no digits.
    """
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(-1) for row in rotation.unbind(-2))
    products = torch.stack(
        [
            *(1 + a + e + i, h - f, c - g, d - b),
            *(h - f, 1 + a - e - i, b + d, c + g),
            *(c - g, b + d, 1 - a + e - i, f + h),
            *(d - b, c + g, f + h, 1 - a - e + i),
        ],
        dim=-1,
    ).unflatten(-1, (4, 4))
    largest = products.diagonal(dim1=-2, dim2=-1).argmax(-1)
    row = torch.take_along_dim(products, largest[..., None, None], dim=-2).squeeze(-2)
    quaternion = torch.nn.functional.normalize(row, dim=-1)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def distance_to_rotation(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """The largest entry of |M Mᵀ - 1|: 0 of a rotation, infinite where M mirrors."""
    apart = matrix @ matrix.transpose(-1, -2) - torch.eye(3, dtype=matrix.dtype, device=matrix.device)
    return torch.where(torch.linalg.det(matrix) < 0, torch.inf, apart.abs().amax((-2, -1)))


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
