"""Accuracy of aligned depth. All compute in float64; depth and truth are in metres and positive where valid."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.metrics.base import PixelMetric, frame_means

Maps = Float[Tensor, "t h w"]
Mask = Bool[Tensor, "t h w"]
Values = Float[Tensor, "t"]


@dataclass(frozen=True, kw_only=True)
class AbsRel(PixelMetric):
    """|depth - truth| / truth."""

    name = "abs_rel"

    def of_frames(self, depth: Maps, truth: Maps, valid: Mask) -> Values:
        return frame_means((depth - truth).abs() / truth, valid)


@dataclass(frozen=True, kw_only=True)
class SquaredRelative(PixelMetric):
    """(depth - truth)^2 / truth, in metres (Eigen et al., arXiv 1406.2283). Some codes divide by truth^2 instead."""

    name = "sq_rel"

    def of_frames(self, depth: Maps, truth: Maps, valid: Mask) -> Values:
        return frame_means((depth - truth).square() / truth, valid)


@dataclass(frozen=True, kw_only=True)
class Rmse(PixelMetric):
    """Root of the mean squared error, per frame, in metres."""

    name = "rmse"

    def of_frames(self, depth: Maps, truth: Maps, valid: Mask) -> Values:
        return frame_means((depth - truth).square(), valid).sqrt()


@dataclass(frozen=True, kw_only=True)
class LogRmse(PixelMetric):
    """Root of the mean squared difference of natural logarithms, per frame."""

    name = "log_rmse"

    def of_frames(self, depth: Maps, truth: Maps, valid: Mask) -> Values:
        return frame_means(_log_ratio(depth, truth).square(), valid).sqrt()


@dataclass(frozen=True, kw_only=True)
class Log10(PixelMetric):
    """|log10 depth - log10 truth|."""

    name = "log10"

    def of_frames(self, depth: Maps, truth: Maps, valid: Mask) -> Values:
        return frame_means(_log_ratio(depth, truth).abs() / math.log(10), valid)


@dataclass(frozen=True, kw_only=True)
class IRmse(PixelMetric):
    """Root of the mean squared error of 1 / depth, per frame, in 1 / metres (KITTI's tables give 1 / kilometres)."""

    name = "i_rmse"

    def of_frames(self, depth: Maps, truth: Maps, valid: Mask) -> Values:
        return frame_means((1 / depth - 1 / truth).square(), valid).sqrt()


@dataclass(frozen=True, kw_only=True)
class SILog(PixelMetric):
    """100 * sqrt(mean(e^2) - mean(e)^2) per frame, e = ln depth - ln truth: KITTI's, the root of Eigen's with lambda 1.

    It is the standard deviation of e, so a common factor on the depth does not change it.
    """

    name = "silog"

    def of_frames(self, depth: Maps, truth: Maps, valid: Mask) -> Values:
        error = _log_ratio(depth, truth)
        centred = error - frame_means(error, valid)[:, None, None]
        return 100 * frame_means(centred.square(), valid).sqrt()


@dataclass(frozen=True, kw_only=True)
class Delta(PixelMetric):
    """Share of pixels with max(depth / truth, truth / depth) < 1.25 ** power."""

    power: int

    @property
    def name(self) -> str:
        return f"delta{self.power}"

    def of_frames(self, depth: Maps, truth: Maps, valid: Mask) -> Values:
        close = torch.maximum(depth / truth, truth / depth) < 1.25**self.power
        return frame_means(close.double(), valid)


def _log_ratio(depth: Maps, truth: Maps) -> Maps:
    return depth.log() - truth.log()
