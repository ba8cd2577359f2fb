"""Stereo in two files: a folder with `left` and `right`, and what may be known of how they were taken.

left.mp4, right.mp4    or any other video, or folders of pictures `left/` and `right/`
calibration.json       {"fx", "fy", "cx", "cy"} in pixels of rectified pictures, with pixel centres at +0.5, and
                       maybe "baseline" in metres and "fps" of the pictures
poses.txt              world_from_left of each frame in metres: KITTI's rows of 12 numbers, a 3 x 4 matrix
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.se3 import distance_to_rotation
from turnaround.io.json_object import ROUNDED, read_object, stored_number
from turnaround.io.text import read_text
from turnaround.io.video import STILL_FPS
from turnaround.types import InputError

EYES = ("left", "right")
CALIBRATION, POSES = "calibration.json", "poses.txt"


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """fx, fy, cx, cy. baseline: None where it is not stated."""

    lens: tuple[float, float, float, float]
    baseline: float | None
    fps: float


def is_stereo_folder(path: Path) -> bool:
    """Whether a folder holds the two files of one stereo video."""
    return path.is_dir() and all(_candidates(path, eye) for eye in EYES)


def eye_files(path: Path) -> tuple[Path, Path]:
    """Of the left and of the right eye. InputError: none, or more than one."""
    left, right = (_only(path, eye) for eye in EYES)
    return left, right


def read_calibration(path: Path) -> Calibration | None:
    """Of a folder; None where it has none."""
    file = path / CALIBRATION
    if not file.exists():
        return None
    stored = read_object(file, expected="fx, fy, cx and cy of both eyes")
    fx, fy, cx, cy = (stored_number(stored, key, file) for key in ("fx", "fy", "cx", "cy"))
    baseline = stored_number(stored, "baseline", file) if "baseline" in stored else None
    fps = stored_number(stored, "fps", file) if "fps" in stored else STILL_FPS
    for key, value in (("fx", fx), ("fy", fy), ("baseline", baseline), ("fps", fps)):
        if value is not None and not value > 0:
            raise InputError(file, expected=f"{key} above 0", found=f"{value:g}", fix="correct it")
    return Calibration(lens=(fx, fy, cx, cy), baseline=baseline, fps=fps)


def read_poses(path: Path, frames: int) -> Float[Tensor, "t 4 4"] | None:
    """world_from_left of all frames; None where the folder has none. Further rows are not looked at."""
    file = path / POSES
    if not file.exists():
        return None
    expected = f"{frames} or more rows of 12 numbers, a rotation and a translation"
    lines = [line.split() for line in read_text(file, expected=expected).splitlines() if line.strip()][:frames]
    try:
        rows = np.array(lines, dtype=np.float64)
    except ValueError:
        rows = np.zeros(0)
    if rows.shape != (frames, 12) or not np.isfinite(rows).all():
        raise InputError(file, expected=expected, found=f"{len(lines)} rows, or others", fix="correct it")
    poses = torch.eye(4, dtype=torch.float64).repeat(frames, 1, 1)
    poses[:, :3] = torch.from_numpy(rows).reshape(-1, 3, 4)
    bent = torch.nonzero(distance_to_rotation(poses[:, :3, :3]) > ROUNDED)
    if len(bent):
        raise InputError(file, expected=expected, found=f"no rotation in row {int(bent[0]) + 1}", fix="correct it")
    return poses


def _candidates(path: Path, eye: str) -> list[Path]:
    return sorted(each for each in path.iterdir() if each.stem == eye and not each.name.startswith("."))


def _only(path: Path, eye: str) -> Path:
    found = _candidates(path, eye)
    if len(found) != 1:
        names = ", ".join(each.name for each in found) or "none"
        expected = f"one video or folder of pictures called {eye}"
        raise InputError(path, expected=expected, found=names, fix="name the two eyes left and right")
    return found[0]
