"""Inpainting: fill holes to disk, score from disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.progress import track

from turnaround.evaluation.benchmark import prediction_path
from turnaround.evaluation.pictures import found_frames, frames_folder, method_folders, read_frames, write_frames
from turnaround.evaluation.predict import read_prediction_meta, write_prediction_meta
from turnaround.evaluation.score import Row, finite
from turnaround.metrics.base import ConsistencyMetric, FilledPicture, ImageMetric
from turnaround.metrics.perceptual import PerceptualDistance
from turnaround.types import Inpainter, InpaintItem, InpaintSource, InputError


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
        """Write folder/<method.name>/<item>/%05d.png, and <item>.json: seed, settings, frames, seconds per frame.

        An item that is there with the same seed and settings is skipped, so a stopped run continues.
        """
        if not isinstance(method, Inpainter):
            subject, found = f"methods of benchmark {self.name}", type(method).__name__
            raise InputError(subject, expected="inpainters", found=found, fix="use contenders=inpaint")
        method_folder, console = folder / method.name, Console(stderr=True)
        for name in track(self.source.ids(), description=f"{self.name}: {method.name}", console=console):
            path, record = frames_folder(method_folder, name), prediction_path(method_folder, name)
            before = read_prediction_meta(record) if path.is_dir() else {}
            if (before.get("seed"), before.get("settings")) == (seed, settings):
                continue
            given = self.source.item(name).given
            start = perf_counter()
            video = method.fill(given, seed=seed).video.float().cpu()
            seconds = perf_counter() - start
            record.with_suffix(".json").unlink(missing_ok=True)  # an older record must not vouch for the new files
            write_frames(path, video)
            write_prediction_meta(record, seed, settings, len(video), seconds / len(video))

    def score(self, folder: Path, method: str | None = None) -> Iterator[Row]:
        """Rows of every method found in the folder, item by item.

        The folder holds the items (one method: `method`, or the folder's name), or <method>/ with the items; all items
        must be there: InputError names the missing ones before anything is scored.
        """
        methods = method_folders(folder, self.source.ids(), method)
        for name in self.source.ids():
            item = self.source.item(name)
            for label, inside in methods.items():
                metrics, meta = self._score_item(item, found_frames(inside, name))
                written = read_prediction_meta(prediction_path(inside, name))
                meta |= {key: value for key, value in written.items() if key != "frames"}
                yield Row(benchmark=self.name, item=name, method=label, metrics=metrics, meta=meta)

    def _score_item(self, item: InpaintItem, files: dict[int, Path]) -> tuple[dict[str, float | None], dict[str, Any]]:
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
