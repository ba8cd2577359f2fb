"""The card of an orbit's report: what was measured on this run's frames, and how good that is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.paths import turned_degrees
from turnaround.metrics.base import ConsistencyMetric
from turnaround.pipelines.orbit.exports.export import Finished
from turnaround.pipelines.orbit.frames import without_holes
from turnaround.render.cache import render
from turnaround.types import InputError, OrbitVideo
from turnaround.viz.provenance import around
from turnaround.viz.report import CardLine, Verdict

SMALLEST = 1e-6  # change between frames, so that a video at rest divides by something


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Values up to which a measurement is good, and fair; where good is the larger, more is better."""

    good: float
    fair: float

    def verdict(self, value: float) -> Verdict:
        sign = 1 if self.good <= self.fair else -1
        if math.isnan(value):
            return Verdict.UNMEASURED
        return (
            Verdict.GOOD
            if sign * value <= sign * self.good
            else Verdict.FAIR
            if sign * value <= sign * self.fair
            else Verdict.POOR
        )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A metric of the frames, what its unit is, what it means in plain words, and what it needs where it has no value
    ("" where that can only be the frames)."""

    name: str
    unit: str
    meaning: str
    needs: str
    metric: ConsistencyMetric
    limits: Limits

    def line(self, orbit: OrbitVideo) -> CardLine:
        value = self.metric(orbit.video, orbit.label > 0, orbit.depth, orbit.cameras).value
        lacking = f"not measured: {self.needs}" if self.needs else "not measured"
        shown = lacking if math.isnan(value) else f"{value:.3g} {self.unit}"
        return CardLine(name=self.name, value=shown, meaning=self.meaning, verdict=self.limits.verdict(value))


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """From how much of the circle the scene can be looked at: sectors with a camera of whose pictures a share below
    `invented` was made up (after OrbitForge's supported span). limits: of the share of all sectors."""

    sectors: int
    invented: float
    limits: Limits

    def __post_init__(self):
        if self.sectors < 1:
            raise InputError("sectors", expected="at least 1", found=str(self.sectors), fix="correct pipeline.card")

    def covered(self, degrees: Float[Tensor, "t"], shares: Float[Tensor, "t 3"]) -> int:
        sector = (
            ((degrees.double() + 180 / self.sectors) % 360 / (360 / self.sectors)).long().clamp(max=self.sectors - 1)
        )
        present = torch.bincount(sector, minlength=self.sectors)
        invented = torch.bincount(sector, weights=shares[:, 2].double(), minlength=self.sectors)
        return int(((present > 0) & (invented < self.invented * present)).sum())

    def line(self, orbit: OrbitVideo) -> CardLine:
        covered = self.covered(degrees_of(orbit), around(orbit.label))
        return CardLine(
            name="Sides that hold",
            value=f"{covered} of {self.sectors} directions",
            meaning=f"Around the scene, those from which less than {self.invented:.0%} of the picture was invented.",
            verdict=self.limits.verdict(covered / self.sectors),
        )


@dataclass(frozen=True, kw_only=True)
class Card:
    """loop, jumps: of a change between frames over the usual one. depth: of the residual of painted views. speed: of
    frames per second, measured on `timed` frames. trusted: share invented below which a frame can be trusted. measured:
    by names of their own; None stands for one that is not wanted."""

    loop: Limits
    jumps: Limits
    depth: Limits
    speed: Limits
    timed: int
    trusted: float
    coverage: Coverage
    measured: Mapping[str, Measured | None]

    def lines(self, finished: Finished, figures: Sequence[Mapping[str, float]]) -> Sequence[CardLine]:
        """figures: of each key view, with its `residual`."""
        orbit, first = finished.orbit, finished.cache.views[0].view.image
        changes = (orbit.video - orbit.video.roll(1, 0)).abs().mean(dim=(1, 2, 3))
        steps = changes[1:] if len(changes) > 1 else changes  # of one frame, to itself
        usual = float(steps.median().clamp(min=SMALLEST))
        lines = [_photo(float((orbit.video[0] - (255 * first).round() / 255).abs().max()))]
        if finished.setting.closed:
            lines.append(self._loop(float(changes[0]), usual))
        lines += [self._jumps(float(steps.max()) / usual), self._depth(figures), self.coverage.line(orbit)]
        return [
            *lines,
            *(each.line(orbit) for each in self.measured.values() if each is not None),
            self._speed(finished),
        ]

    def _loop(self, change: float, usual: float) -> CardLine:
        return CardLine(
            name="Loop",
            value=f"last to first frame {change:.4f}, usual step {usual:.4f}",
            meaning="The change from the last frame back to the first, against that between neighbours.",
            verdict=self.loop.verdict(change / usual),
        )

    def _jumps(self, times: float) -> CardLine:
        return CardLine(
            name="Jumps",
            value=f"largest step {times:.1f} times the usual",
            meaning="A sudden jump would show where one painted view takes over from another.",
            verdict=self.jumps.verdict(times),
        )

    def _depth(self, figures: Sequence[Mapping[str, float]]) -> CardLine:
        residuals = sorted(figure["residual"] for figure in figures)
        middle = residuals[len(residuals) // 2] if residuals else 0.0
        return CardLine(
            name="Depth of what was painted",
            value=f"median error {middle:.1%} where known" if residuals else "nothing painted",
            meaning="How well the depth of each new view fits the part of it that was known already.",
            verdict=self.depth.verdict(middle),
        )

    def _speed(self, finished: Finished) -> CardLine:
        cameras = finished.orbit.cameras
        taken = [number * len(cameras) // self.timed for number in range(self.timed)]
        started = perf_counter()
        for frame in taken:
            without_holes(render(finished.cache, cameras.at(frame), finished.setting.surfaces))
        rate = len(taken) / (perf_counter() - started)
        return CardLine(
            name="Frames in between",
            value=f"{rate:.2g} per second",
            meaning="How fast a frame is made once the scene is finished: by moving pixels, without a network.",
            verdict=self.speed.verdict(rate),
        )


def _photo(error: float) -> CardLine:
    same = error == 0
    return CardLine(
        name="Your photo in the first frame",
        value=f"largest difference {error:g}",
        meaning="The video starts with your photo, unchanged." if same else "The first frame is not the photo.",
        verdict=Verdict.GOOD if same else Verdict.POOR,
    )


def degrees_of(orbit: OrbitVideo) -> Float[Tensor, "t"]:
    """Where each camera stands around what it looks at, seen from the first, to the picture's right where positive: it
    turns to the left on its way there."""
    return -turned_degrees(orbit.cameras.world_from_cam)
