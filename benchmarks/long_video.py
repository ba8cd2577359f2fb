"""`inference=paper`, `inference=fast` and `inference=single_step` on long clips: time, memory, accuracy.

    python benchmarks/long_video.py [--frames 300] [--clips 4] [--size 64 96]

Each method runs in a process of its own, over the same clips; the first clip runs once more beforehand, uncounted.
"paper" and "fast" have the same weights and number of steps. "Its own" is the peak of memory above what is there once
the network is loaded and the clips are read: PyTorch and its libraries alone take about 0.9 GiB.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from turnaround.datasets.procedural import ProceduralClips
from turnaround.geometry.align import align_to_depth
from turnaround.metrics.depth import AbsRel
from turnaround.metrics.temporal import TemporalAlignmentError
from turnaround.run.build import build_value
from turnaround.types import Clip, DepthKind, DepthVideo

CONFIGS = Path(__file__).parents[1] / "configs"
MIN_DEPTH, MAX_DEPTH = 0.1, 80.0
CHECKPOINTS = {
    "paper": "video_depth_diffusion",
    "fast": "video_depth_diffusion",
    "single_step": "video_depth_svd_small",
}


def clips(arguments: argparse.Namespace) -> ProceduralClips:
    height, width = arguments.size
    sampler = yaml.safe_load((CONFIGS / "sampler" / "worlds.yaml").read_text())
    sampler |= {"height": height, "width": width, "frames": arguments.frames, "seconds": arguments.frames / 12}
    return ProceduralClips(
        sampler=build_value(sampler, "sampler"), first=arguments.first, count=arguments.clips, cache=arguments.cache
    )


def estimator(method: str, arguments: argparse.Namespace):
    height, width = arguments.size
    sizes = [f"inference.pixels={height * width}"]
    if method == "paper":
        sizes = ["inference.multiple=16", f"inference.longest_side={max(height, width)}"]
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        overrides = [f"inference={method}", f"checkpoint={CHECKPOINTS[method]}", *sizes]
        config = compose("eval", overrides)
    return build_value(OmegaConf.to_container(config, resolve=True)["inference"], "inference")


def peak_memory() -> float:
    """MiB since the last reset."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def reset_peak_memory() -> float:
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()


def errors(maps: torch.Tensor, clip: Clip) -> tuple[float, float]:
    assert clip.depth is not None
    truth = clip.depth.values
    valid = (truth > MIN_DEPTH) & (truth < MAX_DEPTH)
    prediction = DepthVideo(values=maps, kind=DepthKind.AFFINE_DISPARITY)
    depth = align_to_depth(prediction, truth, valid, MIN_DEPTH, MAX_DEPTH)
    tae = TemporalAlignmentError(tolerance=0.05)(depth, truth, valid, clip.cameras)
    return AbsRel()(depth, truth, valid).value, tae.value


def measure(method: str, arguments: argparse.Namespace) -> dict[str, float]:
    source, found = clips(arguments), estimator(method, arguments)
    videos = [source.clip(item).video for item in source.ids()]
    list(found.stream(iter(videos[0]), seed=0))
    before = reset_peak_memory()
    started = perf_counter()
    maps = [torch.stack(list(found.stream(iter(video), seed=0))) for video in videos]
    seconds = (perf_counter() - started) / (len(videos) * arguments.frames)
    peak = peak_memory()
    scores = torch.tensor([errors(m, source.clip(item)) for m, item in zip(maps, source.ids(), strict=True)])
    abs_rel, tae = scores.mean(dim=0).tolist()
    return {"ms": 1000 * seconds, "peak": peak, "own": peak - before, "abs_rel": abs_rel, "tae": tae}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--first", type=int, default=0, help="seed of the first clip; held-out ones lie below 50000")
    parser.add_argument("--size", type=int, nargs=2, default=(64, 96))
    parser.add_argument("--cache", default=".cache/procedural")
    parser.add_argument("--method", choices=list(CHECKPOINTS), help="measure this one, in this process")
    arguments = parser.parse_args()
    if arguments.method:
        print(json.dumps(measure(arguments.method, arguments)))
        return
    source = clips(arguments)
    for item in source.ids():  # rendered and kept before anything is measured
        source.clip(item)
    rows = {}
    for method in CHECKPOINTS:
        command = [sys.executable, *sys.argv, "--method", method]
        rows[method] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, env=os.environ).stdout)
    for method in ("fast", "single_step"):
        rows[f"{method} / paper"] = {key: rows[method][key] / rows["paper"][key] for key in rows[method]}
    print("| | ms per frame | peak MiB | of which its own | AbsRel | TAE |\n|---|---|---|---|---|---|")
    for name, row in rows.items():
        cells = f"{row['ms']:.3g} | {row['peak']:.4g} | {row['own']:.3g} | {row['abs_rel']:.4f} | {row['tae']:.3f}"
        print(f"| {name} | {cells} |")


if __name__ == "__main__":
    main()
