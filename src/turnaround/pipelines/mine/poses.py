"""Poses of a stereo rig: by structure from motion, or from a file."""

import hashlib
import math
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.projection import pixel_grid
from turnaround.io.camera_poses import read_camera_poses
from turnaround.io.image import write_image, write_mask
from turnaround.pipelines.mine import structure
from turnaround.pipelines.mine.mapping import Mapping3D, Task, picture_name
from turnaround.types import InputError
from turnaround.types.lens import FisheyeLens, Lens, PerspectiveLens
from turnaround.types.mining import DropError, RigPoses

Eyes = Iterable[tuple[Float[Tensor, "3 h w"], Float[Tensor, "3 h w"]]]


@dataclass(frozen=True, kw_only=True)
class ColmapPoses:
    """Structure from motion of the whole rig by pycolmap, the lens known and the right eye's pose free.

    mapping: as `mapping.Mapping3D` says. reach_deg: how far from the axis of a fisheye features are looked for.
    least_share: of the frames, to be found. seconds: after which it is stopped.
    """

    mapping: Mapping3D
    reach_deg: float
    least_share: float
    seconds: float
    name = "colmap"

    def __post_init__(self):
        if find_spec("pycolmap") is None:
            raise InputError("poses=colmap", expected="pycolmap", found="none", fix="pip install 'turnaround[colmap]'")

    def poses(self, frames: Eyes, lens: Lens, *, baseline: float, seed: int, work: Path | None = None) -> RigPoses:
        model, parameters = _colmap_lens(lens)
        with TemporaryDirectory(dir=work) as place:
            folder = Path(place)
            count = _write_pictures(folder / "pictures", frames, lens)
            if isinstance(lens, FisheyeLens):
                write_mask(folder / structure.MASK, _within(lens, self.reach_deg))
            task = Task(
                frames=count,
                model=model,
                parameters=parameters,
                baseline=baseline,
                seed=seed % 2**31,  # COLMAP's seeds are signed, and below 0 it draws its own
                mapping=self.mapping,
            )
            task.write(folder)
            self._run(folder)
            found = _read(folder / structure.FOUND)
        share = float(found.found.double().mean())
        if share < self.least_share:
            raise DropError("poses", value=share, limit=self.least_share)
        return found

    def fingerprint(self) -> str:
        return repr(self)

    def _run(self, folder: Path) -> None:
        """DropError: it took too long or crashed. RuntimeError: Python's own errors."""
        command = [sys.executable, "-m", structure.__name__, str(folder)]
        try:
            done = subprocess.run(command, timeout=self.seconds, capture_output=True, text=True)
        except subprocess.TimeoutExpired as error:
            raise DropError("poses", value=0.0, limit=self.least_share) from error
        if done.returncode < 0:
            raise DropError("poses", value=0.0, limit=self.least_share)
        if done.returncode > 0:
            raise RuntimeError(f"structure from motion: {done.stderr.strip()[-2000:]}")


@dataclass(frozen=True, kw_only=True)
class GivenPoses:
    """Those of a file, one for each frame in metres, of pairs that are rectified already; the scene is not looked at.

    path: as `io.camera_poses.read_camera_poses` reads it. The poses are of the left eye.
    """

    path: str
    name = "given"

    def poses(self, frames: Eyes, lens: Lens, *, baseline: float, seed: int, work: Path | None = None) -> RigPoses:
        """InputError: the file has another number of poses than there are frames."""
        world_from_left = read_camera_poses(Path(self.path))
        count = sum(1 for _ in frames)
        if count != len(world_from_left):
            found, fix = f"{len(world_from_left)} poses", "cut the file or the video"
            raise InputError(self.path, expected=f"{count}, one for each frame", found=found, fix=fix)
        return stated_poses(world_from_left, baseline)

    def fingerprint(self) -> str:
        return hashlib.sha256(read_camera_poses(Path(self.path)).numpy().tobytes()).hexdigest()


def stated_poses(world_from_left: Float[Tensor, "t 4 4"], baseline: float) -> RigPoses:
    """Of a rectified rig whose poses are known beforehand; of its points nothing is."""
    aside = torch.eye(4, dtype=torch.float64)
    aside[0, 3] = baseline
    return RigPoses(
        world_from_left=world_from_left.double(),
        left_from_right=aside,
        points=torch.zeros(0, 3, dtype=torch.float64),
        residual=0.0,
        observations=0,
    )


def _colmap_lens(lens: Lens) -> tuple[str, Sequence[float]]:
    match lens:
        case FisheyeLens():
            return "SIMPLE_FISHEYE", [float(lens.focal), lens.width / 2, lens.height / 2]
        case PerspectiveLens():
            k = lens.intrinsics.tolist()
            return "PINHOLE", [k[0][0], k[1][1], k[0][2], k[1][2]]
    fix = "show the frames through a fisheye first"
    raise InputError("lens", expected="a fisheye or a perspective lens", found=type(lens).__name__, fix=fix)


def _within(lens: FisheyeLens, degrees: float) -> Bool[Tensor, "h w"]:
    middle = torch.tensor([lens.width / 2, lens.height / 2])
    away = (pixel_grid(lens.height, lens.width, like=torch.zeros(())) - middle).norm(dim=-1)
    return away <= lens.focal * math.radians(degrees)


def _write_pictures(folder: Path, frames: Eyes, lens: Lens) -> int:
    """How many frames there are."""
    count = 0
    for count, eyes in enumerate(frames, start=1):
        for number, picture in enumerate(eyes):
            size = tuple(picture.shape[1:])
            if size != (lens.height, lens.width):
                expected, found = f"{lens.height} x {lens.width} as the lens", f"{size[0]} x {size[1]}"
                raise InputError(f"frame {count - 1}", expected=expected, found=found, fix="film it through the lens")
            write_image(folder / picture_name(number, count - 1), picture)
    if not count:
        raise InputError("frames", expected="at least one pair", found="none", fix="give a longer clip")
    return count


def _read(path: Path) -> RigPoses:
    with np.load(path, allow_pickle=False) as arrays:
        held = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    return RigPoses(
        world_from_left=held["world_from_left"],
        left_from_right=held["left_from_right"],
        points=held["points"],
        residual=float(held["residual"]),
        observations=int(held["observations"]),
    )
