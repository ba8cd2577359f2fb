"""How filled frames compare with the truth, and what became of the pixels that were known."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.metrics.base import FilledPicture, average_of
from turnaround.metrics.perceptual import PerceptualDistance
from turnaround.metrics.similarity import WINDOW, structural_similarity

ROUNDING = 1 / 255**2 / 12  # the mean squared error of rounding to 8 bits, in which predictions are stored


@dataclass(frozen=True, kw_only=True)
class FrameMetric(ABC):
    """An `ImageMetric` that is the mean over the frames that have a value."""

    @abstractmethod
    def of_frame(self, frame: FilledPicture) -> float | None: ...

    def __call__(self, frames: Sequence[FilledPicture]) -> float | None:
        average = average_of([self.of_frame(frame) for frame in frames])
        return average.value if average.count else None


@dataclass(frozen=True, kw_only=True)
class Psnr(FrameMetric):
    """10 log10(1 / mean squared error) in dB, over counted pixels; at most 58.9, for errors below those of
    rounding to 8 bits are not told apart."""

    name = "psnr"

    def of_frame(self, frame: FilledPicture) -> float | None:
        return _psnr(frame, frame.counted)


@dataclass(frozen=True, kw_only=True)
class HolePsnr(FrameMetric):
    """`Psnr` over the counted pixels of holes."""

    name = "hole_psnr"

    def of_frame(self, frame: FilledPicture) -> float | None:
        return _psnr(frame, frame.counted & frame.hole)


@dataclass(frozen=True, kw_only=True)
class Ssim(FrameMetric):
    """Structural similarity (Wang et al. 2004) with a gaussian window of 11 x 11, mean over the colours and over the
    windows inside the picture whose centre is counted. A window may reach over pixels that are not counted: there,
    both pictures show the truth's colours. No value for a picture smaller than a window.
    """

    name = "ssim"

    def of_frame(self, frame: FilledPicture) -> float | None:
        margin = WINDOW // 2
        counted = frame.counted[margin:-margin, margin:-margin]
        if min(frame.counted.shape) < WINDOW or not counted.any():
            return None
        similarity = structural_similarity(_comparable(frame).double(), frame.truth.double())
        return float(similarity.mean(0)[counted].mean())


@dataclass(frozen=True, kw_only=True)
class Lpips(FrameMetric):
    """The mean of LPIPS over counted pixels. What is not counted shows the truth's colours in both pictures."""

    distance: PerceptualDistance
    name = "lpips"

    def of_frame(self, frame: FilledPicture) -> float | None:
        return _perceptual(self.distance, frame, frame.counted)


@dataclass(frozen=True, kw_only=True)
class HoleLpips(FrameMetric):
    """`Lpips` over the counted pixels of holes; the network sees what is around them as well."""

    distance: PerceptualDistance
    name = "hole_lpips"

    def of_frame(self, frame: FilledPicture) -> float | None:
        return _perceptual(self.distance, frame, frame.counted & frame.hole)


@dataclass(frozen=True, kw_only=True)
class KnownError:
    """The largest difference, in steps of 8 bits, between what was given and what came back of it: 0 is bit-exact.

    Over all known pixels of all frames; whether the truth is known there does not matter.
    """

    name = "known_error"

    def __call__(self, frames: Sequence[FilledPicture]) -> float | None:
        steps = [((frame.image * 255).round() - (frame.given * 255).round())[:, ~frame.open] for frame in frames]
        return max((float(some.abs().max()) for some in steps if some.numel()), default=None)


def _psnr(frame: FilledPicture, where: Bool[Tensor, "h w"]) -> float | None:
    squared = (frame.image.double() - frame.truth.double()).square().mean(0)[where]
    if not squared.numel():
        return None
    return -10 * math.log10(max(float(squared.mean()), ROUNDING))


def _perceptual(distance: PerceptualDistance, frame: FilledPicture, where: Bool[Tensor, "h w"]) -> float | None:
    if not where.any():
        return None
    values = distance(_comparable(frame), frame.truth)
    return None if values is None else float(values[where].double().mean())


def _comparable(frame: FilledPicture) -> Float[Tensor, "3 h w"]:
    return torch.where(frame.counted, frame.image, frame.truth)
