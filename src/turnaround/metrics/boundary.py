"""Sharpness: occluding contours of aligned depth compared with those of the truth (Depth Pro, arXiv 2410.02073).

A contour stands between neighbouring pixels i and j, with i in front, where d(j) / d(i) > t; j is the right, left,
lower or upper neighbour. Pairs with a pixel that is not valid are left out. The ratios do not see a common factor. t
runs over 10 values from 1.05 to 1.25, and a threshold weighs in proportion to its value.

Counts are summed over the four directions, as the paper writes them. The released code averages precision and recall
over directions instead and gives 0 to a direction without contours, so its values are lower on simple scenes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.metrics.base import Average, average_of

THRESHOLDS = tuple(torch.linspace(1.05, 1.25, 10, dtype=torch.float64).tolist())

Frame = Float[Tensor, "h w"]
Mask = Bool[Tensor, "h w"]
Maps = Float[Tensor, "t h w"]
Masks = Bool[Tensor, "t h w"]
Ratios = Float[Tensor, "lines pairs"]  # along the lines of an image, of each pixel and the next


@dataclass(frozen=True, kw_only=True)
class BoundaryF1:
    """F1 of the contours per frame, weighted over thresholds, then mean over frames.

    A threshold at which neither map has a contour takes no part, nor does a frame in which that holds for all.
    Higher is better, at most 1. A constant map scores 0.
    """

    name = "boundary_f1"

    def __call__(self, depth: Maps, truth: Maps, valid: Masks) -> Average:
        frames = _counts(depth, truth, valid, torch.gt)
        return average_of(
            [_weighted([(2 * hits, found + wanted) for hits, found, wanted in frame]) for frame in frames]
        )


@dataclass(frozen=True, kw_only=True)
class BoundaryRecall:
    """Share of the true contours that are found, per frame, weighted over thresholds, then mean over frames.

    Of each run of contours along a row or column only the steepest stays, so a blurred edge is found at one place at
    most. The paper takes the true contours from masks of objects; without masks they are those of the true depth,
    thinned in the same way. A threshold at which the truth has no contour takes no part, nor does a frame in which that
    holds for all. Higher is better, at most 1; contours that should not be there cost nothing. A constant map scores 0.
    """

    name = "boundary_recall"

    def __call__(self, depth: Maps, truth: Maps, valid: Masks) -> Average:
        frames = _counts(depth, truth, valid, thinned)
        return average_of([_weighted([(hits, wanted) for hits, _, wanted in frame]) for frame in frames])


def thinned(ratios: Ratios, threshold: float) -> Bool[Tensor, "lines pairs"]:
    """Of each run of ratios above the threshold in a line the largest, the first of equal ones."""
    above = ratios > threshold
    starts = above.clone()
    starts[:, 1:] &= ~above[:, :-1]
    run = starts.flatten().cumsum(0)[above.flatten()] - 1
    values, place = ratios[above], torch.arange(ratios.numel(), device=ratios.device)[above.flatten()]
    runs = int(starts.sum())
    largest = values.new_zeros(runs).scatter_reduce(0, run, values, reduce="amax")
    first = place.new_full((runs,), ratios.numel()).scatter_reduce(
        0, run[values == largest[run]], place[values == largest[run]], reduce="amin"
    )
    return torch.zeros_like(above).flatten().index_fill(0, first, True).view_as(above)


def _counts(
    depth: Maps, truth: Maps, valid: Masks, contours: Callable[[Ratios, float], Bool[Tensor, "lines pairs"]]
) -> Iterator[list[tuple[int, int, int]]]:
    """Of each frame, at each threshold, how many contours are in both maps, in the prediction, in the truth."""
    for found, true, known in zip(depth.double(), truth.double(), valid, strict=True):
        directions = list(zip(_ratios(found, known), _ratios(true, known), strict=True))
        yield [_count([(contours(f, limit), contours(t, limit)) for f, t in directions]) for limit in THRESHOLDS]


def _count(contours: list[tuple[Tensor, Tensor]]) -> tuple[int, int, int]:
    hits = sum(int((predicted & true).sum()) for predicted, true in contours)
    return hits, sum(int(p.sum()) for p, _ in contours), sum(int(t.sum()) for _, t in contours)


def _ratios(depth: Frame, valid: Mask) -> list[Ratios]:
    """d(j) / d(i) in the four directions, 0 where either pixel is not valid."""
    ratios = []
    for maps, known in ((depth, valid), (depth.T, valid.T)):
        both = known[:, 1:] & known[:, :-1]
        ahead = maps[:, 1:] / maps[:, :-1]
        ratios += [torch.where(both, ahead, 0), torch.where(both, 1 / ahead, 0)]
    return ratios


def _weighted(shares: list[tuple[int, int]]) -> float | None:
    """Mean of numerator / denominator over the thresholds that have a denominator; each weighs its own value."""
    counted = [(weight, hits / total) for weight, (hits, total) in zip(THRESHOLDS, shares, strict=True) if total]
    return sum(w * share for w, share in counted) / sum(w for w, _ in counted) if counted else None
