"""Camera paths from files."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.camera_path import require
from turnaround.geometry.se3 import invert
from turnaround.io.camera_path import read_camera_path
from turnaround.io.colmap import read_colmap
from turnaround.io.json_object import read_object
from turnaround.io.nerfstudio import read_transforms
from turnaround.io.realestate import read_timed_cameras
from turnaround.types import InputError, Pinhole

EXPECTED = "camera_path.json, transforms.json, a .txt of RealEstate10K or a folder of COLMAP's text files"


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A `CameraPath` that a file holds, moved so that its first camera is the start.

    The way from the first camera is taken over, and by which factor the focal length changes. What the file says of
    the size of the picture, its lens and the time a frame takes is not. Closed is what nerfstudio's camera path calls a
    cycle, and nothing else. The file is read at once. InputError: none, or one that cannot be read.

    file: see `EXPECTED`. scale: metres in one unit of the file; a scene whose depth is right but for a factor wants
    that factor here too.
    """

    file: str
    scale: float

    def __post_init__(self):
        require("scale", 0 < self.scale < math.inf, "metres above 0", self.scale)
        _ = self._given  # so that a bad file is named before any other work

    @property
    def frames(self) -> int:
        return len(self._given[0])

    @property
    def closed(self) -> bool:
        return self._given[1]

    def cameras(self, start: Pinhole, pivot: Float[Tensor, "3"]) -> Pinhole:
        """As of `CameraPath`; the pivot plays no part."""
        given = self._given[0]
        first_from_cam = invert(given.world_from_cam[0]) @ given.world_from_cam
        first_from_cam[:, :3, 3] *= self.scale
        pose = start.world_from_cam[0].double()
        poses = pose @ first_from_cam.to(pose.device)
        poses[0] = pose  # without the roundings
        intrinsics = start.intrinsics.double().repeat(self.frames, 1, 1)
        intrinsics[:, [0, 1], [0, 1]] *= _focal(given).to(pose.device)
        return replace(start, world_from_cam=poses.to(start.world_from_cam), intrinsics=intrinsics.to(start.intrinsics))

    @cached_property
    def _given(self) -> tuple[Pinhole, bool]:
        return _read(Path(self.file))


def _focal(given: Pinhole):
    """fx and fy as shares of the first ones."""
    focal = given.intrinsics[:, [0, 1], [0, 1]]
    return focal / focal[0]


def _read(path: Path) -> tuple[Pinhole, bool]:
    """In float64, and whether it is closed."""
    if path.is_dir():
        return read_colmap(path).cameras, False
    match path.suffix.lower():
        case ".txt":
            return read_timed_cameras(path).of_size(1, 1), False
        case ".json" if "frames" in read_object(path, expected=EXPECTED):
            cameras = read_transforms(path).cameras
            return replace(
                cameras, world_from_cam=cameras.world_from_cam.double(), intrinsics=cameras.intrinsics.double()
            ), False
        case ".json":
            filmed = read_camera_path(path)
            return filmed.cameras, filmed.closed
    raise InputError(path, expected=EXPECTED, found=f"a name that ends with {path.suffix!r}", fix="give such a file")
