"""Filling what is not known, so that an encoder that sees whole pictures meets no edges that are not there."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d, pad

LEAST = 0.02  # disparity, of all that is farther
FILLINGS = 5
FAR = 4  # a pixel half as far as another counts for 2^-4 of it: the best of 4, 8 and 16 on clips of seeds 50000 on


def fill_holes(values: Float[Tensor, "b t h w"], known: Bool[Tensor, "b t h w"]) -> Float[Tensor, "b t h w"]:
    """Smooth maps that keep every known pixel bit for bit; what unknown pixels hold is never read.

    Push-pull (Gortler et al., The Lumigraph, SIGGRAPH 1996): blocks of 2, 4, 8, … pixels a side take the mean of their
    known pixels; from the coarsest down, a block without any takes the interpolation of those of twice its side. A
    frame of which nothing is known takes the filled one nearest in time, of two alike the earlier; a clip of which
    nothing is known is 0.
    """
    filled = _push_pull(torch.where(known, values, 0.0), known.to(values), _keep_known)
    nearest = _nearest_known_frame(known.flatten(2).any(dim=2))
    filled = filled.gather(1, nearest[:, :, None, None].expand_as(filled))
    return torch.where(known, values, filled)


def fill_from_behind(pictures: Float[Tensor, "b t p h w"], hole: Bool[Tensor, "b t h w"]) -> Float[Tensor, "b t p h w"]:
    """Smooth fillings of holes that keep every known pixel bit for bit; what a hole holds is never read.

    Push-pull as of `fill_holes`. pictures: where there is a fourth channel it is disparity, and of a block's known
    pixels the far ones count most: a hole that opens where the view moves shows what lies behind. A frame without a
    known pixel is 0.
    """
    seen, known = pictures.flatten(0, 1), ~hole.flatten(0, 1)[:, None]
    weights = known.to(seen)
    if seen.shape[1] > 3:
        disparity = torch.where(known, seen[:, 3:4], torch.inf).clamp(min=LEAST)
        farthest = disparity.amin(dim=(-2, -1), keepdim=True)
        weights = torch.where(known, (farthest / disparity) ** FAR, 0.0)
    weights = weights.expand_as(seen)
    filled = _push_pull(torch.where(known, seen * weights, 0.0), weights, _yield_to_far)
    return torch.where(known, seen, filled).unflatten(0, pictures.shape[:2])


def fill_view(
    image: Float[Tensor, "3 h w"], depth: Float[Tensor, "h w"], hole: Bool[Tensor, "h w"]
) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "h w"]]:
    """Picture and depth (metres along z or along the ray, no matter what a hole holds) by `fill_from_behind`.

    New depth is at most the farthest that is known. Of a view of which nothing is known the picture is 0, the depth 1.
    """
    if hole.all():
        return torch.zeros_like(image), torch.ones_like(depth)
    if not hole.any():
        return image, depth
    nearest, farthest = depth[~hole].aminmax()
    picture = torch.cat([image, torch.where(hole, 0.0, nearest / depth)[None]])
    filled = fill_from_behind(picture[None, None], hole[None, None])[0, 0]
    behind = (nearest / filled[3].clamp(min=torch.finfo(filled.dtype).tiny)).clamp(max=farthest)
    return torch.where(hole, filled[:3].clamp(0, 1), image), torch.where(hole, behind, depth)


def fillings(pictures: Float[Tensor, "b t p h w"], hole: Bool[Tensor, "b t h w"]) -> Float[Tensor, "n b t p h w"]:
    """FILLINGS ways to fill holes from what is known, to choose from: `fill_from_behind`; then the farther and the
    nearer of both sides in its row, then in its column, which where no side is known are as the first."""
    behind = fill_from_behind(pictures, hole)
    ways = [behind]
    for dim in (-1, -2):
        *both, reached = fill_from_sides(pictures, hole, dim=dim)
        ways += [torch.where(reached[:, :, None], each, behind) for each in both]
    return torch.stack(ways)


def fill_from_sides(
    pictures: Float[Tensor, "b t p h w"], hole: Bool[Tensor, "b t h w"], *, dim: int
) -> tuple[Float[Tensor, "b t p h w"], Float[Tensor, "b t p h w"], Bool[Tensor, "b t h w"]]:
    """The nearest known pixels to both sides of each pixel of a hole, the farther one's picture first; where both are.

    pictures, hole: as of `fill_from_behind`. dim: -1 for the sides in its row, -2 for those in its column. Where only
    one side is known both pictures take it; where none is they are 0, and the third result is False. Known pixels
    stay bit for bit.
    """
    if dim == -2:
        turned = fill_from_sides(pictures.mT, hole.mT, dim=-1)
        return turned[0].mT, turned[1].mT, turned[2].mT
    disparity = pictures[:, :, 3] if pictures.shape[2] > 3 else torch.zeros_like(pictures[:, :, 0])
    columns = [side[:, :, None] for side in sides(hole, -disparity)]
    taken = [pictures.gather(-1, side.clamp(min=0).expand_as(pictures)) for side in columns]
    far, near = (each.masked_fill(side < 0, 0.0) for each, side in zip(taken, columns, strict=True))
    return far, near, columns[0][:, :, 0] >= 0


def sides(
    hole: Bool[Tensor, "*b h w"], depth: Float[Tensor, "*b h w"]
) -> tuple[Int[Tensor, "*b h w"], Int[Tensor, "*b h w"]]:
    """Columns of the nearest known pixel to the left and to the right of each pixel, the one of more depth first.

    Of two that are equally far, or where the depth of one is NaN, the nearer in the row comes first, then the left
    one. Where only one side has a known pixel it is both; where none has, both are -1. A known pixel is its own.
    """
    width = hole.shape[-1]
    column = torch.arange(width, device=hole.device).expand(hole.shape)
    left = torch.where(hole, -1, column).cummax(dim=-1).values
    right = torch.where(hole, width, column).flip(-1).cummin(dim=-1).values.flip(-1)
    left = torch.where(left < 0, right, left)
    right = torch.where(right == width, left, right)
    far_left, far_right = (depth.gather(-1, side.clamp(0, width - 1)) for side in (left, right))
    nearer = (column - left).abs() <= (right - column).abs()
    unsure = (far_left == far_right) | far_left.isnan() | far_right.isnan()
    is_left = torch.where(unsure, nearer, far_left > far_right)
    none = left == width
    first, second = torch.where(is_left, left, right), torch.where(is_left, right, left)
    return first.masked_fill(none, -1), second.masked_fill(none, -1)


Trust = Callable[[Tensor, Tensor], Tensor]  # of a block in its own mean, from its weight and that of twice its side


def _push_pull(values: Float[Tensor, "b c h w"], weights: Float[Tensor, "b c h w"], trust: Trust) -> Tensor:
    """[b c h w]. weights: the mean over each block, 0 for unknown pixels. values: the mean of weight times value."""
    height, width = values.shape[-2:]
    means = values / weights.clamp(min=torch.finfo(values.dtype).tiny)
    if height == width == 1:
        return means
    even = (0, width % 2, 0, height % 2)
    halved = [avg_pool2d(pad(each, even), 2) for each in (values, weights)]
    smooth = interpolate(_push_pull(halved[0], halved[1], trust), scale_factor=2, mode="bilinear")
    around = interpolate(halved[1], scale_factor=2, mode="nearest")
    smooth, around = (each[..., :height, :width] for each in (smooth, around))
    return torch.lerp(smooth, means, trust(weights, around))


def _keep_known(own: Tensor, around: Tensor) -> Tensor:
    return (own > 0).to(own)


def _yield_to_far(own: Tensor, around: Tensor) -> Tensor:
    """A near block beside a far one, which has more weight, takes the mean of both."""
    return (own / around.clamp(min=torch.finfo(own.dtype).tiny)).clamp(max=1)


def distance_into(hole: Bool[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Pixels to the nearest known one, of which there must be one."""
    # OpenCV is faster, but the last digits of its precise transform differ from call to call (5.0.0, with IPP).
    found = np.asarray(distance_transform_edt(hole.cpu().numpy()), dtype=np.float32)
    return torch.from_numpy(found).to(hole.device)


def grown(hole: Bool[Tensor, "*b h w"], pixels: int) -> Bool[Tensor, "*b h w"]:
    """Holes, and all that lies within so many pixels of them, diagonals counted as one."""
    size = 2 * pixels + 1
    flat = hole.reshape(-1, 1, *hole.shape[-2:]).float()
    return max_pool2d(flat, size, stride=1, padding=pixels).bool().view(hole.shape)


def _nearest_known_frame(known: Bool[Tensor, "b t"]) -> Tensor:
    """[b t]: for each frame the nearest in time of which something is known, itself where that is so."""
    frames = torch.arange(known.shape[1], device=known.device)
    distance = (frames[:, None] - frames).abs().expand(len(known), -1, -1)
    return distance.masked_fill(~known[:, None], 2 * len(frames)).argmin(dim=2)
