"""A benchmark protocol as data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol, runtime_checkable

from turnaround.geometry.align import Alignment
from turnaround.metrics.base import DepthMetric, FlowMetric, PixelMetric, Pooling, TemporalMetric
from turnaround.types import ClipSource, Flow, InputError


@runtime_checkable
class FlowSource(ClipSource, Protocol):
    """A `ClipSource` that knows how the pixels of its clips move, bodies and camera, whose depth has the video's size.

    Depth and cameras alone do not tell: their flow is that of a scene at rest (`geometry.flow.static_flow`).
    """

    def backward_flow(self, id: str) -> Flow | None:
        """From frame i + 1 to i, one entry per pair; None where it is not known of this clip."""
        ...


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Which clips are scored, and how.

    A pixel is valid where min_depth < truth < max_depth (metres); predictions are clipped to that range. alignment: the
    one `geometry.align.Alignment` for all methods, or None for the tightest that each prediction's kind allows.
    pooling: over what `metrics` take their mean, a `metrics.base.Pooling`; "pixels" needs each to be a `PixelMetric`.
    temporal_metrics are computed for the clips whose cameras are known exactly, that is, present. flow_metrics are
    computed for the clips whose flow the source knows (`FlowSource`); rows of others hold None and say why.
    root: the folder of the data, for a config's `source` to interpolate; None where it needs none.
    """

    name: str
    source: ClipSource
    min_depth: float
    max_depth: float
    alignment: str | None
    pooling: str
    metrics: Sequence[DepthMetric]
    temporal_metrics: Sequence[TemporalMetric]
    flow_metrics: Sequence[FlowMetric]
    root: str | None = None

    def __post_init__(self):
        if not 0 < self.min_depth < self.max_depth:
            self._refuse("0 < min_depth < max_depth", f"min_depth {self.min_depth}, max_depth {self.max_depth}")
        if self.alignment is not None and self.alignment not in set(Alignment):
            self._refuse(f"alignment to be null or one of {', '.join(Alignment)}", self.alignment)
        if self.pooling not in set(Pooling):
            self._refuse(f"pooling to be one of {', '.join(Pooling)}", self.pooling)
        bound = [metric.name for metric in self.metrics if not isinstance(metric, PixelMetric)]
        if self.pooling == Pooling.PIXELS and bound:
            self._refuse("metrics of single pixels, to pool them", ", ".join(bound))

    def _refuse(self, expected: str, found: str) -> NoReturn:
        fix = "correct the benchmark's config"
        raise InputError(f"benchmark {self.name}", expected=expected, found=found, fix=fix)


def prediction_path(folder: Path, item: str) -> Path:
    """Where a method's folder holds the prediction of an item; refuses an item that leaves the folder."""
    path = folder / f"{item}.npz"
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"item {item}", expected="a name inside the folder", found="a path that leaves it", fix="rename the item"
        )
    return path


def found_prediction(folder: Path, item: str) -> Path | None:
    """The prediction of an item in a method's folder, or None.

    Two layouts are known: <item>.npz, as `predict` writes, and that of DepthCrafter's benchmark, where the path of the
    truth, <item>_disparity.npz, has "rgb_left" in place of every "disparity".
    """
    prepared = f"{item}_disparity".replace("disparity", "rgb_left")
    paths = (prediction_path(folder, name) for name in (item, prepared))
    return next((path for path in paths if path.is_file()), None)
