"""Inpainting: fill holes to disk, score from disk."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from turnaround.evaluation.framed import Files, Scored, predict_frames, score_frames
from turnaround.evaluation.pictures import read_frames
from turnaround.evaluation.score import Row, finite
from turnaround.metrics.base import ConsistencyMetric, FilledPicture, ImageMetric
from turnaround.metrics.perceptual import PerceptualDistance
from turnaround.types import Inpainter, InpaintItem, InpaintSource, InputError, Video


@dataclass(frozen=True, kw_only=True)
class InpaintBenchmark:
    """Which holes are filled, and how that is scored.

    consistency_metrics: for the items whose true depth and cameras
    are known. perceptual: the distance that the metrics take, whose note stands in each row's meta["lpips"]: without
    its weights the metrics made of it are None and the note says where they belong. root: the folder of the data, for a
    config's `source` to interpolate; None where it needs none.
    """

    name: str
    source: InpaintSource
    perceptual: PerceptualDistance
    metrics: Sequence[ImageMetric]
    consistency_metrics: Sequence[ConsistencyMetric]
    root: str | None = None

    def predict(self, method: object, folder: Path, seed: int, settings: str) -> None:
        """Below folder/<method.name>, as of `predict_frames`. InputError: a method of another kind."""
        if not isinstance(method, Inpainter):
            subject, found = f"methods of benchmark {self.name}", type(method).__name__
            raise InputError(subject, expected="inpainters", found=found, fix="use contenders=inpaint")

        def maker(name: str) -> Callable[[], Video]:
            given = self.source.item(name).given
            return lambda: method.fill(given, seed=seed).video

        predict_frames(
            self.source.ids(),
            folder / method.name,
            seed=seed,
            settings=settings,
            title=f"{self.name}: {method.name}",
            maker=maker,
        )

    def score(self, folder: Path, method: str | None = None) -> Iterator[Row]:
        """As of `score_frames`."""

        def scorer(name: str) -> Callable[[Files], Scored]:
            return partial(self._score_item, self.source.item(name))

        yield from score_frames(self.name, self.source.ids(), folder, method, scorer)

    def _score_item(self, item: InpaintItem, files: Files) -> Scored:
        """Metrics and meta of one prediction.

        Another number of frames or another size leaves all metrics None, and meta["invalid"] says so: filled pictures
        are never resized, since that changes what was known.
        """
        cameras, depth = item.given.cameras, item.depth
        tied = self.consistency_metrics if cameras is not None and depth is not None else ()
        nothing: dict[str, float | None] = {metric.name: None for metric in (*self.metrics, *tied)}
        counted = item.counted & item.hole
        meta: dict[str, Any] = {
            "frames": len(item.truth),
            "frames_dropped": int((~item.counted.flatten(1).any(1)).sum()),
            "hole_pixels": int(counted.sum()),
            "lpips": self.perceptual.note,
        }
        if item.sources:
            meta["sources"] = dict(item.sources)
        absent = sorted(set(range(len(item.truth))) - set(files))
        if absent or len(files) != len(item.truth):
            which = f", {absent[0]:05d}.png is missing" if absent else ""
            return nothing, meta | {"invalid": f"{len(files)} frames predicted, the item has {len(item.truth)}{which}"}
        video = read_frames(list(files.values()))
        if video.shape != item.truth.shape:
            sizes = (f"{some.shape[3]} x {some.shape[2]}" for some in (video, item.truth))
            return nothing, meta | {"invalid": "{} predicted, the item is {}".format(*sizes)}
        parts = zip(video, item.truth, item.given.video, item.given.hole, item.hole, item.counted, strict=True)
        frames = [
            FilledPicture(image=image, truth=truth, given=given, open=open_, hole=hole, counted=counted)
            for image, truth, given, open_, hole, counted in parts
        ]
        values: dict[str, float | None] = {metric.name: metric(frames) for metric in self.metrics}
        if cameras is not None and depth is not None:
            values |= {metric.name: metric(video, item.given.hole, depth, cameras).value for metric in tied}
        return nothing | {name: finite(value) for name, value in values.items()}, meta
