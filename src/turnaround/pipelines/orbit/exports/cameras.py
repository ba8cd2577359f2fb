"""The orbit's cameras, as other programs read them."""

from pathlib import Path

import torch

from turnaround.io.camera_path import FilmedPath, write_camera_path
from turnaround.io.colmap import SparseModel, write_colmap
from turnaround.io.nerfstudio import PosedFrames, write_transforms
from turnaround.pipelines.orbit.exports.export import Export, Finished
from turnaround.types import InputError


class Transforms(Export):
    """`transforms.json`: the cameras of `frames/00000.png` and so on, in nerfstudio's layout."""

    names = ("transforms.json",)

    def write(self, out: Path, finished: Finished) -> None:
        images = [out / "frames" / name for name in frame_names(finished)]
        frames = PosedFrames(images=images, depths=None, cameras=finished.orbit.cameras)
        write_transforms(out / "transforms.json", frames)


class CameraPathJson(Export):
    """`camera_path.json`: the path, for nerfstudio's viewer and the plug-ins of Blender and Maya."""

    names = ("camera_path.json",)

    def write(self, out: Path, finished: Finished) -> None:
        setting = finished.setting
        filmed = FilmedPath(cameras=finished.orbit.cameras, fps=setting.fps, closed=setting.closed)
        write_camera_path(out / "camera_path.json", filmed)


class Colmap(Export):
    """`colmap/cameras.txt`, `images.txt` and `points3D.txt`: a sparse model of the pictures in `frames/`.

    most: of the scene's points; of more, evenly spaced ones are written.
    """

    names = ("colmap/",)
    pattern = "*.txt"

    def __init__(self, *, most: int):
        if most < 1:
            raise InputError("most", expected="at least 1 point", found=str(most), fix="leave it at its default")
        self.most = most

    def write(self, out: Path, finished: Finished) -> None:
        cloud = finished.cloud
        count = len(cloud.points)
        chosen = torch.arange(min(count, self.most)) * count // min(count, self.most)
        model = SparseModel(
            names=frame_names(finished),
            cameras=finished.orbit.cameras,
            points=cloud.points[chosen],
            colors=cloud.colors[chosen],
        )
        write_colmap(out / "colmap", model)


def frame_names(finished: Finished) -> list[str]:
    """Of the pictures in `frames/`."""
    return [f"{number:05d}.png" for number in range(len(finished.orbit.video))]
