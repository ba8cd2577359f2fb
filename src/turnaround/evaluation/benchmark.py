"""A benchmark protocol as data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from turnaround.geometry.align import Alignment
from turnaround.metrics.base import DepthMetric, TemporalMetric
from turnaround.types import ClipSource, InputError


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Which clips are scored, and how.

    A pixel is valid where min_depth < truth < max_depth (metres); predictions are clipped to that range. alignment: the
    one `geometry.align.Alignment` for all methods, or None for the tightest that each prediction's kind allows.
    temporal_metrics are computed for the clips whose cameras are known exactly, that is, present.
    root: the folder of the data, for a config's `source` to interpolate; None where it needs none.
    """

    name: str
    source: ClipSource
    min_depth: float
    max_depth: float
    alignment: str | None
    metrics: Sequence[DepthMetric]
    temporal_metrics: Sequence[TemporalMetric]
    root: str | None = None

    def __post_init__(self):
        if not 0 < self.min_depth < self.max_depth:
            raise InputError(
                f"benchmark {self.name}",
                expected="0 < min_depth < max_depth",
                found=f"min_depth {self.min_depth}, max_depth {self.max_depth}",
                fix="correct the benchmark's config",
            )
        if self.alignment is not None and self.alignment not in set(Alignment):
            raise InputError(
                f"benchmark {self.name}",
                expected=f"alignment to be null or one of {', '.join(Alignment)}",
                found=self.alignment,
                fix="correct the benchmark's config",
            )


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
