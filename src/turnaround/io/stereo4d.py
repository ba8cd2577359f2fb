"""Stereo4D's released format: an .npz of nine arrays for each clip.

Source: the loader and README of Stereo4d/stereo4d-code. The types of its numbers are not documented, so those that are
read are kept, and written again.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.se3 import distance_to_rotation, rigid
from turnaround.io.npz import Expected, read_arrays, write_npz
from turnaround.io.track_samples import gathered, lengths_and_frames, require_sound, spread
from turnaround.types import InputError, Stereo4DClip

MAX_BYTES = 2**32  # of one array: the coordinates of 350 million samples
ROUNDED = 1e-3  # how far a rotation of a few stored digits may be from one
MAX_NAME = 200  # characters, so that files of that name can be made
WHAT = "an .npz of Stereo4D"
INTEGERS, NUMBERS = ("int32", "int64"), ("float32", "float64")
EXPECTED = {
    "name": Expected(dtypes=("str",)),
    "video_id": Expected(dtypes=("str",)),
    "timestamps": Expected(dtypes=INTEGERS, shape=("t",)),
    "camera2world": Expected(dtypes=NUMBERS, shape=("t", 3, 4)),
    "track_lengths": Expected(dtypes=INTEGERS, shape=("n",)),
    "track_indices": Expected(dtypes=INTEGERS, shape=("s",)),
    "track_coordinates": Expected(dtypes=NUMBERS, shape=("s", 3)),
    "rectified2rig": Expected(dtypes=NUMBERS, shape=(2, 3, 3)),
    "fov_bounds": Expected(dtypes=NUMBERS + INTEGERS, shape=(4,)),
}


def read_stereo4d(path: Path, *, frames: Sequence[int] | None = None) -> Stereo4DClip:
    """Numbers as they are stored, in precision too. frames: only these, for speed, of a file that is checked whole.

    InputError: anything that the format does not allow, or frames that are not there.
    """
    stored = read_arrays(path, EXPECTED, what=WHAT, most=MAX_BYTES)
    _require_valid(path, stored)
    chosen = require_frames(path, frames, len(stored["timestamps"]))
    fov = torch.from_numpy(stored["fov_bounds"])
    return Stereo4DClip(
        name=str(stored["name"]),
        video_id=str(stored["video_id"]),
        timestamps=torch.from_numpy(stored["timestamps"][chosen]),
        world_from_cam=_poses(stored["camera2world"][chosen]),
        tracks=spread(
            stored["track_coordinates"],
            stored["track_lengths"],
            stored["track_indices"],
            count=len(stored["timestamps"]),
            chosen=chosen,
        ),
        eye_from_rectified=torch.from_numpy(stored["rectified2rig"]),
        fov_bounds=fov if fov.is_floating_point() else fov.double(),
    )


def read_stereo4d_poses(path: Path) -> Float[Tensor, "t 4 4"]:
    """`world_from_cam` alone, of which no more is read. InputError: as of `read_stereo4d`, for what is read."""
    stored = read_arrays(path, {"camera2world": EXPECTED["camera2world"]}, what=WHAT, most=MAX_BYTES)["camera2world"]
    _require_rotations(path, "camera2world", stored)
    return _poses(stored)


def require_frames(path: Path, frames: Sequence[int] | None, count: int) -> list[int]:
    """The frames, or all of them. InputError: not one or more that increase, below `count`."""
    chosen = list(range(count) if frames is None else frames)
    if not chosen or chosen != sorted(set(chosen)) or not 0 <= chosen[0] <= chosen[-1] < count:
        found, fix = str(chosen)[:60], "ask for fewer frames"
        raise InputError(path, expected=f"frames that increase, from 0 to {count - 1}", found=found, fix=fix)
    return chosen


def write_stereo4d(path: Path, clip: Stereo4DClip) -> None:
    """Numbers in the precision they have in `clip`, lengths and indices as int64; the same clip gives the same bytes.

    InputError: a clip that `read_stereo4d` would refuse, or a point of which not all three coordinates are known.
    """
    known = ~clip.tracks.isnan()
    partly = known.any(-1) & ~known.all(-1)
    if partly.any():
        frame, track = partly.nonzero()[0].tolist()
        found = f"a part of one in frame {frame} of track {track}"
        raise InputError(path, expected="points known whole or not at all", found=found, fix="write NaN for all of it")
    lengths, frames = lengths_and_frames(known.all(-1))
    arrays = {
        "name": np.asarray(clip.name),
        "video_id": np.asarray(clip.video_id),
        "timestamps": clip.timestamps.numpy(),
        "camera2world": clip.world_from_cam[:, :3].contiguous().numpy(),
        "track_lengths": lengths,
        "track_indices": frames,
        "track_coordinates": gathered(clip.tracks, known.all(-1)),
        "rectified2rig": clip.eye_from_rectified.contiguous().numpy(),
        "fov_bounds": clip.fov_bounds.contiguous().numpy(),
    }
    _require_valid(path, arrays)
    write_npz(path, arrays)


def read_stereo4d_length(path: Path) -> int:
    """How many frames the clip of a file has, of which no more is read."""
    return len(read_arrays(path, {"timestamps": EXPECTED["timestamps"]}, what=WHAT, most=MAX_BYTES)["timestamps"])


def require_name(subject: object, name: str) -> None:
    """InputError: a name that files cannot have."""
    if not 0 < len(name) <= MAX_NAME or not name.isprintable() or name[0] == "." or any(c in name for c in "/\\"):
        expected = f"a name of 1 to {MAX_NAME} characters that files can have"
        raise InputError(subject, expected=expected, found=repr(name[:40]), fix="name it otherwise")


def _require_valid(path: Path, stored: dict[str, np.ndarray]) -> None:
    """All rules of the format but for types and shapes."""
    times, coordinates = stored["timestamps"], stored["track_coordinates"]
    if len(times) == 0 or (np.diff(times) <= 0).any() or times[0] < 0:
        place = int((np.diff(times) <= 0).argmax()) if len(times) > 1 else 0
        found = " and ".join(map(str, times[place : place + 2])) or "none"
        raise _refused(path, "timestamps", "one or more, from 0, that increase", found)
    name, video = str(stored["name"]), str(stored["video_id"])
    require_name(f"{path}, key 'name'", name)
    if name != f"{video}_{times[0]}" or not video:
        raise _refused(path, "name", f"the video's id, _ and the first timestamp: {video[:40]}_{times[0]}", name)
    _require_rotations(path, "camera2world", stored["camera2world"])
    _require_rotations(path, "rectified2rig", stored["rectified2rig"])
    require_sound(
        path,
        stored["track_lengths"],
        stored["track_indices"],
        count=len(times),
        width=3 * coordinates.itemsize,
    )
    unknown = ~np.isfinite(coordinates).all(1)
    if unknown.any():
        raise _refused(path, "track_coordinates", "finite coordinates", f"{coordinates[unknown.argmax()].tolist()}")
    yaw, tilt = stored["fov_bounds"].reshape(2, 2).tolist()
    if not (-360 <= yaw[0] < yaw[1] <= 360 and -360 <= tilt[0] < tilt[1] <= 360):  # NaN included
        raise _refused(path, "fov_bounds", "degrees, each start below its end", f"{[*yaw, *tilt]}")


def _poses(stored: np.ndarray) -> Float[Tensor, "t 4 4"]:
    poses = torch.from_numpy(stored)
    return rigid(poses[:, :, :3], poses[:, :, 3])


def _require_rotations(path: Path, key: str, matrices: np.ndarray) -> None:
    """Of the first three columns; what stands beside them must be finite."""
    finite = np.isfinite(matrices).all((1, 2))
    if not finite.all():
        raise _refused(path, key, "finite numbers", f"NaN or inf in entry {int((~finite).argmax())}")
    apart = distance_to_rotation(torch.from_numpy(matrices[:, :, :3]).double())
    if len(apart) and float(apart.max()) > ROUNDED:
        found = f"{float(apart.max()):.2g} away from one in entry {int(apart.argmax())}"
        raise _refused(path, key, "rotations", found)


def _refused(path: Path, key: str, expected: str, found: str) -> InputError:
    return InputError(f"{path}, key {key!r}", expected=expected, found=found, fix="write it again")
