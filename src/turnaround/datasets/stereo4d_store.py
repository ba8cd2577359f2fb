"""Clips of Stereo4D's format, with their videos and what mining keeps beside them, of which some frames are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.datasets.cover import Cover
from turnaround.datasets.drops import Drops
from turnaround.geometry.projection import in_image, intrinsics, project
from turnaround.io.clip_disparity import open_clip_disparity
from turnaround.io.clip_quality import read_quality_figures
from turnaround.io.mined_files import ClipFiles, annotations, files_of
from turnaround.io.stereo4d import read_stereo4d, read_stereo4d_length, read_stereo4d_poses, require_frames
from turnaround.io.video import open_frames
from turnaround.io.video_frames import frames_at
from turnaround.types import Clip, ClipQuality, DepthKind, DepthVideo, InputError, Pinhole, Tracks, Video


@runtime_checkable
class ClipStore(Protocol):
    """Clips of which chosen frames can be read."""

    def groups(self) -> Sequence[Sequence[str]]:
        """The names of all clips; those of a group lie together."""
        ...

    def length(self, name: str) -> int:
        """How many frames a clip has. DroppedError: it cannot serve."""
        ...

    def clip(self, name: str, frames: Sequence[int]) -> Clip:
        """These frames, in increasing order. DroppedError: it cannot serve."""
        ...


@dataclass(frozen=True, kw_only=True)
class QualityLimits:
    """Which mined clips serve. moving_pixels: a track that moves more in the picture counts as moving. least_moving:
    share of such tracks. least_tracks: how many there are in all. most_calibration: pixels, RMS. most_vertical: pixels,
    the median over tracks of what is left between the rows of both eyes."""

    moving_pixels: float
    least_moving: float
    least_tracks: int
    most_calibration: float
    most_vertical: float

    def require(self, subject: object, quality: ClipQuality) -> None:
        """InputError: it does not serve."""
        tracks = len(quality.motion)
        moving = float((quality.motion > self.moving_pixels).float().mean()) if tracks else 0.0
        vertical = float(quality.vertical.nanmedian()) if tracks else 0.0
        for holds, expected, found in (
            (tracks >= self.least_tracks, f"at least {self.least_tracks} tracks", f"{tracks}"),
            (moving >= self.least_moving, f"at least {self.least_moving:.1%} of moving tracks", f"{moving:.1%}"),
            (
                quality.calibration <= self.most_calibration,
                f"a calibration to {self.most_calibration:g} pixels",
                f"{quality.calibration:.3g}",
            ),
            (not vertical > self.most_vertical, f"rows that agree to {self.most_vertical:g} pixels", f"{vertical:.3g}"),
        ):
            if not holds:
                raise InputError(subject, expected=expected, found=found, fix="raise the limits to use it")


@runtime_checkable
class AnnotationReader(Protocol):
    """What is read of a file of the released format."""

    def read(
        self, path: Path, frames: Sequence[int]
    ) -> tuple[int, Float[Tensor, "t 4 4"], Float[Tensor, "t n 3"] | None]:
        """How many frames the clip has, and poses and tracks, if they are wanted, of the chosen ones."""
        ...


@dataclass(frozen=True, kw_only=True)
class WithTracks:
    """All of it: about a second for a released clip."""

    def read(self, path, frames):
        count = read_stereo4d_length(path)
        stored = read_stereo4d(path, frames=frames)
        return count, stored.world_from_cam, stored.tracks


@dataclass(frozen=True, kw_only=True)
class WithoutTracks:
    """Poses alone, which are found at once."""

    def read(self, path, frames):
        poses = read_stereo4d_poses(path)
        return len(poses), poses[require_frames(path, frames, len(poses))], None


@dataclass(frozen=True, kw_only=True)
class ClipReader:
    """How files become clips.

    height, width: pictures are brought to this size (`Cover`). horizontal_fov_deg, baseline (metres): of clips without
    a quality file, as released ones are. limits: None to take all clips; else those without a quality file are dropped.
    """

    height: int
    width: int
    horizontal_fov_deg: float
    baseline: float
    limits: QualityLimits | None
    annotation: AnnotationReader
    eyes: Sequence[str]

    def __post_init__(self):
        if list(self.eyes) not in (["left"], ["left", "right"]):
            fix = "correct the data's config"
            raise InputError("eyes", expected="[left] or [left, right]", found=str(list(self.eyes)), fix=fix)

    def require(self, files: ClipFiles) -> None:
        """InputError: a clip that does not serve."""
        if self.limits is not None:
            self.limits.require(files.quality, read_quality_figures(files.quality))

    def read(self, files: ClipFiles, frames: Sequence[int]) -> Clip:
        """The left eye's video must be there, the right eye's and the disparity may be. InputError: a damaged file, a
        video of another length, or frames that are not there."""
        self.require(files)
        chosen = list(frames)
        count, poses, tracks = self.annotation.read(files.annotation, chosen)
        source = files.quality if files.quality.is_file() else "assumed"
        quality = read_quality_figures(files.quality) if files.quality.is_file() else None
        fov, baseline = (
            (quality.horizontal_fov_deg, quality.baseline) if quality else (self.horizontal_fov_deg, self.baseline)
        )
        video, height, width = self._eye(files.left, chosen, count)
        k = self._intrinsics(files.left, height, width, fov)
        cameras = Pinhole(
            world_from_cam=poses,
            intrinsics=k.to(poses).expand(len(chosen), 3, 3).clone(),
            height=self.height,
            width=self.width,
        )
        right = self._eye(files.right, chosen, count)[0] if "right" in self.eyes and files.right.is_file() else None
        depth = self._depth(files.disparity, chosen, count) if files.disparity.is_file() else None
        held = {"video": files.left, "cameras": files.annotation, "baseline": source}
        held |= {"tracks": files.annotation} if tracks is not None else {}
        held |= {"right": files.right} if right is not None else {}
        held |= {"depth": files.disparity} if depth is not None else {}
        return Clip(
            id=f"{files.name}/{chosen[0]:06d}",
            video=video,
            cameras=cameras,
            depth=depth,
            tracks=None if tracks is None else _seen(tracks, cameras),
            right=right,
            baseline=baseline,
            sources={field: str(path) for field, path in held.items()},
        )

    @property
    def _cover(self) -> Cover:
        return Cover(height=self.height, width=self.width)

    def _eye(self, path: Path, chosen: Sequence[int], count: int) -> tuple[Video, int, int]:
        source = open_frames(path)
        if source.frames is not None and source.frames != count:
            expected, found = f"{count} frames, as its clip has", str(source.frames)
            raise InputError(path, expected=expected, found=found, fix="cut the video by the clip's timestamps")
        picked = [self._cover.cut(path, frame) for frame in frames_at(path, chosen)]
        return torch.stack(picked), source.height, source.width

    def _intrinsics(self, path: Path, height: int, width: int, fov: float) -> Float[Tensor, "1 3 3"]:
        k = intrinsics(height, width, horizontal_fov_deg=fov)
        normalised = torch.stack([k[0, 0] / width, k[1, 1] / height, k[0, 2] / width, k[1, 2] / height])[None]
        return self._cover.intrinsics(path, normalised, height, width)

    def _depth(self, path: Path, chosen: Sequence[int], count: int) -> DepthVideo:
        maps = open_clip_disparity(path)
        if maps.frames != count:
            raise InputError(
                path, expected=f"{count} maps, as its clip has", found=str(maps.frames), fix="mine it again"
            )
        depth = [maps.fx * maps.baseline / self._cover.nearest(path, values) for values in maps.at(chosen)]
        return DepthVideo(values=torch.stack(depth), kind=DepthKind.METRIC)


class Stereo4DFolder:
    """A mined folder, or one of released files: a `ClipStore`.

    root: a mined folder, or any with NAME.npz. videos: where the videos lie, NAME_left.mp4 and NAME_right.mp4,
    NAME-left_rectified.mp4 and -right_rectified.mp4, or left/NAME.mp4 and right/NAME.mp4; None for beside the clips.
    Clips that cannot serve are dropped when they are drawn.
    """

    def __init__(self, *, root: str, videos: str | None, reader: ClipReader):
        self.root, self.videos, self.reader = Path(root), None if videos is None else Path(videos), reader
        self.drops = Drops("clips")

    def groups(self) -> Sequence[Sequence[str]]:
        """InputError: there are none."""
        return [list(self._files)]

    def length(self, name: str) -> int:
        with self.drops.named(name):
            self.reader.require(self._files[name])
            return read_stereo4d_length(self._files[name].annotation)

    def clip(self, name: str, frames: Sequence[int]) -> Clip:
        with self.drops.named(name):
            return self.reader.read(self._files[name], frames)

    @cached_property
    def _files(self) -> dict[str, ClipFiles]:
        return {path.stem: files_of(path, videos=self.videos) for path in annotations(self.root)}


def _seen(world: Float[Tensor, "t n 3"], cameras: Pinhole) -> Tracks:
    """NaN, also of pixels, where a track is not known."""
    pixels, z = project(world, cameras)
    return Tracks(world=world, pixels=pixels, visible=in_image(pixels, cameras.height, cameras.width) & (z > 0))
