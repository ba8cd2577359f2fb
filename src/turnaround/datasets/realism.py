"""What makes exact warps look like those of real pictures, whose depth and edges are never exact."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.datasets.holes import RandomMasks, free_form
from turnaround.geometry.holes import grown
from turnaround.types import Pair

REACH = 2  # pixels that a flying pixel may be away from where it belongs


@dataclass(frozen=True, kw_only=True)
class Realism:
    """Spoils what is seen; what belongs there stays.

    grow: at most so many pixels by which holes are grown. dropped: at most this share of the known pixels is dropped.
    flying: at most this share of a hole's border pixels takes what stands a little beside them, as depth between two
    surfaces makes it. free: probability that `masks`, which know nothing of the picture, are cut out as well: what
    lies outside of a picture is such a hole.
    """

    grow: int
    dropped: float
    flying: float
    free: float
    masks: RandomMasks

    def apply(self, pair: Pair, random: np.random.Generator) -> Pair:
        hole = grown(pair.hole, int(random.integers(self.grow + 1)))
        hole = hole | _chosen(hole.shape, random.uniform(0, self.dropped), random)
        if random.random() < self.free:
            hole = hole | free_form(hole.shape[-2:], self.masks, random)
        rows, columns = (int(step) for step in random.integers(-REACH, REACH + 1, 2))
        beside, behind = (moved(values, rows, columns) for values in (pair.seen, pair.seen_inverse_depth))
        there = moved(~pair.hole, rows, columns)  # nothing comes in over the edges
        flies = hole & there & _chosen(hole.shape, random.uniform(0, self.flying), random)
        hole = hole & ~flies
        seen = torch.where(flies[:, None], beside, pair.seen).masked_fill(hole[:, None], 0.0)
        depth = torch.where(flies, behind, pair.seen_inverse_depth).masked_fill(hole, 0.0)
        return replace(pair, seen=seen, hole=hole, seen_inverse_depth=depth)


def moved(values: Float[Tensor, "*b h w"] | Bool[Tensor, "*b h w"], rows: int, columns: int) -> Tensor:
    """Moved down and to the right by at most REACH pixels; 0 comes in over the edges."""
    height, width = values.shape[-2:]
    wide = torch.nn.functional.pad(values, (REACH, REACH, REACH, REACH))
    return wide[..., REACH - rows :, REACH - columns :][..., :height, :width]


def _chosen(shape: torch.Size, share: float, random: np.random.Generator) -> Bool[Tensor, "t h w"]:
    return torch.from_numpy(random.random(tuple(shape), dtype=np.float32) < share)
