"""Predict to disk, one file per clip, so that any method's files are scored by the same lines."""

import json
from pathlib import Path
from time import perf_counter

import torch
from rich.console import Console
from rich.progress import track

from turnaround.evaluation.benchmark import Benchmark, prediction_path
from turnaround.io.atomic import atomic_file
from turnaround.io.depth import write_depth_npz
from turnaround.types import DepthEstimator, DepthVideo

META_KEYS = ("seed", "settings", "frames", "seconds_per_frame")


def predict(estimator: DepthEstimator, benchmark: Benchmark, folder: Path, seed: int, settings: str) -> None:
    """Write folder/<estimator.name>/<item>.npz, and beside it <item>.json: seed, settings, frames, seconds per frame.

    An item whose two files are there with the same seed and settings is skipped, so a stopped run continues. settings:
    a fingerprint of all else that decides the prediction.
    """
    method_folder = folder / estimator.name
    console = Console(stderr=True)
    for item in track(benchmark.source.ids(), description=f"{benchmark.name}: {estimator.name}", console=console):
        path = prediction_path(method_folder, item)
        before = read_prediction_meta(path) if path.exists() else {}
        if (before.get("seed"), before.get("settings")) == (seed, settings):
            continue
        video = benchmark.source.clip(item).video
        start = perf_counter()
        maps = [depth.float().cpu() for depth in estimator.stream(iter(video), seed=seed)]
        seconds = perf_counter() - start
        _meta_path(path).unlink(missing_ok=True)  # an older record must not vouch for the new file
        write_depth_npz(path, DepthVideo(values=torch.stack(maps), kind=estimator.kind))
        write_prediction_meta(path, seed, settings, len(maps), seconds / len(maps))


def write_prediction_meta(path: Path, seed: int, settings: str, frames: int, seconds_per_frame: float) -> None:
    """<item>.json beside the prediction at `path`."""
    meta = dict(zip(META_KEYS, (seed, settings, frames, seconds_per_frame), strict=True))
    with atomic_file(_meta_path(path)) as temporary:
        temporary.write_text(json.dumps(meta, indent=2) + "\n")


def read_prediction_meta(path: Path) -> dict[str, int | float | str]:
    """What `predict` left beside the prediction at `path`; a file of another make adds nothing."""
    try:
        meta = json.loads(_meta_path(path).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    numbers = meta if isinstance(meta, dict) else {}
    return {key: numbers[key] for key in META_KEYS if isinstance(numbers.get(key), int | float | str)}


def _meta_path(path: Path) -> Path:
    return path.with_suffix(".json")
