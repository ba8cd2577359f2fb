"""Camera poses as text: KITTI's rows, or RealEstate10K's files."""

import math
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.se3 import distance_to_rotation, rigid
from turnaround.io.realestate import MAX_LINES, ROUNDED, read_timed_cameras
from turnaround.io.text import read_text
from turnaround.types import InputError

NUMBERS = 12


def read_camera_poses(path: Path) -> Float[Tensor, "t 4 4"]:
    """world_from_cam: 12 numbers a line, the rows of its 3 x 4 matrix (KITTI's odometry); or, where the first line is
    anything else, of a camera file of RealEstate10K.

    InputError names the line: another count of numbers, one that is not finite, a matrix that is no rigid motion.
    """
    lines = read_text(path, expected="camera poses").splitlines()
    if not lines or len(lines[0].split()) != NUMBERS:
        return read_timed_cameras(path).world_from_cam
    if len(lines) > MAX_LINES:
        raise _refusal(path, f"at most {MAX_LINES} poses", str(len(lines)))
    rows = [_row(f"{path}, line {number}", line) for number, line in enumerate(lines, start=1)]
    values = torch.tensor(rows, dtype=torch.float64).view(-1, 3, 4)
    apart = distance_to_rotation(values[:, :, :3])
    bad = (apart > ROUNDED).nonzero().flatten()
    if len(bad):
        first = int(bad[0])
        raise _refusal(f"{path}, line {first + 1}", "a rotation and a translation", f"{apart[first]:.2g} away from one")
    return rigid(values[:, :, :3], values[:, :, 3])


def _row(subject: str, line: str) -> list[float]:
    try:
        row = [float(word) for word in line.split()]
    except ValueError as error:
        raise _refusal(subject, f"{NUMBERS} numbers", str(error)) from error
    if len(row) != NUMBERS or not all(map(math.isfinite, row)):
        raise _refusal(subject, f"{NUMBERS} finite numbers", f"{len(row)}, or one that is not finite")
    return row


def _refusal(subject: object, expected: str, found: str) -> InputError:
    return InputError(subject, expected=expected, found=found, fix="copy the file again, or correct it")
