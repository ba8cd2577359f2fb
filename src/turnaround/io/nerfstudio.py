"""transforms.json: pictures with cameras in nerfstudio's layout.

Camera axes there are OpenGL's (x right, y up, z backward), `transform_matrix` is camera to world; pixel centres lie at
+0.5 as here. World axes are the file's own.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.io.atomic import atomic_file
from turnaround.io.existing import existing_file, inside
from turnaround.io.image import MAX_SIDE
from turnaround.types import InputError, Pinhole

MAX_TEXT, MAX_FRAMES = 2**26, 10**5  # bytes, frames
EXPECTED = "nerfstudio's transforms.json"
OPENGL = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64))  # its own inverse
FOCAL, DISTORTION = ("fl_x", "fl_y", "cx", "cy"), ("k1", "k2", "k3", "k4", "p1", "p2")


@dataclass(frozen=True, kw_only=True)
class PosedFrames:
    """images, depths: paths of the frames, which need not exist; depths is None where the file names none."""

    images: Sequence[Path]
    depths: Sequence[Path] | None
    cameras: Pinhole


def read_transforms(path: Path) -> PosedFrames:
    """The frames in the file's order. Intrinsics stand at the top or in each frame; all frames have one size.

    InputError: anything missing, not finite or out of bounds, a lens with distortion, a matrix that is not a rigid
    motion, a path that leaves the folder, depth for some frames only.
    """
    stored = _parsed(path)
    frames = stored.get("frames")
    if (
        not isinstance(frames, list)
        or not 0 < len(frames) <= MAX_FRAMES
        or not all(isinstance(f, dict) for f in frames)
    ):
        raise _refusal(path, f"1 to {MAX_FRAMES} frames", "none, or something else, under 'frames'")
    merged = [{**{k: v for k, v in stored.items() if k != "frames"}, **frame} for frame in frames]
    named = [f"{path}, frame {number}" for number in range(len(frames))]
    sizes = {_size(frame, name) for frame, name in zip(merged, named, strict=True)}
    if len(sizes) > 1:
        raise _refusal(path, "frames of one size", f"{len(sizes)} sizes")
    (height, width) = sizes.pop()
    poses = torch.stack([_pose(frame, name) for frame, name in zip(merged, named, strict=True)])
    intrinsics = torch.stack([_intrinsics(frame, name) for frame, name in zip(merged, named, strict=True)])
    images = [_path(frame, "file_path", path.parent, name) for frame, name in zip(merged, named, strict=True)]
    deep = [name for frame, name in zip(merged, named, strict=True) if "depth_file_path" in frame]
    if deep and len(deep) < len(frames):
        raise _refusal(path, "depth_file_path in all frames or in none", f"it in {len(deep)} of {len(frames)}")
    depths = [_path(f, "depth_file_path", path.parent, n) for f, n in zip(merged, deep, strict=True)] if deep else None
    cameras = Pinhole(
        world_from_cam=(poses @ OPENGL).float(), intrinsics=intrinsics.float(), height=height, width=width
    )
    return PosedFrames(images=images, depths=depths, cameras=cameras)


def write_transforms(path: Path, frames: PosedFrames) -> None:
    """Paths are written relative to the file's folder, in which they must lie; intrinsics stand in each frame."""
    cameras = frames.cameras
    poses = (cameras.world_from_cam.double().cpu() @ OPENGL).tolist()
    entries = []
    for number, (image, pose, k) in enumerate(zip(frames.images, poses, cameras.intrinsics.tolist(), strict=True)):
        focal = dict(zip(FOCAL, (k[0][0], k[1][1], k[0][2], k[1][2]), strict=True))
        depth = frames.depths[number].relative_to(path.parent).as_posix() if frames.depths else None
        entry = {"file_path": image.relative_to(path.parent).as_posix(), "transform_matrix": pose, **focal}
        entries.append(entry if depth is None else {**entry, "depth_file_path": depth})
    stored = {"camera_model": "OPENCV", "w": cameras.width, "h": cameras.height, "frames": entries}
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(stored, indent=1, allow_nan=False) + "\n")


def _parsed(path: Path) -> dict[str, Any]:
    existing_file(path, expected=EXPECTED)
    with path.open("rb") as file:
        data = file.read(MAX_TEXT + 1)
    try:
        if len(data) > MAX_TEXT:
            raise ValueError(f"more than {MAX_TEXT} bytes")
        stored = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _refusal(path, EXPECTED, str(error)) from error
    if not isinstance(stored, dict):
        raise _refusal(path, EXPECTED, type(stored).__name__)
    return stored


def _number(frame: Mapping[str, Any], key: str, name: str) -> float:
    value = frame.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:  # NaN included
        raise _refusal(name, f"a number under {key!r}", "none" if value is None else repr(value)[:40])
    return float(value)


def _size(frame: Mapping[str, Any], name: str) -> tuple[int, int]:
    height, width = (_number(frame, key, name) for key in ("h", "w"))
    if not all(1 <= side <= MAX_SIDE and side.is_integer() for side in (height, width)):
        raise _refusal(name, f"w and h from 1 to {MAX_SIDE}", f"{width:g} x {height:g}")
    return int(height), int(width)


def _intrinsics(frame: Mapping[str, Any], name: str) -> Float[Tensor, "3 3"]:
    bent = [key for key in DISTORTION if key in frame and _number(frame, key, name) != 0]
    if bent:
        found = ", ".join(f"{key} {frame[key]:g}" for key in bent)
        raise _refusal(name, "pictures without lens distortion", found, fix="undistort them")
    fx, fy, cx, cy = (_number(frame, key, name) for key in FOCAL)
    if min(fx, fy) <= 0:
        raise _refusal(name, "focal lengths above 0", f"{fx:g} and {fy:g}")
    return torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=torch.float64)


def _pose(frame: Mapping[str, Any], name: str) -> Float[Tensor, "4 4"]:
    """world_from_cam with OpenGL's camera axes."""
    stored = frame.get("transform_matrix")
    rows = stored if isinstance(stored, list) else []
    numbers = [value for row in rows for value in (row if isinstance(row, list) else [])]
    if len(rows) != 4 or len(numbers) != 16 or not all(type(n) in (int, float) and math.isfinite(n) for n in numbers):
        raise _refusal(name, "4 x 4 finite numbers under 'transform_matrix'", "something else")
    matrix = torch.tensor(numbers, dtype=torch.float64).view(4, 4)
    rotation, bottom = matrix[:3, :3], torch.tensor([0, 0, 0, 1], dtype=torch.float64)
    apart = max(float((rotation.T @ rotation - torch.eye(3)).abs().max()), float((matrix[3] - bottom).abs().max()))
    if apart > 1e-3 or rotation.det() < 0:  # files hold a few digits
        raise _refusal(name, "a rotation and a translation under 'transform_matrix'", f"{apart:.2g} away from one")
    return matrix


def _path(frame: Mapping[str, Any], key: str, folder: Path, name: str) -> Path:
    value = frame.get(key)
    if not isinstance(value, str):
        raise _refusal(name, f"a path under {key!r}", "none")
    return inside(folder, value, listed_in=name)


def _refusal(subject: object, expected: str, found: str, *, fix: str = "export it again") -> InputError:
    return InputError(subject, expected=expected, found=found, fix=fix)
