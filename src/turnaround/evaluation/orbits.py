"""Orbits: one view of a scene in, what other cameras see of it out; filmed to disk, scored from disk, by angle."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.evaluation.framed import Files, Scored, predict_frames, score_frames
from turnaround.evaluation.pictures import read_frames
from turnaround.evaluation.score import Row, finite
from turnaround.geometry.paths import turned_degrees
from turnaround.metrics.base import ConsistencyMetric, FilledPicture, ImageMetric
from turnaround.metrics.perceptual import PerceptualDistance
from turnaround.types import Clip, ClipSource, Filmer, InputError, Pinhole, Video, View

SPARSE = 16  # pixels between those of the first view whose true depth is given, for the scale


@dataclass(frozen=True, kw_only=True)
class OrbitBenchmark:
    """Which scenes are filmed, and how that is scored.

    A clip's first frame is the picture, its others are the truth of what its cameras see. angles: degrees about the
    vertical between the viewing directions of the first camera and another, at which frames are scored; those count
    that are the closest to an angle on either way round, and not farther from it than `within`. An angle that no frame
    shows has no value.
    metrics: of frames; their values are named `<metric>_<angle>`. video_metrics: of all frames in order.
    perceptual, root: as of `InpaintBenchmark`.
    """

    name: str
    source: ClipSource
    angles: Sequence[float]
    within: float
    perceptual: PerceptualDistance
    metrics: Sequence[ImageMetric]
    video_metrics: Sequence[ConsistencyMetric]
    root: str | None = None

    def predict(self, method: object, folder: Path, seed: int, settings: str) -> None:
        """Below folder/<method.name>, as of `predict_frames`. InputError: a method of another kind."""
        if not isinstance(method, Filmer):
            subject, found = f"methods of benchmark {self.name}", type(method).__name__
            raise InputError(subject, expected="filmers", found=found, fix="use contenders=orbit")

        def maker(name: str) -> Callable[[], Video]:
            clip = self.source.clip(name)
            cameras, depth = single_precision(*clip.posed_depth())
            first = View(image=clip.video[0], depth=sparse(depth[0]), camera=cameras.at(0))
            pivot, closed = pivot_of(cameras, depth[0]), is_closed(cameras)
            return lambda: method.film(first, cameras, pivot, closed=closed, seed=seed)

        title = f"{self.name}: {method.name}"
        predict_frames(self.source.ids(), folder / method.name, seed=seed, settings=settings, title=title, maker=maker)

    def score(self, folder: Path, method: str | None = None) -> Iterator[Row]:
        """As of `score_frames`."""

        def scorer(name: str) -> Callable[[Files], Scored]:
            return partial(self._score_item, self.source.clip(name))

        yield from score_frames(self.name, self.source.ids(), folder, method, scorer)

    def _score_item(self, clip: Clip, files: Files) -> Scored:
        """Metrics and meta of one prediction; another number or size of frames leaves all metrics None."""
        cameras, depth = single_precision(*clip.posed_depth())
        chosen = {angle: self._frames_at(angle, cameras) for angle in self.angles}
        names = [f"{metric.name}_{angle:g}" for angle in self.angles for metric in self.metrics]
        nothing = dict.fromkeys([*names, *(metric.name for metric in self.video_metrics)])
        meta: dict[str, Any] = {
            "frames": len(clip.video),
            "frames_at": {f"{angle:g}": frames for angle, frames in chosen.items()},
            "lpips": self.perceptual.note,
        }
        if clip.sources:
            meta["sources"] = dict(clip.sources)
        if sorted(files) != list(range(len(clip.video))):
            return nothing, meta | {"invalid": f"{len(files)} frames predicted, the item has {len(clip.video)}"}
        video = read_frames([files[number] for number in sorted(files)])
        if video.shape != clip.video.shape:
            sizes = (f"{some.shape[3]} x {some.shape[2]}" for some in (video, clip.video))
            return nothing, meta | {"invalid": "{} predicted, the item is {}".format(*sizes)}
        values: dict[str, float | None] = {}
        invented = torch.ones_like(depth, dtype=torch.bool)  # as far as a benchmark knows
        for angle, frames in chosen.items():
            pictures = [_picture(video, clip.video, frame) for frame in frames]
            values |= {f"{metric.name}_{angle:g}": metric(pictures) if pictures else None for metric in self.metrics}
        values |= {metric.name: metric(video, invented, depth, cameras).value for metric in self.video_metrics}
        return nothing | {name: finite(value) for name, value in values.items()}, meta

    def _frames_at(self, angle: float, cameras: Pinhole) -> list[int]:
        """The frame closest to an angle on each way round; one where both are the same."""
        turned = turned_degrees(cameras.world_from_cam)
        found = set()
        for side in (turned >= 0, turned < 0):
            distance = (turned.abs() - angle).abs().masked_fill(~side, torch.inf)
            distance[0] = torch.inf
            if float(distance.min()) <= self.within:
                found.add(int(distance.argmin()))
        return sorted(found)


def sparse(depth: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Every `SPARSE`th pixel of every `SPARSE`th row, NaN elsewhere: what structure from motion would know."""
    kept = torch.full_like(depth, torch.nan)
    half = SPARSE // 2
    kept[half::SPARSE, half::SPARSE] = depth[half::SPARSE, half::SPARSE]
    return kept


def pivot_of(cameras: Pinhole, depth: Float[Tensor, "h w"]) -> Float[Tensor, "3"]:
    """The point that is closest to all viewing axes; where these are parallel, at the median depth ahead of the first.

    The sum over cameras of (1 - f f^T) (x - c) is 0 there.
    """
    pose = cameras.world_from_cam.double()
    forward, centre = pose[:, :3, 2], pose[:, :3, 3]
    across = torch.eye(3, dtype=torch.float64) - forward[:, :, None] * forward[:, None]
    matrix = across.mean(dim=0)
    if float(torch.linalg.eigvalsh(matrix)[0]) < 1e-3:
        return centre[0] + float(depth[depth > 0].median()) * forward[0]
    return torch.linalg.solve(matrix, (across @ centre[..., None]).mean(dim=0)[:, 0])


def is_closed(cameras: Pinhole) -> bool:
    """Whether the last camera is as close to the first as neighbours are: twice the median of their steps."""
    centre = cameras.world_from_cam[:, :3, 3].double()
    steps = (centre.roll(-1, 0) - centre).norm(dim=1)
    return len(cameras) > 2 and float(steps[-1]) <= 2 * float(steps[:-1].median())


def _picture(video: Video, truth: Video, frame: int) -> FilledPicture:
    everywhere = torch.ones(truth.shape[2:], dtype=torch.bool)
    image = video[frame]
    return FilledPicture(
        image=image, truth=truth[frame], given=image, open=everywhere, hole=everywhere, counted=everywhere
    )


def single_precision(cameras: Pinhole, depth: Float[Tensor, "t h w"]) -> tuple[Pinhole, Float[Tensor, "t h w"]]:
    """Cameras as renderers keep them."""
    poses, intrinsics = cameras.world_from_cam.float(), cameras.intrinsics.float()
    return replace(cameras, world_from_cam=poses, intrinsics=intrinsics), depth
