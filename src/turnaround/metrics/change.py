"""Change of aligned depth over time, pixel by pixel, compared with the true change: what a constant map cannot pass."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.metrics.base import Average, average_of, average_over_frames, frame_means
from turnaround.metrics.similarity import WINDOW, structural_similarity

Maps = Float[Tensor, "t h w"]
Masks = Bool[Tensor, "t h w"]


@dataclass(frozen=True, kw_only=True)
class RelativeTemporalDifference:
    """Root of the mean squared (p_{i+1} - p_i) / p_i - (g_{i+1} - g_i) / g_i, p predicted and g true (DVD, arXiv
    2603.12250, released code): per pair over the pixels valid in both frames, then over the pairs that have any.

    Lower is better. A common factor is not seen. A constant map is perfect only where the truth does not change.
    """

    name = "rtd"

    def __call__(self, depth: Maps, truth: Maps, valid: Masks) -> Average:
        both = valid[1:] & valid[:-1]
        error = _relative_change(depth.double()) - _relative_change(truth.double())
        return average_over_frames(frame_means(error.square(), both).sqrt(), both)


@dataclass(frozen=True, kw_only=True)
class TemporalChangeConsistency:
    """TCC: structural similarity of |p_{i+1} - p_i| and |g_{i+1} - g_i|, p predicted and g true (arXiv 2304.07435).

    As in that paper's released evaluation: a gaussian window of 11 x 11 that lies inside the image, constants for a
    range of 1 metre, change set to 0 where either truth is not valid, and a negative value of a pair counts as 0.
    Unlike there, a window counts only where the truth at its centre is valid in both frames. No flow takes part.

    Higher is better, at most 1. A constant map is perfect only where the truth does not change. Frames of less than
    11 x 11 pixels raise RuntimeError.
    """

    name = "tcc"

    def __call__(self, depth: Maps, truth: Maps, valid: Masks) -> Average:
        pairs = range(len(depth) - 1)
        return average_of([self._similarity(*(maps[i : i + 2] for maps in (depth, truth, valid))) for i in pairs])

    def _similarity(
        self, depth: Float[Tensor, "2 h w"], truth: Float[Tensor, "2 h w"], valid: Bool[Tensor, "2 h w"]
    ) -> float | None:
        both = valid.all(0)
        changes = [torch.where(both, (maps[1] - maps[0]).abs().double(), 0) for maps in (depth, truth)]
        margin = WINDOW // 2
        counted = both[margin:-margin, margin:-margin]
        similarity = structural_similarity(*changes)[counted]
        return max(0.0, float(similarity.mean())) if similarity.numel() else None


def _relative_change(maps: Maps) -> Float[Tensor, "s h w"]:
    return (maps[1:] - maps[:-1]) / maps[:-1]
