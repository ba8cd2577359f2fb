"""Scenes of pictures with cameras and depth, in nerfstudio's layout."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.datasets.benchmark_files import read_depth_png
from turnaround.datasets.raw_clips import ClipFiles, RawClips, Window
from turnaround.io.nerfstudio import read_transforms
from turnaround.types import InputError, Pinhole

LISTING = "transforms.json"


class PosedScenes(RawClips):
    """ROOT/<scene>/transforms.json: a `ClipSource` whose clips have cameras and metric depth.

    Depth is a 16 bit PNG of millimetres per frame, of the pictures' size, 0 and 65535 unknown. A frame's place in the
    file is its place in the clip.
    """

    prefix = ""

    def ids(self) -> Sequence[str]:
        return self._scenes

    @property
    def folder(self) -> Path:
        return self.root

    def files(self, scene: str) -> ClipFiles:
        listing = self.root / scene / LISTING
        frames = read_transforms(listing)
        if frames.depths is None:
            raise InputError(listing, expected="depth_file_path in each frame", found="none", fix="export depth too")
        return ClipFiles(images=frames.images, depths=frames.depths, others=(listing,))

    def read_depth(self, path: Path) -> Float[Tensor, "h w"]:
        depth = read_depth_png(path, steps_per_metre=1000)
        return torch.where(depth < 65.5345, depth, torch.nan)  # 65535 steps are as unknown as none

    def window(self, height: int, width: int) -> Window:
        return Window(top=0, bottom=height, left=0, right=width)

    def cameras(self, files: ClipFiles, height: int, width: int) -> Pinhole | None:
        listing = files.others[0]
        frames = read_transforms(listing)
        cameras = frames.cameras
        if (cameras.height, cameras.width) != (height, width):
            expected, found = f"depth of {cameras.width} x {cameras.height}", f"{width} x {height}"
            raise InputError(listing, expected=expected, found=found, fix="export depth of the pictures' size")
        index = {path: number for number, path in enumerate(frames.images)}
        chosen = [index[path] for path in files.images]
        return Pinhole(
            world_from_cam=cameras.world_from_cam[chosen],
            intrinsics=cameras.intrinsics[chosen],
            height=height,
            width=width,
        )
