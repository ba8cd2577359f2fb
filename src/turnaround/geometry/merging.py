"""Depth of new pixels made to fit what is known: its scale, its shift, and the space that was seen to be free."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d, pad

from turnaround.geometry.align import fit_disparity_affine
from turnaround.geometry.holes import distance_into, fill_from_behind, fill_holes
from turnaround.geometry.projection import in_image, project, unproject
from turnaround.types import Pinhole, View

QUANTILES = (0.1, 0.9)  # of known inverse depth: outliers lie at both ends
SMALLEST = 16  # known pixels that a scale and a shift are fitted to
MOST_CORRECTION = 1.5  # factor, of the smooth map


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """inverse_depth: 1 / metres, of all pixels; known ones are what was known. residual: the median relative error of
    the fit on known pixels, before the smooth map; infinite where there was nothing to fit to."""

    inverse_depth: Float[Tensor, "h w"]
    residual: float


def fit_to_known(
    disparity: Float[Tensor, "h w"], known: Float[Tensor, "h w"], mask: Bool[Tensor, "h w"], *, least: float
) -> Fitted:
    """An estimate made to continue what is known (after GEN3C, arXiv 2503.03751, code).

    disparity: an estimate up to scale and shift. known: inverse depth where `mask` is. The scale and the shift come
    from known pixels between two quantiles; then a smooth map of factors takes known pixels to what is known, and
    spreads into the rest. least: inverse depth of what is farthest.
    """
    wanted = known[mask].double()
    if len(wanted) < SMALLEST:
        return Fitted(inverse_depth=torch.where(mask, known, least), residual=float("inf"))
    low, high = _quantiles(wanted)
    inner = mask & (known >= low) & (known <= high)
    scale, shift = fit_disparity_affine(disparity[None], 1 / known[None].double(), inner[None])
    # an estimate that runs against what is known, or knows no relief, says nothing of the rest
    scale, shift = (scale, shift) if scale > 0 else (0.0, float(wanted.median()))
    fitted = (scale * disparity.double() + shift).clamp(min=least)
    relative = (fitted[mask] - wanted).abs() / wanted
    factors = torch.where(mask, (known.double() / fitted).clamp(1 / MOST_CORRECTION, MOST_CORRECTION), 0.0).log()
    smooth = fill_holes(torch.where(mask, factors, 0.0)[None, None].float(), mask[None, None])[0, 0].double().exp()
    result = torch.where(mask, known.double(), (fitted * smooth).clamp(min=least)).to(known)
    return Fitted(inverse_depth=result, residual=float(relative.median()))


def join_surroundings(
    known: Float[Tensor, "h w"], mask: Bool[Tensor, "h w"], around: Float[Tensor, "h w"], fade: float
) -> Float[Tensor, "h w"]:
    """Inverse depth of a view of which `mask` is known: the rest goes on as the farther of what is beside it, and over
    `fade` pixels becomes half what lies around.

    known, around: inverse depth in the same unit.
    """
    if not mask.any():
        return around
    largest = known[mask].amax()
    picture = torch.cat([torch.zeros(3, *known.shape), (known / largest)[None]])
    behind = fill_from_behind(picture[None, None], ~mask[None, None])[0, 0, 3] * largest
    near = 0.5 ** (distance_into(~mask) / fade)
    return torch.where(mask, known, torch.lerp(around, torch.minimum(behind, around.amax()), near))


def out_of_free_space(
    depth: Float[Tensor, "h w"],
    camera: Pinhole,
    views: Sequence[View],
    *,
    tolerance: float,
    factors: Sequence[float],
    reach: int,
) -> tuple[Float[Tensor, "h w"], Bool[Tensor, "h w"]]:
    """Depth moved back where it stood in space that a view has seen to be free, and where that did not help.

    A point stands in free space where a view shows something that is farther by more than the share `tolerance`. Of
    `factors`, rising from 1, each point needs the first with which it stands in none, or the last. Points move by the
    largest that is needed within `reach` pixels, smoothed, so that a surface moves as a whole. NaN stays.
    """
    needed, open_ = torch.ones_like(depth), torch.ones_like(depth, dtype=torch.bool)
    for factor in factors:
        needed = torch.where(open_, factor, needed)
        open_ = open_ & in_free_space(depth * needed, camera, views, tolerance=tolerance)
        if not open_.any():
            break
    size = 2 * reach + 1
    grown = max_pool2d(needed[None, None], size, stride=1, padding=reach)
    smooth = avg_pool2d(pad(grown, (reach,) * 4, mode="replicate"), size, stride=1)[0, 0]
    moved = depth * torch.maximum(smooth, needed)
    return moved, in_free_space(moved, camera, views, tolerance=tolerance)


def in_free_space(
    depth: Float[Tensor, "h w"], camera: Pinhole, views: Sequence[View], *, tolerance: float
) -> Bool[Tensor, "h w"]:
    """Whether a point would hide from a view what it shows. depth: metres, NaN where there is no point."""
    points = unproject(depth[None], camera).flatten(1, 2)
    free = torch.zeros_like(depth, dtype=torch.bool)
    for view in views:
        pixels, z = (values[0].unflatten(0, depth.shape) for values in project(points, view.camera))
        inside = in_image(pixels, *view.depth.shape) & (z > 0)
        column, row = torch.where(inside[..., None], pixels, 0).long().unbind(-1)
        free |= inside & (z * (1 + tolerance) < view.depth[row, column])
    return free


def _quantiles(values: Float[Tensor, "n"]) -> tuple[float, float]:
    stepped = values[:: max(len(values) // 2**20, 1)]
    low, high = torch.quantile(stepped, stepped.new_tensor(QUANTILES)).tolist()
    return low, high
