"""Filling what is not known, so that an encoder that sees whole pictures meets no edges that are not there."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad


def fill_holes(values: Float[Tensor, "b t h w"], known: Bool[Tensor, "b t h w"]) -> Float[Tensor, "b t h w"]:
    """Smooth maps that keep every known pixel bit for bit; what unknown pixels hold is never read.

    Push-pull (Gortler et al., The Lumigraph, SIGGRAPH 1996): blocks of 2, 4, 8, … pixels a side take the mean of their
    known pixels; from the coarsest down, a block without any takes the interpolation of those of twice its side. A
    frame of which nothing is known takes the filled one nearest in time, of two alike the earlier; a clip of which
    nothing is known is 0.
    """
    filled = _push_pull(torch.where(known, values, 0.0), known.to(values))
    nearest = _nearest_known_frame(known.flatten(2).any(dim=2))
    filled = filled.gather(1, nearest[:, :, None, None].expand_as(filled))
    return torch.where(known, values, filled)


def _push_pull(values: Float[Tensor, "b t h w"], weights: Float[Tensor, "b t h w"]) -> Float[Tensor, "b t h w"]:
    """weights: the share of each block that is known. values: the mean of its pixels, where unknown ones count as 0."""
    height, width = values.shape[-2:]
    means = values / weights.clamp(min=torch.finfo(values.dtype).tiny)
    if height == width == 1:
        return means
    even = (0, width % 2, 0, height % 2)
    coarser = _push_pull(*(avg_pool2d(pad(each, even), 2) for each in (values, weights)))
    smooth = interpolate(coarser, scale_factor=2, mode="bilinear")[..., :height, :width]
    return torch.where(weights > 0, means, smooth)


def _nearest_known_frame(known: Bool[Tensor, "b t"]) -> Tensor:
    """[b t]: for each frame the nearest in time of which something is known, itself where that is so."""
    frames = torch.arange(known.shape[1], device=known.device)
    distance = (frames[:, None] - frames).abs().expand(len(known), -1, -1)
    return distance.masked_fill(~known[:, None], 2 * len(frames)).argmin(dim=2)
