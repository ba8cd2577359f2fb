"""RealEstate10K's text files of cameras."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.se3 import distance_to_rotation, invert
from turnaround.io.text import read_text
from turnaround.types import InputError, Pinhole

NUMBERS, MAX_LINES = 19, 10**5
ROUNDED = 1e-3  # how far a rotation of a few stored digits may be from one


@dataclass(frozen=True, kw_only=True)
class TimedCameras:
    """seconds: in the video's own time, rising. intrinsics: fx, fy, cx, cy over the picture's width and height."""

    seconds: Float[Tensor, "t"]
    intrinsics: Float[Tensor, "t 4"]
    world_from_cam: Float[Tensor, "t 4 4"]

    def of_size(self, height: int, width: int) -> Pinhole:
        """As cameras of whole pictures of that size."""
        matrices = torch.eye(3, dtype=torch.float64).repeat(len(self.intrinsics), 1, 1)
        sides = torch.tensor([width, height], dtype=torch.float64)
        matrices[:, [0, 1], [0, 1]], matrices[:, :2, 2] = self.intrinsics[:, :2] * sides, self.intrinsics[:, 2:] * sides
        return Pinhole(world_from_cam=self.world_from_cam, intrinsics=matrices, height=height, width=width)


def read_timed_cameras(path: Path) -> TimedCameras:
    """A URL, then one camera a line: microseconds, fx, fy, cx, cy over width and height, two zeros, and the rows of the
    3 x 4 camera-from-world matrix with OpenCV's axes.

    InputError names the line: another count of numbers, one that is not finite, times that do not rise, a focal length
    that is not above 0, lens distortion, a matrix that is no rigid motion.
    """
    lines = read_text(path, expected="a camera file of RealEstate10K").splitlines()
    if not 2 <= len(lines) <= MAX_LINES:
        raise _refusal(path, f"a URL and 1 to {MAX_LINES - 1} cameras", f"{len(lines)} lines")
    rows: list[list[float]] = []
    for number, line in enumerate(lines[1:], start=2):
        rows.append(_row(f"{path}, line {number}", line, rows[-1][0] if rows else -1.0))
    values = torch.tensor(rows, dtype=torch.float64)
    cam_from_world = torch.eye(4, dtype=torch.float64).repeat(len(rows), 1, 1)
    cam_from_world[:, :3] = values[:, 7:].view(-1, 3, 4)
    rotation = cam_from_world[:, :3, :3]
    apart = distance_to_rotation(rotation)
    bad = (apart > ROUNDED).nonzero().flatten()
    if len(bad):
        first = int(bad[0])
        raise _refusal(f"{path}, line {first + 2}", "a rotation and a translation", f"{apart[first]:.2g} away from one")
    return TimedCameras(seconds=values[:, 0] / 1e6, intrinsics=values[:, 1:5], world_from_cam=invert(cam_from_world))


def _row(subject: str, line: str, before: float) -> list[float]:
    words = line.split()
    try:
        row = [float(word) for word in words]
    except ValueError as error:
        raise _refusal(subject, f"{NUMBERS} numbers", str(error)) from error
    if len(row) != NUMBERS:
        raise _refusal(subject, f"{NUMBERS} numbers", str(len(row)))
    if not all(math.isfinite(value) and abs(value) < 1e12 for value in row):
        raise _refusal(subject, "finite numbers", next(w for w in words if not abs(float(w)) < 1e12))
    if not (row[0].is_integer() and row[0] > before):
        raise _refusal(subject, "whole microseconds that rise from line to line", words[0])
    if min(row[1:3]) <= 0:
        raise _refusal(subject, "focal lengths above 0", f"{row[1]:g} and {row[2]:g}")
    if row[5] != 0 or row[6] != 0:
        raise _refusal(subject, "a lens without distortion, two zeros", f"{row[5]:g} and {row[6]:g}")
    return row


def _refusal(subject: object, expected: str, found: str) -> InputError:
    return InputError(subject, expected=expected, found=found, fix="copy the file again, or remove it")
