"""Views looked up from other cameras, and sent there and back, for holes of real warps from one view.

`double_reprojection` is TrajectoryCrafter's (arXiv 2503.05638) and GEN3C's (arXiv 2503.03751), `warp_back` AdaMPI's
(arXiv 2205.11733), and the test of areas in `backward_warp` DreamStereo's (arXiv 2604.12270).
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from turnaround.render.elements import NEAR, Edges, is_known, pixel_map, positions, require_sound, snap, warped
from turnaround.render.engine import forward_splat
from turnaround.types import InputError, Pinhole, View, Warped


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """What is believed of a view when it is looked up from another camera.

    least_area: the smallest area of the view, relative to that of a surface that faces both cameras at the same
    distances, from which a pixel may come; below it the view is stretched over what it does not see. depth_tolerance:
    the share by which the view's own depth may be nearer than the point that is looked up before it hides it.
    """

    least_area: float
    depth_tolerance: float


def backward_warp(view: View, camera: Pinhole, depth: Float[Tensor, "h w"], *, lookup: Lookup) -> Warped:
    """What `camera` sees, given its depth (NaN unknown): each of its pixels looks its point up in the view.

    A hole is where that depth is unknown, where the point leaves the view, where the view's depth at the nearest
    pixel is unknown or hides the point, and where the view is stretched (`Lookup.least_area`). Colours are bilinear
    among the pixels whose depth agrees. Gradients flow to the image.
    """
    require_sound(view, camera)
    if tuple(depth.shape) != (camera.height, camera.width):
        size = (camera.height, camera.width)
        raise InputError("depth", expected=f"{size}, as the camera", found=f"{tuple(depth.shape)}", fix="resize it")
    height, width = view.depth.shape
    with torch.no_grad():
        known = is_known(depth)
        matrix = pixel_map(camera, view.camera)
        z_here = torch.where(known, depth, 1.0).double()
        *at, z = positions(z_here, matrix)
        at = snap(torch.stack(at))
        inside = known & (z > NEAR) & (at >= 0).all(dim=0) & (at[0] < width) & (at[1] < height)
        inside &= _area(at, z_here, known, z, matrix) >= lookup.least_area
        target = inside.flatten().nonzero().squeeze(1)
        at, z = at.flatten(1)[:, target], z.flatten()[target]
        taps, weights, visible = _taps(view.depth, at, z, lookup.depth_tolerance)
        target, taps, weights = target[visible], taps[:, visible], weights[:, visible]
    image = (view.image.flatten(1)[:, taps] * weights.to(view.image)).sum(dim=1)
    return warped(camera, target, image, depth.detach().flatten()[target], taps[0])


def double_reprojection(view: View, camera: Pinhole, *, edges: Edges, lookup: Lookup) -> Warped:
    """What of the view survives being splatted to `camera` and looked up again with the view's own depth.

    Aligned with the view: where it is known, its depth is the view's own.
    """
    there = forward_splat(view, camera, edges=edges)
    back = backward_warp(_as_view(there, camera), view.camera, view.depth, lookup=lookup)
    return _composed(back, there)


def warp_back(view: View, camera: Pinhole, *, edges: Edges) -> Warped:
    """The view splatted to `camera`, and what arrived there splatted back to the view's own camera."""
    there = forward_splat(view, camera, edges=edges)
    return _composed(forward_splat(_as_view(there, camera), view.camera, edges=edges), there)


def _as_view(there: Warped, camera: Pinhole) -> View:
    return View(image=there.image, depth=there.depth, camera=camera)


def _composed(back: Warped, there: Warped) -> Warped:
    """`back`, whose sources are pixels of `there`, with the pixels of the view that those came from."""
    return replace(back, source=torch.where(back.hole, -1, there.source.flatten()[back.source.clamp(min=0)]))


def _area(
    at: Float[Tensor, "2 h w"],
    depth: Float[Tensor, "h w"],
    known: Bool[Tensor, "h w"],
    z: Float[Tensor, "h w"],
    matrix: Float[Tensor, "3 4"],
) -> Float[Tensor, "h w"]:
    """Area of the view per pixel, relative to (focal / z of the view)^2 / (focal / z here)^2; negative if mirrored.

    Differences are to the neighbour of the more alike depth, so that edges do not count as stretched. The focal
    lengths' ratio is in `matrix`, whose left part has the determinant of K_view K^-1.
    """
    (xu, xv), (yu, yv) = _slope(at, depth, known), _slope(at.mT, depth.mT, known.mT).mT
    alike = torch.linalg.det(matrix[:, :3]).item() * (depth / z) ** 2
    return (xu * yv - xv * yu) / alike


def _slope(values: Float[Tensor, "c h w"], depth: Float[Tensor, "h w"], known: Bool[Tensor, "h w"]) -> Tensor:
    """The derivative [c h w] along rows, to the neighbour of the more alike depth; 0 where none is known."""
    step = values[:, :, 1:] - values[:, :, :-1]
    apart = (1 / depth[:, 1:] - 1 / depth[:, :-1]).abs()
    apart = torch.where(known[:, 1:] & known[:, :-1], apart, torch.inf)
    after, before = pad(apart, (0, 1), value=torch.inf), pad(apart, (1, 0), value=torch.inf)
    steps = torch.where(after <= before, pad(step, (0, 1)), pad(step, (1, 0)))
    return torch.where(torch.minimum(after, before) < torch.inf, steps, 0.0)


def _taps(
    depth: Float[Tensor, "h w"], at: Float[Tensor, "2 n"], z: Float[Tensor, " n"], tolerance: float
) -> tuple[Int[Tensor, "5 n"], Float[Tensor, "5 n"], Bool[Tensor, " n"]]:
    """The nearest pixel of a picture and the 2 x 2 around positions, their bilinear weights, and what is visible.

    A pixel's surface goes on as its 1 / z does, which is linear over the picture of a plane. Where that of the nearest
    one is in front of z, the position is hidden; pixels whose surfaces do not agree with z weigh 0, the nearest aside.
    """
    height, width = depth.shape
    known = is_known(depth)
    metres = torch.where(known, depth, 1.0).double()
    inverse = 1 / metres
    slopes = torch.stack([_slope(inverse[None], metres, known)[0], _slope(inverse.mT[None], metres.mT, known.mT)[0].mT])
    low = (at - 0.5).floor()
    columns = torch.stack([at[0].floor(), low[0], low[0] + 1, low[0], low[0] + 1]).long().clamp(0, width - 1)
    rows = torch.stack([at[1].floor(), low[1], low[1], low[1] + 1, low[1] + 1]).long().clamp(0, height - 1)
    taps = rows * width + columns
    off = at[:, None] - 0.5 - torch.stack([columns, rows])
    surface = inverse.flatten()[taps] + (slopes.flatten(1)[:, taps] * off).sum(dim=0)
    visible = known.flatten()[taps[0]] & (surface[0] * (1 - tolerance) <= 1 / z)
    agrees = known.flatten()[taps] & ((surface * z - 1).abs() <= tolerance) | (taps == taps[0])
    share = at - 0.5 - low
    across = torch.stack([torch.zeros_like(z), 1 - share[0], share[0], 1 - share[0], share[0]])
    along = torch.stack([torch.zeros_like(z), 1 - share[1], 1 - share[1], share[1], share[1]])
    weights = across * along * agrees
    return taps, weights / weights.sum(dim=0), visible
