"""How a filled frame compares with the truth, and what became of the pixels that were known.

Values of frames are averaged over the frames that have one.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.metrics.base import FilledPicture
from turnaround.metrics.perceptual import PerceptualDistance
from turnaround.metrics.similarity import WINDOW, structural_similarity


@dataclass(frozen=True, kw_only=True)
class Psnr:
    """10 log10(1 / mean squared error) in dB, over counted pixels; infinite for the truth itself, which rows hold as null."""

    name = "psnr"

    def __call__(self, frame: FilledPicture) -> float | None:
        return _psnr(frame, frame.counted)


@dataclass(frozen=True, kw_only=True)
class HolePsnr:
    """`Psnr` over the counted pixels of holes."""

    name = "hole_psnr"

    def __call__(self, frame: FilledPicture) -> float | None:
        return _psnr(frame, frame.counted & frame.hole)


@dataclass(frozen=True, kw_only=True)
class Ssim:
    """Structural similarity (Wang et al. 2004) with a gaussian window of 11 x 11, mean over the colours and over the
    windows inside the picture whose centre is counted. A window may reach over pixels that are not counted: there,
    both pictures show the truth's colours. No value for a picture smaller than a window.
    """

    name = "ssim"

    def __call__(self, frame: FilledPicture) -> float | None:
        margin = WINDOW // 2
        counted = frame.counted[margin:-margin, margin:-margin]
        if min(frame.counted.shape) < WINDOW or not counted.any():
            return None
        similarity = structural_similarity(_comparable(frame).double(), frame.truth.double())
        return float(similarity.mean(0)[counted].mean())


@dataclass(frozen=True, kw_only=True)
class Lpips:
    """The mean of LPIPS over counted pixels. What is not counted shows the truth's colours in both pictures."""

    distance: PerceptualDistance
    name = "lpips"

    def __call__(self, frame: FilledPicture) -> float | None:
        return _perceptual(self.distance, frame, frame.counted)


@dataclass(frozen=True, kw_only=True)
class HoleLpips:
    """`Lpips` over the counted pixels of holes; the network sees what is around them as well."""

    distance: PerceptualDistance
    name = "hole_lpips"

    def __call__(self, frame: FilledPicture) -> float | None:
        return _perceptual(self.distance, frame, frame.counted & frame.hole)


@dataclass(frozen=True, kw_only=True)
class KnownError:
    """The largest difference, in steps of 8 bits, between what was given and what came back of it: 0 is bit-exact.

    Over all known pixels, of colour or position whatever; whether the truth is known there does not matter.
    """

    name = "known_error"

    def __call__(self, frame: FilledPicture) -> float | None:
        steps = (frame.image * 255).round() - (frame.given * 255).round()
        known = steps.abs().amax(0)[~frame.open]
        return float(known.max()) if known.numel() else None


def _psnr(frame: FilledPicture, where: Bool[Tensor, "h w"]) -> float | None:
    squared = (frame.image.double() - frame.truth.double()).square().mean(0)[where]
    if not squared.numel():
        return None
    error = float(squared.mean())
    return -10 * math.log10(error) if error > 0 else math.inf


def _perceptual(distance: PerceptualDistance, frame: FilledPicture, where: Bool[Tensor, "h w"]) -> float | None:
    if not where.any():
        return None
    values = distance(_comparable(frame), frame.truth)
    return None if values is None else float(values[where].double().mean())


def _comparable(frame: FilledPicture) -> Float[Tensor, "3 h w"]:
    return torch.where(frame.counted, frame.image, frame.truth)
