"""What benchmarks share whose predictions are frames on disk: one method after another, item by item."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.progress import track

from turnaround.evaluation.benchmark import prediction_path
from turnaround.evaluation.pictures import found_frames, frames_folder, method_folders, write_frames
from turnaround.evaluation.predict import read_prediction_meta, write_prediction_meta
from turnaround.evaluation.score import Row
from turnaround.types import Video

Files = Mapping[int, Path]
Scored = tuple[dict[str, float | None], dict[str, Any]]  # metrics and meta


def predict_frames(
    items: Sequence[str],
    folder: Path,
    *,
    seed: int,
    settings: str,
    title: str,
    maker: Callable[[str], Callable[[], Video]],
) -> None:
    """Write folder/<item>/%05d.png, and <item>.json: seed, settings, frames, seconds per frame.

    An item that is there with the same seed and settings is skipped, so a stopped run continues. maker: reads an item;
    what it returns makes its frames, and the seconds are of that alone.
    """
    for name in track(items, description=title, console=Console(stderr=True)):
        path, record = frames_folder(folder, name), prediction_path(folder, name)
        before = read_prediction_meta(record) if path.is_dir() else {}
        if (before.get("seed"), before.get("settings")) == (seed, settings):
            continue
        make = maker(name)
        start = perf_counter()
        video = make().float().cpu()
        seconds = perf_counter() - start
        record.with_suffix(".json").unlink(missing_ok=True)  # an older record must not vouch for the new files
        write_frames(path, video)
        write_prediction_meta(record, seed, settings, len(video), seconds / len(video))


def score_frames(
    benchmark: str,
    items: Sequence[str],
    folder: Path,
    method: str | None,
    scorer: Callable[[str], Callable[[Files], Scored]],
) -> Iterator[Row]:
    """Rows of every method found in the folder, item by item.

    The folder holds the items (one method: `method`, or the folder's name), or <method>/ with the items; all items
    must be there: InputError names the missing ones before anything is scored. scorer: of an item, read once.
    """
    methods = method_folders(folder, items, method)
    for name in items:
        scored = scorer(name)
        for label, inside in methods.items():
            metrics, meta = scored(found_frames(inside, name))
            written = read_prediction_meta(prediction_path(inside, name))
            meta |= {key: value for key, value in written.items() if key != "frames"}
            yield Row(benchmark=benchmark, item=name, method=label, metrics=metrics, meta=meta)
