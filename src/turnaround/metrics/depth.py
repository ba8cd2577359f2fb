"""Accuracy of aligned depth. All compute in float64; depth and truth are in metres and positive where valid."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.metrics.base import Average, average_over_frames, frame_means

Maps = Float[Tensor, "t h w"]
Mask = Bool[Tensor, "t h w"]


@dataclass(frozen=True, kw_only=True)
class AbsRel:
    """|depth - truth| / truth."""

    name = "abs_rel"

    def __call__(self, depth: Maps, truth: Maps, valid: Mask) -> Average:
        truth = truth.double()
        return average_over_frames(frame_means((depth.double() - truth).abs() / truth, valid), valid)


@dataclass(frozen=True, kw_only=True)
class SquaredRelative:
    """(depth - truth)^2 / truth, in metres (Eigen et al., arXiv 1406.2283). Some codes divide by truth^2 instead."""

    name = "sq_rel"

    def __call__(self, depth: Maps, truth: Maps, valid: Mask) -> Average:
        truth = truth.double()
        return average_over_frames(frame_means((depth.double() - truth).square() / truth, valid), valid)


@dataclass(frozen=True, kw_only=True)
class Rmse:
    """Root of the mean squared error, per frame, in metres."""

    name = "rmse"

    def __call__(self, depth: Maps, truth: Maps, valid: Mask) -> Average:
        return average_over_frames(frame_means((depth.double() - truth.double()).square(), valid).sqrt(), valid)


@dataclass(frozen=True, kw_only=True)
class LogRmse:
    """Root of the mean squared difference of natural logarithms, per frame."""

    name = "log_rmse"

    def __call__(self, depth: Maps, truth: Maps, valid: Mask) -> Average:
        return average_over_frames(frame_means(_log_ratio(depth, truth).square(), valid).sqrt(), valid)


@dataclass(frozen=True, kw_only=True)
class Log10:
    """|log10 depth - log10 truth|."""

    name = "log10"

    def __call__(self, depth: Maps, truth: Maps, valid: Mask) -> Average:
        return average_over_frames(frame_means(_log_ratio(depth, truth).abs() / math.log(10), valid), valid)


@dataclass(frozen=True, kw_only=True)
class IRmse:
    """Root of the mean squared error of 1 / depth, per frame, in 1 / metres (KITTI's tables give 1 / kilometres)."""

    name = "i_rmse"

    def __call__(self, depth: Maps, truth: Maps, valid: Mask) -> Average:
        error = 1 / depth.double() - 1 / truth.double()
        return average_over_frames(frame_means(error.square(), valid).sqrt(), valid)


@dataclass(frozen=True, kw_only=True)
class SILog:
    """100 * sqrt(mean(e^2) - mean(e)^2) per frame, e = ln depth - ln truth: KITTI's, the root of Eigen's with lambda 1.

    It is the standard deviation of e, so a common factor on the depth does not change it.
    """

    name = "silog"

    def __call__(self, depth: Maps, truth: Maps, valid: Mask) -> Average:
        error = _log_ratio(depth, truth)
        centred = error - frame_means(error, valid)[:, None, None]
        return average_over_frames(100 * frame_means(centred.square(), valid).sqrt(), valid)


@dataclass(frozen=True, kw_only=True)
class Delta:
    """Share of pixels with max(depth / truth, truth / depth) < 1.25 ** power."""

    power: int

    @property
    def name(self) -> str:
        return f"delta{self.power}"

    def __call__(self, depth: Maps, truth: Maps, valid: Mask) -> Average:
        depth, truth = depth.double(), truth.double()
        close = torch.maximum(depth / truth, truth / depth) < 1.25**self.power
        return average_over_frames(frame_means(close.double(), valid), valid)


def _log_ratio(depth: Maps, truth: Maps) -> Maps:
    return depth.double().log() - truth.double().log()
