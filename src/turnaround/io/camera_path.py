"""camera_path.json: where a camera of nerfstudio's viewers goes, and of their plug-ins for Blender and Maya.

Camera axes there are OpenGL's (x right, y up, z backward), `camera_to_world` is row by row, `fov` is the vertical one
in degrees. Pixels are square, the principal point lies in the middle. World axes and the unit of length are the file's.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.io.atomic import atomic_file
from turnaround.io.json_object import OPENGL, objects, read_object, refusal, rigid_motion, size, stored_number
from turnaround.types import InputError, Pinhole

MAX_FRAMES = 10**5
EXPECTED, POSE, SIDES = "nerfstudio's camera path", "camera_to_world", ("render_height", "render_width")
CENTRED = 1e-3  # pixels, and shares of the focal length, that float32 may be off


@dataclass(frozen=True, kw_only=True)
class FilmedPath:
    """closed: whether the frame after the last is the first."""

    cameras: Pinhole
    fps: float
    closed: bool


def read_camera_path(path: Path) -> FilmedPath:
    """In float64. What else the file holds (key frames, aspect, times) is not looked at.

    InputError: anything missing, not finite or out of bounds, a camera that is not perspective, a matrix that is not a
    rigid motion.
    """
    stored = read_object(path, expected=EXPECTED)
    kind, closed = stored.get("camera_type", "perspective"), stored.get("is_cycle", False)
    if kind != "perspective":
        raise refusal(path, "camera_type 'perspective'", repr(kind)[:40], fix="export it as a perspective camera")
    if not isinstance(closed, bool):
        raise refusal(path, "true or false under 'is_cycle'", repr(closed)[:40])
    fps = stored_number(stored, "fps", path)
    if fps <= 0:
        raise refusal(path, "fps above 0", f"{fps:g}")
    height, width = size(stored, SIDES, path)
    frames = objects(stored, "camera_path", path, most=MAX_FRAMES)
    named = [(frame, f"{path}, frame {place}") for place, frame in enumerate(frames)]
    poses = torch.stack([rigid_motion(_rows(frame.get(POSE)), POSE, name) for frame, name in named])
    focal = torch.tensor([_focal(frame, height, name) for frame, name in named], dtype=torch.float64)
    intrinsics = _intrinsics(focal, height, width)
    cameras = Pinhole(world_from_cam=poses @ OPENGL, intrinsics=intrinsics, height=height, width=width)
    return FilmedPath(cameras=cameras, fps=fps, closed=closed)


def write_camera_path(path: Path, filmed: FilmedPath) -> None:
    """InputError: pixels that are not square, or a principal point that is not in the middle."""
    cameras = filmed.cameras
    intrinsics = cameras.intrinsics.double().cpu()
    focal = intrinsics[:, 1, 1]
    held = _intrinsics(focal, cameras.height, cameras.width)
    apart = (intrinsics - held).abs().flatten(1).amax(1) / focal.clamp_min(1)
    if not bool((apart <= CENTRED).all()):
        expected, found = "square pixels and a centred principal point", f"a lens that is {float(apart.max()):.2g} off"
        raise InputError(path, expected=expected, found=found, fix="write transforms.json, which has room for it")
    fov = torch.rad2deg(2 * torch.atan(cameras.height / 2 / focal)).tolist()
    poses = (cameras.world_from_cam.double().cpu() @ OPENGL).flatten(1).tolist()
    aspect = cameras.width / cameras.height
    entries = [{POSE: pose, "fov": angle, "aspect": aspect} for pose, angle in zip(poses, fov, strict=True)]
    sides = dict(zip(SIDES, (cameras.height, cameras.width), strict=True))
    timing = {"fps": filmed.fps, "seconds": len(cameras) / filmed.fps, "is_cycle": filmed.closed}
    stored = {"camera_type": "perspective", **sides, "camera_path": entries, **timing}
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(stored, indent=1, allow_nan=False) + "\n")


def _rows(stored: Any) -> Any:
    return [stored[row : row + 4] for row in (0, 4, 8, 12)] if isinstance(stored, list) and len(stored) == 16 else None


def _focal(frame: Mapping[str, Any], height: int, name: str) -> float:
    fov = stored_number(frame, "fov", name)
    if not 0 < fov < 180:
        raise refusal(name, "fov between 0 and 180 degrees", f"{fov:g}")
    return height / 2 / math.tan(math.radians(fov) / 2)


def _intrinsics(focal: Float[Tensor, "t"], height: int, width: int) -> Float[Tensor, "t 3 3"]:
    middle = torch.tensor([[0, 0, width / 2], [0, 0, height / 2], [0, 0, 1]], dtype=torch.float64)
    return middle + focal[:, None, None] * torch.diag(torch.tensor([1, 1, 0], dtype=torch.float64))
