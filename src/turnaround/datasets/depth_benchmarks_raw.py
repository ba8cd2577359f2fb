"""Clips of published video depth benchmarks, read from each set as its archives unpack or its own tools export it.

Frames, crops and units are those of DepthCrafter's preparation (arXiv 2409.02095, its dataset_extract scripts), without
the video codec that stands there between the pictures and a network. Ids are those of its prepared clips, so
predictions that were made from either fit both. `depth_benchmarks` reads the prepared clips themselves.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.datasets.benchmark_files import (
    read_depth_png,
    read_numbers,
    read_sintel_camera,
    read_sintel_depth,
    read_timed_files,
)
from turnaround.datasets.raw_clips import ClipFiles, RawClips, Window, even, numbered, pinhole, read_clip
from turnaround.io.existing import inside
from turnaround.io.text import read_text
from turnaround.types import Clip, InputError, Pinhole

BONN_APART = 0.02  # seconds between picture and depth of one frame: the bound of TUM's associate.py
NYU_WINDOW = Window(top=45, bottom=471, left=41, right=601)  # Eigen et al. 2014: where all 640 x 480 maps are known


class SintelClips(RawClips):
    """MPI Sintel: `training/{clean,depth,camdata_left}/<scene>/frame_NNNN.{png,dpt,cam}`, with cameras.

    The principal point of its K is (511.5, 217.5) of 1024 x 436: pixel centres are whole numbers there, 0.5 is added.
    """

    prefix = "sintel"

    @property
    def folder(self) -> Path:
        return self.root / "training" / "clean"

    def files(self, scene: str) -> ClipFiles:
        images = numbered(self.folder / scene, "*.png")
        depth, camera = (self.root / "training" / name / scene for name in ("depth", "camdata_left"))
        return ClipFiles(
            images=images,
            depths=[depth / f"{path.stem}.dpt" for path in images],
            poses=[camera / f"{path.stem}.cam" for path in images],
        )

    def read_depth(self, path: Path) -> Float[Tensor, "h w"]:
        return read_sintel_depth(path)

    def window(self, height: int, width: int) -> Window:
        return Window(top=0, bottom=height, left=0, right=width)

    def cameras(self, files: ClipFiles, height: int, width: int) -> Pinhole | None:
        intrinsics, cam_from_world = zip(*(read_sintel_camera(path) for path in files.poses), strict=True)
        return pinhole(torch.linalg.inv(torch.stack(cam_from_world)), torch.stack(intrinsics), height, width)


class ScanNetClips(RawClips):
    """ScanNet as its SensReader exports it, with cameras: `<scene>/color/<n>.jpg`, `depth/<n>.png`, `pose/<n>.txt`,
    `intrinsic/intrinsic_depth.txt`. 8 pixels at top and bottom and 11 at left and right are cut off.

    The principal point of its K is (319.5, 239.5) of 640 x 480: pixel centres are whole numbers there, 0.5 is added.
    Where tracking was lost a pose is infinite; a clip with such a frame has no cameras.
    """

    prefix = "scannet"

    @property
    def folder(self) -> Path:
        return self.root

    def files(self, scene: str) -> ClipFiles:
        folder = self.root / scene
        images = numbered(folder / "color", "*.jpg")
        return ClipFiles(
            images=images,
            depths=[folder / "depth" / f"{path.stem}.png" for path in images],
            poses=[folder / "pose" / f"{path.stem}.txt" for path in images],
            others=[folder / "intrinsic" / "intrinsic_depth.txt"],
        )

    def read_depth(self, path: Path) -> Float[Tensor, "h w"]:
        return read_depth_png(path, steps_per_metre=1000)

    def window(self, height: int, width: int) -> Window:
        return Window(top=8, bottom=height - 8, left=11, right=width - 11)

    def cameras(self, files: ClipFiles, height: int, width: int) -> Pinhole | None:
        k = read_numbers(files.others[0], 4, 4)[:3, :3].expand(len(files.poses), 3, 3)
        return pinhole(torch.stack([read_numbers(path, 4, 4) for path in files.poses]), k, height, width)


class KittiClips(RawClips):
    """KITTI: annotated depth, `val/<drive>/proj_depth/groundtruth/image_02/*.png`, and the pictures of the raw drive,
    `<date>/<drive>/image_02/data/*.png`. An odd last row or column is cut off. Its cameras are not read."""

    prefix = "KITTI"

    @property
    def folder(self) -> Path:
        return self.root / "val"

    def files(self, scene: str) -> ClipFiles:
        depths = numbered(self.folder / scene / "proj_depth" / "groundtruth" / "image_02", "*.png")
        drive = self.root / scene[: len("2011_09_26")] / scene
        return ClipFiles(images=[drive / "image_02" / "data" / path.name for path in depths], depths=depths)

    def read_depth(self, path: Path) -> Float[Tensor, "h w"]:
        return read_depth_png(path, steps_per_metre=256)

    def window(self, height: int, width: int) -> Window:
        return even(height, width)


class BonnClips(RawClips):
    """Bonn RGB-D Dynamic: `<scene>/{rgb.txt,depth.txt,rgb/*.png,depth/*.png}`. An odd last row or column is cut off.

    A frame is a picture and a map that are each other's nearest in time, at most BONN_APART apart; DepthCrafter pairs
    the n-th with the n-th. The set's poses are those of markers on the sensor, so there are no cameras.
    """

    prefix = "bonn"

    @property
    def folder(self) -> Path:
        return self.root

    def files(self, scene: str) -> ClipFiles:
        folder = self.root / scene
        lists = [folder / "rgb.txt", folder / "depth.txt"]
        (image_times, images), (depth_times, depths) = (read_timed_files(path) for path in lists)
        nearest = _nearest(image_times, depth_times)
        mutual = _nearest(depth_times, image_times)[nearest] == torch.arange(len(images))
        close = (image_times - depth_times[nearest]).abs() <= BONN_APART
        pairs = [(images[i], depths[int(nearest[i])]) for i in (mutual & close).nonzero().flatten().tolist()]
        return ClipFiles(
            images=[inside(folder, image, listed_in=lists[0]) for image, _ in pairs],
            depths=[inside(folder, depth, listed_in=lists[1]) for _, depth in pairs],
            others=lists,
        )

    def read_depth(self, path: Path) -> Float[Tensor, "h w"]:
        return read_depth_png(path, steps_per_metre=5000)

    def window(self, height: int, width: int) -> Window:
        return even(height, width)


class NyuVideos(RawClips):
    """Videos of raw NYU Depth v2 in the layout of Video Depth Anything's preparation (arXiv 2501.12375):
    `<scene>/rgb/<n>.jpg` and `<scene>/depth/<n>.png` in 1 / 6000 m, 640 x 480, cropped as the single images are."""

    prefix = "nyuv2"

    @property
    def folder(self) -> Path:
        return self.root

    def files(self, scene: str) -> ClipFiles:
        images = numbered(self.root / scene / "rgb", "*.jpg")
        return ClipFiles(images=images, depths=[self.root / scene / "depth" / f"{path.stem}.png" for path in images])

    def read_depth(self, path: Path) -> Float[Tensor, "h w"]:
        return read_depth_png(path, steps_per_metre=6000)

    def window(self, height: int, width: int) -> Window:
        return NYU_WINDOW


class NyuImages:
    """The labelled images of NYU Depth v2 as Marigold prepares them (arXiv 2312.02145), each a clip of one frame.

    listing: lines of picture, depth and filled depth, names below `root`; the filled depth, in millimetres, is used.
    """

    def __init__(self, *, root: str, listing: str):
        self.root, self.listing = Path(root), Path(listing)

    def ids(self) -> Sequence[str]:
        return list(self._files)

    def clip(self, id: str) -> Clip:
        return read_clip(id, self.root, self._files[id], _millimetres, lambda *_: NYU_WINDOW, lambda *_: None)

    @cached_property
    def _files(self) -> dict[str, ClipFiles]:
        expected = "lines of picture, depth and filled depth"
        files = {}
        for number, line in enumerate(read_text(self.listing, expected=expected).splitlines(), start=1):
            names, subject = line.split(), f"{self.listing} line {number}"
            if len(names) < 3:
                raise InputError(subject, expected=expected, found=f"{len(names)} names", fix="copy Marigold's list")
            image, _, depth = (inside(self.root, name, listed_in=subject) for name in names[:3])
            id = f"NYUv2/{image.relative_to(self.root).with_suffix('').as_posix()}"
            files[id] = ClipFiles(images=[image], depths=[depth])
        if not files:
            raise InputError(self.listing, expected=expected, found="none", fix="copy Marigold's list")
        return files


def _millimetres(path: Path) -> Float[Tensor, "h w"]:
    return read_depth_png(path, steps_per_metre=1000)


def _nearest(times: Float[Tensor, "n"], others: Float[Tensor, "m"]) -> Tensor:
    """For each time the index of the nearest of the others, which are sorted."""
    after = torch.searchsorted(others, times).clamp(max=len(others) - 1)
    before = (after - 1).clamp(min=0)
    return torch.where((times - others[before]).abs() <= (others[after] - times).abs(), before, after)
