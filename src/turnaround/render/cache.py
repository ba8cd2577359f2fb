"""What a camera sees of a scene cache: all its key views, warped and tested for depth against each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from turnaround.render.elements import Edges, is_known, pixel_map, positions
from turnaround.render.engine import forward_splat
from turnaround.types import KeyView, Pinhole, Provenance, Rendering, SceneCache, Warped

STRIDE = 8  # pixels of the grid by which views that a camera cannot see are told


@dataclass(frozen=True, kw_only=True)
class Surfaces:
    """edges: which neighbouring pixels of a view show one surface. tolerance: two depths at one place are one surface
    where they differ by at most this share. A warped pixel is left out, for it is what is left of a surface that was
    seen too obliquely, where fewer than `company` of its eight neighbours are at its depth, or its view shows less than
    the share `density` of the square of pixels that reaches `window` pixels around it."""

    edges: Edges
    tolerance: float
    company: int
    window: int
    density: float


def render(cache: SceneCache, camera: Pinhole, surfaces: Surfaces) -> Rendering:
    """At each pixel the nearest surface; of key views that show it, the one of the lowest step.

    A key view whose camera it is shows all its pixels as they are, whatever others hold before them: it saw that there
    is nothing.
    """
    views = [view for view in cache.ordered if is_in_sight(view, camera)] or cache.ordered[:1]
    own = _own(cache.views, views, camera)
    warped = [forward_splat(view.view, camera, edges=surfaces.edges) for view in views]
    depth = torch.stack([torch.where(each.hole, torch.inf, each.depth) for each in warped])
    lonely = _neighbours(depth, surfaces.tolerance) < surfaces.company
    lonely |= _density(depth < torch.inf, surfaces.window) < surfaces.density
    if own is not None:
        lonely[own] = False
    depth = depth.masked_fill(lonely, torch.inf)
    front = depth.amin(dim=0)
    shown = (depth <= front * (1 + surfaces.tolerance)) & (depth < torch.inf)
    if own is not None:
        shown = torch.where(warped[own].hole, shown, _only(own, shown))
    chosen = shown.byte().argmax(dim=0)  # the first
    return _picked(views, warped, chosen, ~shown.any(dim=0), camera)


def _neighbours(depth: Float[Tensor, "n h w"], tolerance: float) -> Int[Tensor, "n h w"]:
    """Of the eight around each pixel those at its depth; what lies over the edge of the picture counts."""
    height, width = depth.shape[-2:]
    wide = pad(depth[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    count = torch.zeros_like(depth, dtype=torch.int64)
    for row, column in product(range(3), range(3)):
        if (row, column) != (1, 1):
            beside = wide[:, row : row + height, column : column + width]
            count += (beside - depth).abs() <= tolerance * depth  # infinite depths have none
    return count


def _density(shown: Bool[Tensor, "n h w"], reach: int) -> Float[Tensor, "n h w"]:
    """The share that is shown of the square around each pixel; over the edge of the picture it goes on as at it."""
    size = (2 * reach + 1, 2 * reach + 1)
    maps = [cv2.blur(each, size, borderType=cv2.BORDER_REPLICATE) for each in shown.float().numpy()]
    return torch.from_numpy(np.stack(maps))


def is_in_sight(view: KeyView, camera: Pinhole) -> bool:
    """Whether some of a grid of the view's pixels lie in the camera's picture, or as far beside it as it is wide."""
    known = is_known(view.view.depth[::STRIDE, ::STRIDE])
    if not known.any():
        return bool(is_known(view.view.depth).any())
    matrix = pixel_map(view.view.camera, camera)
    u, v, z = (each[::STRIDE, ::STRIDE] for each in positions(view.view.depth.double(), matrix))
    inside = (u > -camera.width) & (u < 2 * camera.width) & (v > -camera.height) & (v < 2 * camera.height)
    return bool((known & inside & (z > 0)).any())


def _own(visible: Sequence[KeyView], views: Sequence[KeyView], camera: Pinhole) -> int | None:
    """The first key view with this very camera."""
    for number, view in enumerate(views):
        same = view.view.camera
        if (
            any(view is one for one in visible)
            and torch.equal(same.world_from_cam, camera.world_from_cam)
            and torch.equal(same.intrinsics, camera.intrinsics)
            and (same.height, same.width) == (camera.height, camera.width)
        ):
            return number
    return None


def _only(number: int, shown: Tensor) -> Tensor:
    alone = torch.zeros_like(shown)
    alone[number] = True
    return alone


def _picked(
    views: Sequence[KeyView], warped: Sequence[Warped], chosen: Tensor, hole: Tensor, camera: Pinhole
) -> Rendering:
    def pick(values: Sequence[Tensor]) -> Tensor:
        stacked = torch.stack(list(values))
        index = chosen.expand_as(stacked[0]) if stacked[0].ndim == 2 else chosen[None].expand_as(stacked[0])
        return stacked.gather(0, index[None])[0]

    def of_source(values: Sequence[Tensor]) -> Tensor:
        """What the key views hold at the pixel that each pixel came from."""
        return pick([value.flatten()[each.source.clamp(min=0)] for value, each in zip(values, warped, strict=True)])

    steps = torch.tensor([view.step for view in views])
    return Rendering(
        image=pick([each.image for each in warped]).masked_fill(hole, 0.0),
        depth=pick([each.depth for each in warped]).masked_fill(hole, torch.nan),
        hole=hole,
        label=of_source([view.label for view in views]).masked_fill(hole, int(Provenance.GENERATED)),
        confidence=of_source([view.confidence for view in views]).masked_fill(hole, 0.0),
        step=steps[chosen].masked_fill(hole, -1),
        camera=camera,
    )
