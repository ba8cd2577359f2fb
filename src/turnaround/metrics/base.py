"""What a metric is, and the averaging that all of them share.

The order is DepthCrafter's (arXiv 2409.02095, evaluation code): mean over the valid pixels of a frame, then over the
frames that have any, then over videos. A metric does the first two; the mean over videos is taken over its values.
`Pooling` names the other order.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from turnaround.types import Flow, Pinhole, Video


class Pooling(StrEnum):
    """Over what a metric of pixels takes its mean."""

    FRAMES = "frames"  # the valid pixels of a frame, then the frames that have any
    PIXELS = "pixels"  # all valid pixels of the clip at once: MonST3R's evaluation and those made from it

    def arrange(self, maps: Shaped[Tensor, "t h w"]) -> Shaped[Tensor, "f y w"]:
        """The maps as the frames that a metric then takes apart: as they are, or all below one another as one."""
        return maps if self is Pooling.FRAMES else maps.flatten(0, 1)[None]


@dataclass(frozen=True, kw_only=True)
class Average:
    """The sum of frame values and how many frames it holds; parts merge by `+`."""

    sum: float
    count: int

    @property
    def value(self) -> float:
        """NaN where nothing was counted."""
        return self.sum / self.count if self.count else math.nan

    def __add__(self, other: "Average") -> "Average":
        return Average(sum=self.sum + other.sum, count=self.count + other.count)


@runtime_checkable
class DepthMetric(Protocol):
    """Compares aligned depth with the truth, both in metres; frames without a valid pixel are not counted."""

    @property
    def name(self) -> str: ...

    def __call__(
        self, depth: Float[Tensor, "t h w"], truth: Float[Tensor, "t h w"], valid: Bool[Tensor, "t h w"]
    ) -> Average: ...


@dataclass(frozen=True, kw_only=True)
class PixelMetric(ABC):
    """A `DepthMetric` made of means over pixels: it does not see where they stand, so `Pooling` may rearrange them."""

    @abstractmethod
    def of_frames(
        self, depth: Float[Tensor, "t h w"], truth: Float[Tensor, "t h w"], valid: Bool[Tensor, "t h w"]
    ) -> Float[Tensor, "t"]:
        """The value of each frame, from maps in float64; anything where no pixel is valid."""

    def __call__(
        self, depth: Float[Tensor, "t h w"], truth: Float[Tensor, "t h w"], valid: Bool[Tensor, "t h w"]
    ) -> Average:
        return average_over_frames(self.of_frames(depth.double(), truth.double(), valid), valid)


@runtime_checkable
class TemporalMetric(Protocol):
    """Compares aligned depth of neighbouring frames through exact cameras; the truth decides which pixels count."""

    @property
    def name(self) -> str: ...

    def __call__(
        self,
        depth: Float[Tensor, "t h w"],
        truth: Float[Tensor, "t h w"],
        valid: Bool[Tensor, "t h w"],
        cameras: Pinhole,
    ) -> Average: ...


@runtime_checkable
class FlowMetric(Protocol):
    """Compares aligned depth of neighbouring frames along the flow of the video.

    backward: leads from frame i + 1 to i, one entry per pair. The published ones do not ask the truth, so a map that
    is constant in space and time can be perfect; each says whether it is.
    """

    @property
    def name(self) -> str: ...

    def __call__(
        self,
        depth: Float[Tensor, "t h w"],
        truth: Float[Tensor, "t h w"],
        valid: Bool[Tensor, "t h w"],
        video: Video,
        backward: Flow,
    ) -> Average: ...


@dataclass(frozen=True, kw_only=True)
class FilledPicture:
    """A frame with its holes filled, and what is known of it. All colour is RGB in [0, 1].

    given: what was to be filled in `open`. hole: the part of it that is scored. counted: where the truth is known.
    """

    image: Float[Tensor, "3 h w"]
    truth: Float[Tensor, "3 h w"]
    given: Float[Tensor, "3 h w"]
    open: Bool[Tensor, "h w"]
    hole: Bool[Tensor, "h w"]
    counted: Bool[Tensor, "h w"]


@runtime_checkable
class ImageMetric(Protocol):
    """Says how good the filled frames of an item are; None where no pixel is counted, or nothing can be said."""

    @property
    def name(self) -> str: ...

    def __call__(self, frames: Sequence[FilledPicture]) -> float | None: ...


@runtime_checkable
class ConsistencyMetric(Protocol):
    """Compares neighbouring frames of a filled video, each visible point of a still scene with itself.

    filled: where the video was made up. depth: true, of each frame, metres along z, NaN where unknown.
    """

    @property
    def name(self) -> str: ...

    def __call__(
        self, video: Video, filled: Bool[Tensor, "t h w"], depth: Float[Tensor, "t h w"], cameras: Pinhole
    ) -> Average: ...


def frame_means(error: Float[Tensor, "t h w"], valid: Bool[Tensor, "t h w"]) -> Float[Tensor, "t"]:
    """Mean over the valid pixels of each frame, NaN where there are none; what stands elsewhere is not looked at."""
    return torch.where(valid, error, 0).sum((1, 2)) / valid.sum((1, 2))


def average_of(values: Sequence[float | None]) -> Average:
    """The average over those that have a value."""
    counted = [value for value in values if value is not None]
    return Average(sum=sum(counted, 0.0), count=len(counted))


def average_over_frames(values: Float[Tensor, "t"], valid: Bool[Tensor, "t h w"]) -> Average:
    """The average of one value per frame over the frames with a valid pixel."""
    counted = valid.any(2).any(1)
    return Average(sum=float(values[counted].sum()), count=int(counted.sum()))
