"""transforms.json: pictures with cameras in nerfstudio's layout.

Camera axes there are OpenGL's (x right, y up, z backward), `transform_matrix` is camera to world; pixel centres lie at
+0.5 as here. World axes are the file's own.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.io.atomic import atomic_file
from turnaround.io.existing import inside
from turnaround.io.json_object import OPENGL, objects, read_object, refusal, rigid_motion, size, stored_number
from turnaround.types import Pinhole

MAX_FRAMES = 10**5
EXPECTED, POSE = "nerfstudio's transforms.json", "transform_matrix"
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
    stored = read_object(path, expected=EXPECTED)
    frames = objects(stored, "frames", path, most=MAX_FRAMES)
    merged = [{**{k: v for k, v in stored.items() if k != "frames"}, **frame} for frame in frames]
    named = [f"{path}, frame {number}" for number in range(len(frames))]
    sizes = {size(frame, ("h", "w"), name) for frame, name in zip(merged, named, strict=True)}
    if len(sizes) > 1:
        raise refusal(path, "frames of one size", f"{len(sizes)} sizes")
    (height, width) = sizes.pop()
    poses = torch.stack([rigid_motion(frame.get(POSE), POSE, name) for frame, name in zip(merged, named, strict=True)])
    intrinsics = torch.stack([_intrinsics(frame, name) for frame, name in zip(merged, named, strict=True)])
    images = [_path(frame, "file_path", path.parent, name) for frame, name in zip(merged, named, strict=True)]
    deep = [name for frame, name in zip(merged, named, strict=True) if "depth_file_path" in frame]
    if deep and len(deep) < len(frames):
        raise refusal(path, "depth_file_path in all frames or in none", f"it in {len(deep)} of {len(frames)}")
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
        entry = {"file_path": image.relative_to(path.parent).as_posix(), POSE: pose, **focal}
        entries.append(entry if depth is None else {**entry, "depth_file_path": depth})
    stored = {"camera_model": "OPENCV", "w": cameras.width, "h": cameras.height, "frames": entries}
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(stored, indent=1, allow_nan=False) + "\n")


def _intrinsics(frame: Mapping[str, Any], name: str) -> Float[Tensor, "3 3"]:
    bent = [key for key in DISTORTION if key in frame and stored_number(frame, key, name) != 0]
    if bent:
        found = ", ".join(f"{key} {frame[key]:g}" for key in bent)
        raise refusal(name, "pictures without lens distortion", found, fix="undistort them")
    fx, fy, cx, cy = (stored_number(frame, key, name) for key in FOCAL)
    if min(fx, fy) <= 0:
        raise refusal(name, "focal lengths above 0", f"{fx:g} and {fy:g}")
    return torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=torch.float64)


def _path(frame: Mapping[str, Any], key: str, folder: Path, name: str) -> Path:
    value = frame.get(key)
    if not isinstance(value, str):
        raise refusal(name, f"a path under {key!r}", "none")
    return inside(folder, value, listed_in=name)
