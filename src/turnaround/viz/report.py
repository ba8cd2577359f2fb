"""What a report of one orbit holds: it answers a person who asks how the other sides came about.

`report_page.to_html` makes one page of it that needs no other file and loads nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from turnaround.io.image import encode_jpeg, encode_png
from turnaround.types import WeightsNotice
from turnaround.viz.circle import AroundTheCircle

QUALITY = 85  # of JPEG
FIGURE_SIDE = 480  # pixels; larger pictures are made smaller, so that a report of thirty stays under 20 MiB


class Verdict(Enum):
    """Of one measurement, as it is shown."""

    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"
    UNMEASURED = "not measured"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A picture (`figure_jpeg`, or `figure_png` where it must be exact) and what it shows; the caption also stands for
    it where it is not seen."""

    caption: str
    picture: bytes


@dataclass(frozen=True, kw_only=True)
class Film:
    """The video as an MP4, the name of its file beside the report ("" where there is none), and a picture to show until
    it plays."""

    name: str
    mp4: bytes
    poster: bytes


@dataclass(frozen=True, kw_only=True)
class StageAccount:
    """One step: what it took, what it did by which model (or "no network"), what it gave, and how long it took."""

    name: str
    does: str
    model: str
    seconds: float
    takes: Sequence[Figure] = ()
    gives: Sequence[Figure] = ()


@dataclass(frozen=True, kw_only=True)
class CardLine:
    """One measurement: its value with unit, what that means in plain words, and whether it is good."""

    name: str
    value: str
    meaning: str
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class SourceLine:
    """A work that a stage stands on, its addresses ("" where there is none), and what was taken from it."""

    stage: str
    title: str
    paper: str
    repository: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole account, in the order of the page.

    title: names the run. question: as the visitor would ask it. answer: the task in one sentence. verdict: when to
    trust the video and when not. notes: what the run warned of.
    """

    title: str
    question: str
    answer: str
    film: Film
    stages: Sequence[StageAccount]
    around: AroundTheCircle
    card: Sequence[CardLine]
    verdict: str
    sources: Sequence[SourceLine]
    weights: Sequence[WeightsNotice]
    notes: Sequence[str] = ()


def figure_jpeg(image: Float[Tensor, "3 h w"]) -> bytes:
    """As `figure_png`, for photographs, of which it makes a seventh of the bytes."""
    return encode_jpeg("a picture of the report", _small(image), quality=QUALITY)


def figure_png(image: Float[Tensor, "3 h w"]) -> bytes:
    """A PNG of RGB in [0, 1]; where a side exceeds `FIGURE_SIDE`, the whole is made smaller by area averages."""
    return encode_png("a picture of the report", _small(image))


def _small(image: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 y x"]:
    height, width = image.shape[1:]
    scale = min(1.0, FIGURE_SIDE / max(height, width))
    if scale == 1:
        return image
    size = (max(round(height * scale), 1), max(round(width * scale), 1))
    return interpolate(image[None], size, mode="area")[0]
