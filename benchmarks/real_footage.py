"""The shipped network on a folder of real footage: scores where there is truth, a picture of everything.

    python benchmarks/real_footage.py FOLDER OUT

FOLDER holds the sets named below (whichever are there); OUT gets table.md and one PNG per item. The truth is brought to
the prediction by family A alignment (one scale and shift per clip, least squares in disparity).
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from shipped import shipped_estimator

from turnaround.datasets.procedural import ProceduralClips
from turnaround.evaluation.baselines import ConstantDepth, PlanePrior
from turnaround.evaluation.benchmark import Benchmark
from turnaround.evaluation.score import score_prediction
from turnaround.io.image import read_image, write_image
from turnaround.io.video import open_frames
from turnaround.metrics.depth import AbsRel, Delta
from turnaround.metrics.temporal import TemporalAlignmentError
from turnaround.scenes.sample import WorldSampler
from turnaround.types import Clip, DepthKind, DepthVideo, Pinhole
from turnaround.viz.color import colorize
from turnaround.viz.layout import hcat

FRAMES = 24  # of each long video


def clip(name: str, images: list[torch.Tensor], depth: np.ndarray | None, cameras: Pinhole | None = None) -> Clip:
    truth = None if depth is None else DepthVideo(values=torch.from_numpy(depth).float(), kind=DepthKind.METRIC)
    return Clip(id=name, video=torch.stack(images), depth=truth, cameras=cameras)


def disparity_clip(name: str, picture: Path, disparity: np.ndarray, offset: float = 0.0) -> Clip:
    """Depth up to scale is enough under family A: 1 / (disparity + offset), scaled to a mean of 3 metres."""
    known = np.isfinite(disparity) & (disparity > 0)
    depth = np.where(known, 1 / np.where(known, disparity + offset, 1), np.nan)
    return clip(name, [read_image(picture)], depth[None] * 3 / np.nanmean(depth))


def with_truth(root: Path) -> Iterator[Clip]:
    motorcycle = root / "stereo_middlebury2014_motorcycle"
    if motorcycle.is_dir():
        stored = np.load(next(motorcycle.glob("*disp*.npz")), allow_pickle=False)["arr_0"]
        yield disparity_clip("motorcycle", sorted(motorcycle.glob("*left*"))[0], stored, offset=31.086)
    for folder, divisor in (("stereo_middlebury2003_cones", 4), ("stereo_middlebury2006_reindeer", 2)):
        if (root / folder).is_dir():
            picture, truth = left_of(root / folder)
            raw = cv2.imread(str(truth), cv2.IMREAD_UNCHANGED)
            yield disparity_clip(folder.split("_")[-1], picture, raw.astype(np.float32) / divisor)
    scenes = root / "rgbd_video_7scenes"
    if scenes.is_dir():
        names = sorted(scenes.glob("*.color.jpg"))
        depth = np.stack([read_millimetres(Path(str(n).replace("color.jpg", "depth.png"))) for n in names])
        poses = [np.loadtxt(str(n).replace("color.jpg", "pose.txt")) for n in names]
        k = torch.from_numpy(np.loadtxt(scenes / "camera-intrinsics.txt")).expand(len(names), 3, 3)
        height, width = depth.shape[1:]
        cameras = Pinhole(
            world_from_cam=torch.from_numpy(np.stack(poses)), intrinsics=k.contiguous(), height=height, width=width
        )
        yield clip("7scenes", [read_image(n) for n in names], depth, cameras)
    rgbd = root / "rgbd_open3d"
    if rgbd.is_dir():
        names = sorted((rgbd / "color").glob("*.jpg"))
        depth = np.stack([read_millimetres(rgbd / "depth" / f"{n.stem}.png") for n in names])
        yield clip("open3d", [read_image(n) for n in names], depth)


def left_of(folder: Path) -> tuple[Path, Path]:
    """The left picture and the left disparity of a Middlebury folder."""
    files = sorted(p for p in folder.iterdir() if p.suffix in (".png", ".ppm", ".jpg", ".pgm"))
    pictures = [p for p in files if "disp" not in p.name]
    return pictures[0], next(p for p in files if "disp" in p.name)


def read_millimetres(path: Path) -> np.ndarray:
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return np.where((raw > 0) & (raw < 65535), raw / 1000.0, np.nan).astype(np.float32)


def without_truth(root: Path) -> Iterator[Clip]:
    for path in sorted([*root.glob("video_*/*.mp4"), *root.glob("stereo_video_*/*.mp4")]):
        frames = [frame for frame, _ in zip(open_frames(path), range(FRAMES), strict=False)]
        yield clip(path.parent.name, frames, None)
    for path in sorted(root.glob("stereo_video_*/image_l")):
        yield clip(path.parent.name, list(open_frames(path)), None)
    for path in sorted([*root.glob("single_images_*/*.jpg"), *root.glob("single_images_*/*.png")]):
        yield clip(f"{path.parent.name}_{path.stem}", [read_image(path)], None)


@dataclass(frozen=True)
class NoClips:
    """A benchmark's source where clips are scored one by one."""

    def ids(self) -> list[str]:
        return []

    def clip(self, id: str) -> Clip:
        raise KeyError(id)


def picture(seen: Clip, maps: torch.Tensor) -> torch.Tensor:
    """First frame | disparity of the first frame, at the frame's size."""
    values = maps[0]
    return hcat([seen.video[0], colorize((values - values.min()) / (values.max() - values.min()).clamp(min=1e-9))])


def main(root: Path, out: Path) -> None:
    ours = shipped_estimator()
    training = ProceduralClips(sampler=WorldSampler(), first=100000, count=64, cache=".cache/procedural")
    methods = [ours, ConstantDepth(), PlanePrior(source=training)]
    benchmark = Benchmark(
        name="real",
        source=NoClips(),
        min_depth=0.1,
        max_depth=80.0,
        alignment="disparity_affine",
        pooling="frames",
        metrics=[AbsRel(), Delta(power=1)],
        temporal_metrics=[TemporalAlignmentError(tolerance=0.05)],
        flow_metrics=[],
    )
    lines = ["| item | frames | method | abs_rel | delta1 | tae |", "|---|---|---|---|---|---|"]
    for seen in [*with_truth(root), *without_truth(root)]:
        for method in methods if seen.depth is not None else [ours]:
            maps = torch.stack(list(method.stream(seen.video, seed=0)))
            if method is ours:
                write_image(out / f"{seen.id}.png", picture(seen, maps))
            if seen.depth is not None:
                prediction = DepthVideo(values=maps, kind=method.kind)
                metrics, _ = score_prediction(benchmark, seen, prediction, out)
                values = [f"{metrics[name]:.3f}" if name in metrics else "-" for name in ("abs_rel", "delta1", "tae")]
                lines.append(f"| {seen.id} | {len(seen.video)} | {method.name} | {' | '.join(values)} |")
        print(seen.id, file=sys.stderr, flush=True)
    (out / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
