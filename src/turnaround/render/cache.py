"""What a camera sees of a scene cache: all its key views, warped and tested for depth against each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import no_type_check

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from numba import njit
from torch import Tensor

from turnaround.geometry.visibility import hull_of, may_show
from turnaround.render.elements import Edges
from turnaround.render.engine import forward_splat
from turnaround.types import KeyView, Pinhole, Provenance, Rendering, SceneCache, Warped


@dataclass(frozen=True, kw_only=True)
class Surfaces:
    """edges: which neighbouring pixels of a view show one surface. tolerance: two depths at one place are one surface
    where they differ by at most this share. A warped pixel is left out, for it is what is left of a surface that was
    seen too obliquely, where fewer than `company` of its eight neighbours are at its depth, or its view shows less than
    the share `density` of the square around it that reaches as far as the share `window` of the picture's shorter side.
    """

    edges: Edges
    tolerance: float
    company: int
    window: float
    density: float


def render(cache: SceneCache, camera: Pinhole, surfaces: Surfaces) -> Rendering:
    """At each pixel the nearest surface; of key views that show it, the one of the lowest step.

    A key view whose camera it is shows all its pixels as they are, whatever others hold before them: it saw that there
    is nothing.
    """
    views = in_sight(cache, camera, surfaces.edges)
    own = _own(cache.views, views, camera)
    warped = [forward_splat(view.view, camera, edges=surfaces.edges) for view in views]
    depth = torch.stack([torch.where(each.hole, torch.inf, each.depth) for each in warped])
    lonely = torch.from_numpy(_lonely(depth.numpy(), np.float32(surfaces.tolerance), surfaces.company))
    lonely |= _density(depth < torch.inf, round(surfaces.window * min(depth.shape[1:]))) < surfaces.density
    if own is not None:
        lonely[own] = False
    depth = depth.masked_fill(lonely, torch.inf)
    front = depth.amin(dim=0)
    shown = (depth <= front * (1 + surfaces.tolerance)) & (depth < torch.inf)
    if own is not None:
        shown = torch.where(warped[own].hole, shown, _only(own, shown))
    chosen = shown.byte().argmax(dim=0)  # the first
    return _picked(views, warped, chosen, ~shown.any(dim=0), camera)


@njit(cache=True)
@no_type_check
def _lonely(depth, tolerance, company):
    """[n h w]: where a pixel has fewer than `company` of the eight around it at its depth; what lies over the edge of
    the picture counts, infinite depths have none."""
    count, height, width = depth.shape
    found = np.ones(depth.shape, np.bool_)
    for view in range(count):
        for row in range(height):
            for column in range(width):
                here, alike = depth[view, row, column], 0
                if not here < np.inf:
                    found[view, row, column] = company > 0
                    continue
                for down in range(-1, 2):
                    for right in range(-1, 2):
                        beside = depth[
                            view, min(max(row + down, 0), height - 1), min(max(column + right, 0), width - 1)
                        ]
                        alike += abs(beside - here) <= tolerance * here
                found[view, row, column] = alike - 1 < company  # itself was counted
    return found


def _density(shown: Bool[Tensor, "n h w"], reach: int) -> Float[Tensor, "n h w"]:
    """The share that is shown of the square around each pixel; over the edge of the picture it goes on as at it."""
    size = (2 * reach + 1, 2 * reach + 1)
    maps = [cv2.blur(each, size, borderType=cv2.BORDER_REPLICATE) for each in shown.float().numpy()]
    return torch.from_numpy(np.stack(maps))


def in_sight(cache: SceneCache, camera: Pinhole, edges: Edges) -> Sequence[KeyView]:
    """The key views that a camera may see something of, in order; the first of all where there is none."""
    ordered = cache.ordered
    return [view for view in ordered if is_in_sight(view, camera, edges)] or ordered[:1]


def is_in_sight(view: KeyView, camera: Pinhole, edges: Edges) -> bool:
    """False only where no pixel of the view can cover one of the camera's picture: they reach half of `edges.stretch`
    beyond where they lie."""
    hull = hull_of(view.view.depth, view.view.camera)
    return len(hull) > 0 and may_show(camera, hull, margin=edges.stretch)


def _own(visible: Sequence[KeyView], views: Sequence[KeyView], camera: Pinhole) -> int | None:
    """The first key view with this very camera."""
    for number, view in enumerate(views):
        if any(view is one for one in visible) and same_camera(view.view.camera, camera):
            return number
    return None


def same_camera(one: Pinhole, other: Pinhole) -> bool:
    """Bit for bit; of one frame."""
    return (
        torch.equal(one.world_from_cam, other.world_from_cam)
        and torch.equal(one.intrinsics, other.intrinsics)
        and (one.height, one.width) == (other.height, other.width)
    )


def _only(number: int, shown: Tensor) -> Tensor:
    alone = torch.zeros_like(shown)
    alone[number] = True
    return alone


def _picked(
    views: Sequence[KeyView], warped: Sequence[Warped], chosen: Tensor, hole: Tensor, camera: Pinhole
) -> Rendering:
    shown = Rendering(
        image=torch.zeros(3, *hole.shape),
        depth=torch.full(hole.shape, torch.nan),
        hole=hole,
        label=torch.full(hole.shape, int(Provenance.GENERATED), dtype=torch.uint8),
        confidence=torch.zeros(hole.shape),
        step=torch.full(hole.shape, -1),
        camera=camera,
    )
    flat = chosen.masked_fill(hole, len(views)).flatten()
    order = flat.argsort(stable=True)
    parts = order.split(torch.bincount(flat, minlength=len(views) + 1).tolist())
    for view, each, here in zip(views, warped, parts[:-1], strict=True):
        source = each.source.flatten()[here]
        shown.image.view(3, -1)[:, here] = each.image.flatten(1)[:, here]
        shown.depth.view(-1)[here] = each.depth.flatten()[here]
        shown.label.view(-1)[here] = view.label.flatten()[source]
        shown.confidence.view(-1)[here] = view.confidence.flatten()[source]
        shown.step.view(-1)[here] = view.step
    return shown
