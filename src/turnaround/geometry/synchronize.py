"""One scale and shift for each of many maps that overlap, from all overlaps at once."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csc_array
from scipy.sparse.linalg import spsolve
from torch import Tensor

ITERATIONS = 40
FLOOR = 1e-5  # below it, a residual counts no more than squared
RATIOS = (0.1, 10.0)  # of two maps' scales
PINNED = 1e-9  # weight of each square, as a share of the largest: what overlaps leave open comes to lie around 0


@dataclass(frozen=True, kw_only=True)
class Overlaps:
    """What two maps say of the same places, for e pairs of maps and p places each; first and second number the maps."""

    first: Int[Tensor, " e"]
    second: Int[Tensor, " e"]
    first_values: Float[Tensor, "e p"]
    second_values: Float[Tensor, "e p"]


def synchronize_affine(count: int, overlaps: Overlaps) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Scales and shifts of `count` maps with which overlapping ones agree, by least absolute deviations over all pairs.

    Two convex problems, each solved for all maps at once: the logarithms of the scales, from the ratio of each pair;
    then the shifts, from the differences at all places. (In one for both, maps that disagree would be made small.)
    Among maps that overlap, directly or through others, scales have the geometric mean 1. Ratios are kept within 0.1
    and 10. Maps of one value, and those that overlap with none, keep scale 1.
    """
    a, b = overlaps.first_values.double(), overlaps.second_values.double()
    if a.numel() == 0 or a.std() == 0:
        return torch.ones(count, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)
    centre, spread = a.mean(), (a - a.mean()).abs().mean()
    a, b = (a - centre) / spread, (b - centre) / spread
    first, second = overlaps.first, overlaps.second
    scale = _potentials(count, first, second, -_slope(a, b).log()[:, None]).exp()
    shift = _potentials(count, first, second, scale[first, None] * a - scale[second, None] * b)
    return scale, shift * spread + centre * (1 - scale)


def _slope(a: Float[Tensor, "e p"], b: Float[Tensor, "e p"]) -> Float[Tensor, " e"]:
    """Of b over a: the geometric mean of that of b on a and the inverse of that of a on b, so that noise in either of
    them, which flattens the one as much as the other, cancels."""
    forward, backward = (_fitted(x, y).clamp(*RATIOS) for x, y in ((a, b), (b, a)))
    return (forward / backward).sqrt()


def _fitted(source: Float[Tensor, "e p"], target: Float[Tensor, "e p"]) -> Float[Tensor, " e"]:
    """The slope of each row's fit by least absolute deviations."""
    weight, floor = torch.ones_like(source), 1.0
    for _ in range(ITERATIONS):
        weight = weight / weight.sum(dim=1, keepdim=True)
        s = source - (weight * source).sum(dim=1, keepdim=True)
        t = target - (weight * target).sum(dim=1, keepdim=True)
        slope = ((weight * s * t).sum(dim=1) + FLOOR) / ((weight * s * s).sum(dim=1) + FLOOR)  # 1 for constants
        floor = max(floor / 2, FLOOR)
        weight = 1 / (t - slope[:, None] * s).abs().clamp(min=floor)
    return slope


def _potentials(
    count: int, first: Int[Tensor, " e"], second: Int[Tensor, " e"], differences: Float[Tensor, "e p"]
) -> Float[Tensor, " n"]:
    """x with x[second] - x[first] ~ differences, by least absolute deviations, around 0 in the mean."""
    found, floor = torch.zeros(count, dtype=torch.float64), 1.0
    diagonal, places = np.arange(count), [index.numpy() for index in (first, second)]
    row = np.concatenate([diagonal, places[0], places[1], places[0], places[1]])
    column = np.concatenate([diagonal, places[0], places[1], places[1], places[0]])
    for _ in range(ITERATIONS):
        residual = (found[second] - found[first])[:, None] - differences
        weight = 1 / (residual.abs().clamp(min=floor) * differences.shape[1])
        total = weight.sum(dim=1).numpy()
        values = np.concatenate([np.full(count, PINNED * total.max()), total, total, -total, -total])
        pull = (weight * differences).sum(dim=1)
        wanted = torch.zeros(count, dtype=torch.float64).index_add(0, second, pull).index_add(0, first, -pull)
        normal = csc_array((values, (row, column)), shape=(count, count))
        found = torch.from_numpy(np.asarray(spsolve(normal, wanted.numpy()), dtype=np.float64).reshape(count))
        floor = max(floor / 2, FLOOR)
    return found
