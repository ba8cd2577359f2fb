"""Consistency of aligned depth along the flow of the video: the published metrics that do not ask the truth.

Frame i is compared with frame i - 1 warped to it by backward flow, bilinearly. What is hidden in frame i - 1 is not
looked up in `Flow.visible`; as published, a weight that falls with the difference of colour stands in for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.flow import backward_warp
from turnaround.metrics.base import Average, average_of
from turnaround.types import Flow, Video

COLOUR_SHARPNESS = 50.0  # of both metrics; RGB in [0, 1]
SMALLEST_DEVIATION = 1e-6  # metres
LARGEST_FLOW = 250.0  # pixels

Frame = Float[Tensor, "h w"]
Image = Float[Tensor, "3 h w"]
Maps = Float[Tensor, "t h w"]
Masks = Bool[Tensor, "t h w"]


@dataclass(frozen=True, kw_only=True)
class OpticalWarpingError:
    """OPW: 10 * mean over pixels of w * |d_i - warp(d_{i-1})|, then over pairs (NVDS, arXiv 2307.08695, released loss).

    w = sum over RGB of exp(-50 (I_i - warp(I_{i-1}))^2). Both maps are normalised after the warp, each by itself: minus
    its median, over its mean absolute deviation from it, so neither scale nor shift of a frame is seen. All pixels
    count; truth and `valid` are not looked at. NVDS feeds disparity, this metric gets metres.

    Lower is better. A constant map is perfect (0), and the truth is not where depth changes along the flow.
    """

    name = "opw"

    def __call__(self, depth: Maps, truth: Maps, valid: Masks, video: Video, backward: Flow) -> Average:
        return average_of([self._error(*pair) for pair in _pairs(depth, video, backward)])

    def _error(self, found: Frame, carried: Frame, image: Image, carried_image: Image) -> float:
        weight = torch.exp(-COLOUR_SHARPNESS * (image - carried_image).square()).sum(0)
        return float(10 * (weight * (_normalised(found) - _normalised(carried)).abs()).mean())


@dataclass(frozen=True, kw_only=True)
class RelativeTemporalConsistency:
    """rTC (TCMonoDepth, Li et al. 2021): sum M [max(d_i / d', d' / d_i) < threshold] / sum M, d' = warp(d_{i-1}).

    M = exp(-50 |I_i - warp(I_{i-1})|), the Euclidean norm over RGB, where both parts of the flow are below 250 pixels
    and the truth of frame i is valid; 0 elsewhere. Mean over pairs; one in which M is 0 everywhere is not counted.

    Higher is better, at most 1. A constant map is perfect (1), and the truth is not where depth changes along the flow.
    """

    threshold: float = 1.25

    @property
    def name(self) -> str:
        """With the threshold if it is not the usual one."""
        return "rtc" if self.threshold == 1.25 else f"rtc_{self.threshold:g}"

    def __call__(self, depth: Maps, truth: Maps, valid: Masks, video: Video, backward: Flow) -> Average:
        near = (backward.pixels.abs() < LARGEST_FLOW).all(1) & valid[1:]
        pairs = _pairs(depth, video, backward)
        return average_of([self._share(*pair, mask) for pair, mask in zip(pairs, near, strict=True)])

    def _share(
        self, found: Frame, carried: Frame, image: Image, carried_image: Image, mask: Bool[Tensor, "h w"]
    ) -> float | None:
        weight = torch.exp(-COLOUR_SHARPNESS * (image - carried_image).norm(dim=0)) * mask
        close = torch.maximum(found / carried, carried / found) < self.threshold
        return float((weight * close).sum() / weight.sum()) if weight.any() else None


def _pairs(depth: Maps, video: Video, backward: Flow) -> Iterator[tuple[Frame, Frame, Image, Image]]:
    """For each frame but the first: its depth, that of the frame before warped to it, and the two images likewise."""
    for i, flow in zip(range(len(depth) - 1), backward.pixels.double(), strict=True):
        before, now = torch.cat([depth[i : i + 2, None].double(), video[i : i + 2].double()], dim=1)
        carried = backward_warp(before[None], flow[None])[0]
        yield now[0], carried[0], now[1:], carried[1:]


def _normalised(depth: Frame) -> Frame:
    """Minus the (lower) median, over the mean absolute deviation from it."""
    centred = depth - depth.median()
    return centred / centred.abs().mean().clamp(min=SMALLEST_DEVIATION)
