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
from turnaround.types import DepthEstimator, DepthVideo, InputError


def predict(estimator: DepthEstimator, benchmark: Benchmark, folder: Path, seed: int) -> None:
    """Write folder/<estimator.name>/<item>.npz and, beside it, <item>.json with the seed, frames and seconds per frame.

    An item whose two files are there with the same seed is skipped, so a run that was stopped continues.
    """
    method_folder = folder / estimator.name
    console = Console(stderr=True)
    for item in track(benchmark.source.ids(), description=f"{benchmark.name}: {estimator.name}", console=console):
        path = prediction_path(method_folder, item)
        if path.exists() and read_prediction_meta(path).get("seed") == seed:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        video = benchmark.source.clip(item).video
        start = perf_counter()
        maps = [depth.float().cpu() for depth in estimator.stream(iter(video), seed=seed)]
        seconds = perf_counter() - start
        write_depth_npz(path, DepthVideo(values=torch.stack(maps), kind=estimator.kind))
        meta = {"seed": seed, "frames": len(maps), "seconds_per_frame": seconds / len(maps)}
        with atomic_file(_meta_path(path)) as temporary:
            temporary.write_text(json.dumps(meta, indent=2) + "\n")


def read_prediction_meta(path: Path) -> dict[str, float]:
    """The numbers that `predict` left beside the prediction at `path`; empty where there is no such file."""
    meta_path = _meta_path(path)
    if not meta_path.exists():
        return {}
    try:
        meta = json.loads(meta_path.read_text())
        return {key: meta[key] for key in ("seed", "frames", "seconds_per_frame")}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            meta_path, expected="a prediction's JSON record", found=str(error), fix="delete it or predict again"
        ) from error


def _meta_path(path: Path) -> Path:
    return path.with_suffix(".json")
