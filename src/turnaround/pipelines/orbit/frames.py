"""The frames of the video, rendered from the finished cache."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import max_pool2d

from turnaround.geometry.holes import fill_from_behind, fill_holes
from turnaround.types import Provenance, Rendering


def without_holes(seen: Rendering) -> Rendering:
    """What is left open, filled from what lies around and behind.

    Cracks, which a pixel on each side closes, are PROPAGATED, as sure as what is around; the rest is GENERATED, and
    nobody is sure of it. A picture of which nothing is known stays black, at a depth of 1.
    """
    hole = seen.hole
    if not hole.any():
        return seen
    if hole.all():
        return replace(seen, depth=torch.ones_like(seen.depth), hole=torch.zeros_like(hole))
    inverse = torch.where(hole, 0.0, 1 / seen.depth)
    scale = inverse.amax()
    pictures = torch.cat([seen.image, (inverse / scale)[None]])[None, None]
    filled = fill_from_behind(pictures, hole[None, None])[0, 0]
    cracks = hole & closed(hole)
    sure = fill_holes(seen.confidence[None, None], ~hole[None, None])[0, 0]
    return replace(
        seen,
        image=torch.where(hole, filled[:3].clamp(0, 1), seen.image),
        depth=torch.where(hole, 1 / (filled[3] * scale).clamp(min=float(inverse[~hole].amin())), seen.depth),
        hole=torch.zeros_like(hole),
        label=seen.label.masked_fill(cracks, int(Provenance.PROPAGATED)),
        confidence=torch.where(cracks, sure, seen.confidence),
    )


def closed(hole: Bool[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """Where a morphological closing of what is known, by a pixel, closes the hole."""

    def grown(mask: Float[Tensor, "1 1 h w"]) -> Float[Tensor, "1 1 h w"]:
        return max_pool2d(mask, 3, stride=1, padding=1)

    known = grown((~hole).float()[None, None])
    return (1 - grown(1 - known))[0, 0].bool()
