"""Clips from one file per picture and depth map: selection of frames, crop, cameras, origin."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from turnaround.datasets.benchmark_files import require_bounded
from turnaround.datasets.depth_benchmarks import provenance, require_same_shape
from turnaround.io.image import read_image
from turnaround.types import Clip, DepthKind, DepthVideo, InputError, Pinhole


@dataclass(frozen=True, kw_only=True)
class ClipFiles:
    """The files of one clip.

    images, depths: one of each per frame. poses: one per frame, or none. others: what decides the clip as a whole.
    """

    images: Sequence[Path]
    depths: Sequence[Path]
    poses: Sequence[Path] = ()
    others: Sequence[Path] = ()

    def all(self) -> list[Path]:
        return [*self.images, *self.depths, *self.poses, *self.others]

    def frames(self, selection: slice) -> "ClipFiles":
        return ClipFiles(
            images=self.images[selection],
            depths=self.depths[selection],
            poses=self.poses[selection],
            others=self.others,
        )


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which pixels are used: rows from top to before bottom, columns from left to before right."""

    top: int
    bottom: int
    left: int
    right: int

    def cut(self, values: Float[Tensor, "*batch h w"]) -> Float[Tensor, "*batch y x"]:
        return values[..., self.top : self.bottom, self.left : self.right]


def even(height: int, width: int) -> Window:
    """All but an odd last row and column, which H.264 in 4:2:0 has no place for."""
    return Window(top=0, bottom=height - height % 2, left=0, right=width - width % 2)


class RawClips(ABC):
    """One clip per scene: a `ClipSource`.

    scenes: names, in this order, or None for all that are there, sorted. Of the frames of a scene, in their order,
    [start : start + frames * stride : stride] are used, fewer where the scene ends. A clip is read when it is asked
    for. Pictures larger or smaller than their depth are brought to its size, with antialiasing, before the crop.
    """

    prefix: str  # the folder of DepthCrafter's prepared clips, with which ids begin

    def __init__(self, *, root: str, scenes: Sequence[str] | None, start: int, frames: int, stride: int):
        if start < 0 or min(frames, stride) < 1:
            found = f"start {start}, frames {frames}, stride {stride}"
            expected = "start >= 0, frames >= 1, stride >= 1"
            raise InputError("frames", expected=expected, found=found, fix="correct the benchmark's config")
        self.root, self.scenes = Path(root), scenes
        self.selection = slice(start, start + frames * stride, stride)

    @property
    @abstractmethod
    def folder(self) -> Path:
        """What holds one folder per scene."""

    @abstractmethod
    def files(self, scene: str) -> ClipFiles:
        """All frames of the scene, in order."""

    @abstractmethod
    def read_depth(self, path: Path) -> Float[Tensor, "h w"]:
        """Metres, NaN where unknown."""

    @abstractmethod
    def window(self, height: int, width: int) -> Window: ...

    def cameras(self, files: ClipFiles, height: int, width: int) -> Pinhole | None:
        """Of whole frames; None where the set has none that are exact."""
        return None

    def ids(self) -> Sequence[str]:
        return [f"{self.prefix}/{scene}" for scene in self._scenes]

    def clip(self, id: str) -> Clip:
        files = self.files(id.removeprefix(f"{self.prefix}/")).frames(self.selection)
        return read_clip(id, self.root, files, self.read_depth, self.window, self.cameras)

    @cached_property
    def _scenes(self) -> list[str]:
        inside = self.folder.iterdir() if self.folder.is_dir() else ()
        there = sorted(path.name for path in inside if path.is_dir() and not path.name.startswith("."))
        if not there:
            raise InputError(self.folder, expected="one folder per scene", found="none", fix="correct the root")
        wanted = there if self.scenes is None else list(self.scenes)
        absent = [scene for scene in wanted if scene not in there]
        if absent:
            found = f"{len(absent)} missing, the first is {absent[0]}"
            raise InputError(self.folder, expected=f"{len(wanted)} scenes", found=found, fix="unpack them")
        return wanted


def read_clip(
    id: str,
    root: Path,
    files: ClipFiles,
    read_depth: Callable[[Path], Float[Tensor, "h w"]],
    window_of: Callable[[int, int], Window],
    cameras_of: Callable[[ClipFiles, int, int], Pinhole | None],
) -> Clip:
    """The clip with its cameras, all cut to the window. InputError names the first file that is missing or differs."""
    missing = [path for path in files.all() if not path.is_file()]
    if missing or not files.images:
        found = f"{len(missing)} missing, the first is {missing[0]}" if missing else "no frames"
        expected = f"{len(files.images) or 'some'} frames with all their files"
        raise InputError(f"clip {id} below {root}", expected=expected, found=found, fix="unpack the set again")
    height, width = read_depth(files.depths[0]).shape
    window = _checked(window_of(height, width), height, width, files.depths[0])
    size = (window.bottom - window.top, window.right - window.left)
    require_bounded(f"clip {id}", len(files.images), *size)
    video, depth = torch.empty(len(files.images), 3, *size), torch.empty(len(files.images), *size)
    for frame, (image_path, depth_path) in enumerate(zip(files.images, files.depths, strict=True)):
        values = read_depth(depth_path)
        if values.shape != (height, width):
            found = f"{values.shape[1]} x {values.shape[0]}"
            raise InputError(depth_path, expected=f"{width} x {height}, as the first", found=found, fix="unpack again")
        video[frame] = window.cut(_fitted(read_image(image_path), image_path, height, width))
        depth[frame] = window.cut(values)
    cameras = cameras_of(files, height, width)
    folders = {"video": files.images, "depth": files.depths} | (
        {"cameras": files.poses or files.others} if cameras else {}
    )
    return Clip(
        id=id,
        video=video,
        depth=DepthVideo(values=depth, kind=DepthKind.METRIC),
        cameras=_cropped(cameras, window) if cameras else None,
        sources={field: paths[0].parent.relative_to(root).as_posix() for field, paths in folders.items()}
        | provenance(root, files.all()).sources,
    )


def numbered(folder: Path, pattern: str) -> list[Path]:
    """The files in the order of the last number in their names."""
    digits = {path: re.findall(r"\d+", path.stem) for path in folder.glob(pattern)}
    return sorted(digits, key=lambda path: (int(digits[path][-1]) if digits[path] else -1, path.name))


def pinhole(
    world_from_cam: Float[Tensor, "t 4 4"], intrinsics: Float[Tensor, "t 3 3"], height: int, width: int
) -> Pinhole | None:
    """From K whose pixel centres are whole numbers: 0.5 is added to its principal point. None if not all is finite."""
    if not (world_from_cam.isfinite().all() and intrinsics.isfinite().all()):
        return None
    centre = torch.zeros(3, 3, dtype=intrinsics.dtype)
    centre[:2, 2] = 0.5
    k = (intrinsics + centre).float()
    return Pinhole(world_from_cam=world_from_cam.float(), intrinsics=k, height=height, width=width)


def _cropped(cameras: Pinhole, window: Window) -> Pinhole:
    corner = torch.zeros(3, 3)
    corner[:2, 2] = torch.tensor([window.left, window.top])
    return Pinhole(
        world_from_cam=cameras.world_from_cam,
        intrinsics=cameras.intrinsics - corner,
        height=window.bottom - window.top,
        width=window.right - window.left,
    )


def _checked(window: Window, height: int, width: int, path: Path) -> Window:
    if not (0 <= window.top < window.bottom <= height and 0 <= window.left < window.right <= width):
        expected = f"a picture that holds rows {window.top} to {window.bottom}, columns {window.left} to {window.right}"
        raise InputError(path, expected=expected, found=f"{width} x {height}", fix="use the official files")
    return window


def _fitted(image: Float[Tensor, "3 h w"], path: Path, height: int, width: int) -> Float[Tensor, "3 y x"]:
    require_same_shape(path, (image.shape[1], image.shape[2]), (height, width))
    if image.shape[1:] == (height, width):
        return image
    return interpolate(image[None], size=(height, width), mode="bilinear", antialias=True)[0]
