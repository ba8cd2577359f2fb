"""The frames of the video, rendered from the finished cache."""

from dataclasses import replace

import torch
from jaxtyping import Bool
from torch import Tensor

from turnaround.geometry.holes import fill_holes, fill_view, grown
from turnaround.types import Provenance, Rendering


def without_holes(seen: Rendering) -> Rendering:
    """What is left open, filled from what lies around and behind.

    Cracks, which a pixel on each side closes, are PROPAGATED, as sure as what is around; the rest is GENERATED, and
    nobody is sure of it. A picture of which nothing is known stays black, at a depth of 1.
    """
    hole = seen.hole
    if not hole.any():
        return seen
    image, depth = fill_view(seen.image, seen.depth, hole)
    cracks = hole & closed(hole)
    around = fill_holes(seen.confidence[None, None], ~hole[None, None])[0, 0]
    return replace(
        seen,
        image=image,
        depth=depth,
        hole=torch.zeros_like(hole),
        label=seen.label.masked_fill(cracks, int(Provenance.PROPAGATED)),
        confidence=torch.where(cracks, around, seen.confidence),
    )


def closed(hole: Bool[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """Where a morphological closing of what is known, by a pixel, closes the hole."""
    return ~grown(~grown(~hole, 1), 1)
