"""The pixels of a view as small surface elements, and the box that each covers in another camera's picture.

All of it is float64 and in the order that `fast_splat` repeats, so that both find the same boxes, bit for bit.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from turnaround.types import InputError, Pinhole, View, Warped

# Positions are rounded to 1 / GRID of a pixel: sums of them are exact, so that boxes tile, and disparities that were
# whole or half pixels are so again, whatever float32 made of the depth (an error of 1e-4 at a disparity of 2000).
GRID = 2.0**12
NEAR = 1e-6  # what lies less than this in front of the target camera is left out; units of the depth


@dataclass(frozen=True, kw_only=True)
class Edges:
    """When two neighbouring pixels show one surface, so that no gap opens between them.

    depth_ratio: their depths differ by less than this share of the larger. stretch: their positions in the target
    are at most this many pixels apart, along x and along y.
    """

    depth_ratio: float
    stretch: float


@dataclass(frozen=True, kw_only=True)
class Elements:
    """Each pixel of a view in the target picture; x first in pairs, pixels of the target.

    z: along the target's axis. known: depth is known and lies in front of the target. right, left, down, up: from the
    centre half-way to each neighbour, or as far as half a pixel that faces the view reaches where there is none on
    the same surface. link_x, link_y: whether a pixel and its right (lower) neighbour lie on one surface.
    """

    at: Float[Tensor, "2 h w"]
    z: Float[Tensor, "h w"]
    known: Bool[Tensor, "h w"]
    right: Float[Tensor, "2 h w"]
    left: Float[Tensor, "2 h w"]
    down: Float[Tensor, "2 h w"]
    up: Float[Tensor, "2 h w"]
    link_x: Bool[Tensor, "h w-1"]
    link_y: Bool[Tensor, "h-1 w"]


def require_sound(view: View, camera: Pinhole) -> None:
    """Refuses pictures, depths and cameras that do not belong together."""
    size = tuple(view.depth.shape)
    if tuple(view.image.shape[1:]) != size:
        raise InputError(
            "view", expected=f"an image of {size}", found=f"{tuple(view.image.shape[1:])}", fix="resize one of them"
        )
    if (view.camera.height, view.camera.width) != size:
        found = f"{(view.camera.height, view.camera.width)}"
        raise InputError("view.camera", expected=f"a camera of {size}", found=found, fix="scale its intrinsics")
    for name, each in (("view.camera", view.camera), ("camera", camera)):
        if len(each) != 1:
            raise InputError(name, expected="one frame", found=f"{len(each)}", fix="take one with .at(frame)")


def pixel_map(source: Pinhole, target: Pinhole) -> Float[Tensor, "3 4"]:
    """M: z (u, v, 1) = M[:, :3] (x, y, 1) depth + M[:, 3] of a pixel of `source` and its pixel in `target`; on the CPU.

    Poses are inverted as matrices: those kept in float32 are orthonormal to 1e-7 only, and a camera must map to itself.
    """
    poses = [camera.world_from_cam[0].detach().cpu().double() for camera in (source, target)]
    k_source, k_target = (camera.intrinsics[0].detach().cpu().double() for camera in (source, target))
    moved = (torch.linalg.inv(poses[1]) @ poses[0])[:3]
    return torch.cat([k_target @ moved[:, :3] @ torch.linalg.inv(k_source), k_target @ moved[:, 3:]], dim=1)


def positions(depth: Float[Tensor, "h w"], matrix: Float[Tensor, "3 4"]) -> tuple[Tensor, Tensor, Tensor]:
    """u, v and z [h w] of all pixels of a depth map in float64, not rounded; where z <= NEAR, u and v mean nothing."""
    height, width = depth.shape
    x = torch.arange(width, dtype=torch.float64, device=depth.device) + 0.5
    y = torch.arange(height, dtype=torch.float64, device=depth.device)[:, None] + 0.5
    a, b, c = ((m[0] * x + m[1] * y + m[2]) * depth + m[3] for m in matrix.tolist())
    safe = torch.where(c > NEAR, c, 1.0)  # so that no gradient is NaN
    return a / safe, b / safe, c


def snap(positions: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """To multiples of 1 / `GRID`."""
    return (positions * GRID).round() / GRID


def is_known(depth: Float[Tensor, "*batch"]) -> Bool[Tensor, "*batch"]:
    """Finite and positive."""
    return (depth > 0) & (depth < torch.inf)


def warped(
    camera: Pinhole,
    target: Int[Tensor, " n"],
    image: Float[Tensor, "c n"],
    depth: Float[Tensor, " n"],
    source: Int[Tensor, " n"],
) -> Warped:
    """What is known at the pixels `target` of a camera's picture; all others are holes."""
    size, pixels = (camera.height, camera.width), camera.height * camera.width
    sources = torch.full((pixels,), -1, dtype=torch.int64, device=source.device).index_put((target,), source)
    return Warped(
        image=image.new_zeros(len(image), pixels).index_copy(1, target, image).unflatten(1, size),
        depth=depth.new_full((pixels,), torch.nan).index_copy(0, target, depth).unflatten(0, size),
        hole=(sources < 0).unflatten(0, size),
        source=sources.unflatten(0, size),
    )


@torch.no_grad()
def elements(view: View, camera: Pinhole, edges: Edges) -> Elements:
    matrix = pixel_map(view.camera, camera)
    depth = torch.where(is_known(view.depth), view.depth, 1.0).double()
    u, v, z = positions(depth, matrix)
    known = is_known(view.depth) & (z > NEAR)
    at = snap(torch.stack([u, v]))
    reach_x, reach_y = (_facing(at, depth / z, matrix[:, axis].tolist(), edges.stretch) for axis in (0, 1))
    link_x, right, left = _halves(at, depth, known, reach_x, edges)
    link_y, down, up = (each.mT for each in _halves(at.mT, depth.mT, known.mT, reach_y.mT, edges))
    return Elements(at=at, z=z, known=known, right=right, left=left, down=down, up=up, link_x=link_x, link_y=link_y)


def _facing(at: Tensor, scale: Tensor, column: list[float], stretch: float) -> Tensor:
    """How far half a pixel [2 h w] of a surface of constant source depth reaches: half the derivative of u and v."""
    reach = torch.stack([0.5 * scale * (column[axis] - at[axis] * column[2]) for axis in (0, 1)])
    return snap(reach.clamp(-0.5 * stretch, 0.5 * stretch))


def _halves(at: Tensor, depth: Tensor, known: Tensor, facing: Tensor, edges: Edges) -> tuple[Tensor, Tensor, Tensor]:
    """Which pixels are linked with the next of their row, and half-way vectors to the next and to the one before.

    A surface that folds over at a pixel (both neighbours on one side of it) is cut on both sides there.
    """
    one, other = depth[:, :-1], depth[:, 1:]
    gap = at[:, :, 1:] - at[:, :, :-1]
    near = (one - other).abs() < edges.depth_ratio * torch.maximum(one, other)
    link = known[:, :-1] & known[:, 1:] & near & (gap.abs() <= edges.stretch).all(dim=0)
    ahead, behind = facing.clone(), -facing
    ahead[:, :, :-1] = torch.where(link, 0.5 * gap, ahead[:, :, :-1])
    behind[:, :, 1:] = torch.where(link, -0.5 * gap, behind[:, :, 1:])
    folds = ahead[0] * behind[0] + ahead[1] * behind[1] > 0
    return link, torch.where(folds, facing, ahead), torch.where(folds, -facing, behind)
