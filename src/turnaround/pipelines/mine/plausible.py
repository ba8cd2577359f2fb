"""Whether what a clip of Stereo4D's format says can be: its cameras, its tracks, and the files beside it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.projection import in_image, intrinsics, project
from turnaround.io.clip_disparity import open_clip_disparity
from turnaround.io.clip_quality import read_clip_quality
from turnaround.io.mined_files import ClipFiles
from turnaround.io.stereo4d import read_stereo4d
from turnaround.io.video import open_frames
from turnaround.types import ClipQuality, InputError, Pinhole, Stereo4DClip


@dataclass(frozen=True, kw_only=True)
class Plausible:
    """Beyond these a clip is doubtful.

    largest_step: metres that the camera moves from one frame to the next. least_in_front, least_inside: shares of the
    tracks' samples in front of the camera, and in its picture. most_reprojection: pixels, the median over samples,
    between where the lifted points project to and where the tracks were seen. scale: how far the median ratio of
    distances may be from 1: of the tracks to those lifted by the baseline, and of those to the kept disparity.
    """

    largest_step: float
    least_in_front: float
    least_inside: float
    most_reprojection: float
    scale: float


@dataclass(kw_only=True)
class Findings:
    """Numbers found in a clip, and what is doubtful about them."""

    figures: dict[str, float] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    def note(self, name: str, value: float, *, least: float = -math.inf, most: float = math.inf) -> None:
        """NaN, nothing to go by, is not noted."""
        if math.isnan(value):
            return
        self.figures[name] = value
        if not least <= value <= most:
            self.doubts.append(
                f"{name} {value:.4g}, {'below' if value < least else 'above'} {least if value < least else most:.4g}"
            )

    def beside(self, path: Path, check: Callable[[Path], None]) -> None:
        """A file beside the clip, which need not be there; what is wrong with it is a doubt of the clip."""
        if path.is_file():
            try:
                check(path)
            except InputError as error:
                self.doubts.append(str(error))


def findings(files: ClipFiles, *, horizontal_fov_deg: float, limits: Plausible) -> Findings:
    """horizontal_fov_deg: of clips without a quality file. InputError: it breaks the format."""
    clip, found = read_stereo4d(files.annotation), Findings()
    if clip.name != files.annotation.stem:
        found.doubts.append(f"the file is not called {clip.name}.npz")
    quality = []
    found.beside(files.quality, lambda path: quality.append(_quality_of(path, clip)))
    fov = quality[0].horizontal_fov_deg if quality else horizontal_fov_deg
    _check_tracks(found, clip, fov, limits)
    for held in quality:
        _check_scale(found, clip, held, limits)
        found.beside(files.disparity, lambda path, held=held: _check_disparity(found, path, clip, held, limits))
    for path in (files.left, files.right):
        found.beside(path, lambda path: _check_video(path, len(clip.timestamps)))
    found.figures["videos"] = float(sum(path.is_file() for path in (files.left, files.right)))
    return found


def _quality_of(path: Path, clip: Stereo4DClip) -> ClipQuality:
    quality = read_clip_quality(path)
    if quality.lifted.shape != clip.tracks.shape:
        sizes = [f"{t} frames and {n} tracks" for t, n, _ in (clip.tracks.shape, quality.lifted.shape)]
        raise InputError(path, expected=f"{sizes[0]}, as its clip has", found=sizes[1], fix="mine it again")
    return quality


def _cameras(clip: Stereo4DClip, fov: float, size: int) -> Pinhole:
    k = intrinsics(size, size, horizontal_fov_deg=fov).to(clip.world_from_cam)
    k = k.expand(len(clip.world_from_cam), 3, 3)
    return Pinhole(world_from_cam=clip.world_from_cam, intrinsics=k, height=size, width=size)


def _check_tracks(found: Findings, clip: Stereo4DClip, fov: float, limits: Plausible) -> None:
    eyes = clip.world_from_cam[:, :3, 3]
    step = float(eyes.diff(dim=0).norm(dim=1).max()) if len(eyes) > 1 else 0.0
    pixels, z = project(clip.tracks, _cameras(clip, fov, 1))
    known = ~clip.tracks[..., 0].isnan()
    front, count = known & (z > 0), int(known.sum())
    inside = front & in_image(pixels, 1, 1)
    found.figures |= {"frames": float(len(eyes)), "tracks": float(known.shape[1]), "samples": float(count)}
    found.note("largest_step", step, most=limits.largest_step)
    if count:
        found.note("in_front", int(front.sum()) / count, least=limits.least_in_front)
        found.note("inside", int(inside.sum()) / count, least=limits.least_inside)
    else:
        found.doubts.append("no tracks")


def _check_scale(found: Findings, clip: Stereo4DClip, quality: ClipQuality, limits: Plausible) -> None:
    cameras = _cameras(clip, quality.horizontal_fov_deg, quality.size)
    pixels, _ = project(quality.lifted, cameras)
    found.note("reprojection", _median((pixels - quality.pixels).norm(dim=-1)), most=limits.most_reprojection)
    eyes = clip.world_from_cam[:, None, :3, 3]
    ratio = (clip.tracks - eyes).norm(dim=-1) / (quality.lifted - eyes).norm(dim=-1)
    found.note("scale", _median(ratio), least=1 - limits.scale, most=1 + limits.scale)


def _check_disparity(found: Findings, path: Path, clip: Stereo4DClip, quality: ClipQuality, limits: Plausible) -> None:
    maps, size, frames = open_clip_disparity(path), quality.size, len(clip.timestamps)
    if (maps.frames, maps.height, maps.width) != (frames, size, size):
        shape = f"{maps.frames} x {maps.height} x {maps.width}"
        raise InputError(path, expected=f"{frames} x {size} x {size}", found=shape, fix="mine it again")
    _, z = project(quality.lifted, _cameras(clip, quality.horizontal_fov_deg, size))
    ratios = []
    for values, pixels, depth in zip(maps, quality.pixels, z, strict=True):
        seen = (in_image(pixels, size, size) & depth.isfinite()).nonzero().squeeze(1)
        x, y = pixels[seen].floor().long().unbind(-1)
        ratios.append(depth[seen] * values[y, x] / (maps.fx * quality.baseline))
    found.note("disparity_scale", _median(torch.cat(ratios)), least=1 - limits.scale, most=1 + limits.scale)


def _check_video(path: Path, frames: int) -> None:
    source = open_frames(path)
    if source.frames is not None and source.frames != frames:
        expected = f"{frames} frames, as its clip has"
        raise InputError(path, expected=expected, found=str(source.frames), fix="cut it by the clip's timestamps")


def _median(values: Float[Tensor, "*any"]) -> float:
    """NaN where there are none."""
    known = values[values.isfinite()]
    return float(known.double().median()) if known.numel() else math.nan


def summed(rows: list[Mapping[str, object]]) -> dict[str, float]:
    """How many clips are of each status."""
    counts = {status: float(sum(row["status"] == status for row in rows)) for status in ("sound", "doubtful", "broken")}
    return {"files": float(len(rows)), **counts}
