"""COLMAP's sparse model as text: cameras.txt, images.txt and points3D.txt in one folder.

Format: https://colmap.github.io/format.html. Axes and pixel centres are as here; poses are cam_from_world, as a unit
quaternion (w, x, y, z) and a translation. World axes and the unit of length are the model's own.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from turnaround.geometry.se3 import invert, quaternion_from_rotation, rigid, rotation_from_quaternion
from turnaround.io.atomic import atomic_folder
from turnaround.io.existing import inside
from turnaround.io.image import MAX_SIDE
from turnaround.io.text import read_text
from turnaround.types import InputError, Pinhole

CAMERAS, IMAGES, POINTS = "cameras.txt", "images.txt", "points3D.txt"
MAX_TEXT, MAX_IMAGES = 2**28, 10**5  # bytes of a file, images
LENSES = {"SIMPLE_PINHOLE": (0, 0, 1, 2), "PINHOLE": (0, 1, 2, 3)}  # where fx, fy, cx, cy stand among the parameters
ROUNDED = 1e-3  # how far a quaternion of a few stored digits may be from length 1
NO_ERROR = -1  # COLMAP's mark of a point whose reprojection error is not known
CHUNK = 2**16  # points


@dataclass(frozen=True, kw_only=True)
class SparseModel:
    """names: of the pictures of the cameras, by name. points: in the world, in float64 when read. colors: sRGB."""

    names: Sequence[str]
    cameras: Pinhole
    points: Float[Tensor, "n 3"]
    colors: UInt8[Tensor, "n 3"]


def write_colmap(folder: Path, model: SparseModel) -> None:
    """Replaces the folder. Lenses that are the same are written once; points, in float32, have no tracks.

    InputError: names that are not unique, have spaces or leave the folder; skewed lenses; points that are not finite.
    """
    cameras = model.cameras
    _require_names(folder, model.names)
    intrinsics = cameras.intrinsics.double().cpu()
    if (intrinsics[:, 0, 1] != 0).any() or not model.points.isfinite().all():
        raise _refusal(folder, "lenses without skew and finite points", "others", fix="leave them out")
    lenses, lens = torch.unique(intrinsics[:, [0, 1, 0, 1], [0, 1, 2, 2]], dim=0, return_inverse=True)
    cam_from_world = invert(cameras.world_from_cam.double().cpu())
    quaternions = quaternion_from_rotation(cam_from_world[:, :3, :3])
    poses = torch.cat([quaternions, cam_from_world[:, :3, 3]], dim=1).tolist()
    size = f"{cameras.width} {cameras.height}"
    camera_lines = [f"{n} PINHOLE {size} {_digits(row)}" for n, row in enumerate(lenses.tolist(), start=1)]
    image_lines = [
        f"{number} {_digits(pose)} {camera + 1} {name}\n"  # and a line of 2D points, of which there are none
        for number, (pose, camera, name) in enumerate(zip(poses, lens.tolist(), model.names, strict=True), start=1)
    ]
    with atomic_folder(folder, pattern="*.txt") as temporary:
        _write(temporary / CAMERAS, "CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]", camera_lines)
        _write(temporary / IMAGES, "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then POINTS2D[]", image_lines)
        _write(temporary / POINTS, "POINT3D_ID X Y Z R G B ERROR TRACK[]", _point_lines(model.points, model.colors))


def read_colmap(folder: Path) -> SparseModel:
    """The pictures sorted by name, since a model has them in any order. Tracks and 2D points are not looked at.

    InputError names the file and line: anything missing, not finite or out of bounds, cameras that are not PINHOLE or
    SIMPLE_PINHOLE or differ in size, names that are not unique or leave the folder.
    """
    listed = [_camera(f"{folder / CAMERAS}, line {n}", line) for n, line in _lines(folder / CAMERAS) if line]
    cameras = dict(listed)
    if len(cameras) < len(listed):
        raise _refusal(folder / CAMERAS, "numbers that differ", "one twice")
    images = sorted(_images(folder / IMAGES))
    _require_names(folder / IMAGES, [name for name, _, _ in images])
    unknown = {camera for _, _, camera in images} - set(cameras)
    if unknown:
        raise _refusal(folder / IMAGES, f"cameras of {CAMERAS}", f"camera {min(unknown)}")
    sizes = {cameras[camera][0] for _, _, camera in images}
    if len(sizes) != 1:
        raise _refusal(folder, "pictures of one size, at least one", f"{len(sizes)} sizes")
    ((width, height),) = sizes
    poses = torch.tensor([pose for _, pose, _ in images], dtype=torch.float64)
    lenses = torch.tensor([cameras[camera][1] for _, _, camera in images], dtype=torch.float64)
    intrinsics = torch.eye(3, dtype=torch.float64).repeat(len(images), 1, 1)
    intrinsics[:, [0, 1, 0, 1], [0, 1, 2, 2]] = lenses
    world_from_cam = invert(rigid(rotation_from_quaternion(poses[:, :4]), poses[:, 4:]))
    points, colors = _points(folder / POINTS)
    return SparseModel(
        names=[name for name, _, _ in images],
        cameras=Pinhole(world_from_cam=world_from_cam, intrinsics=intrinsics, height=height, width=width),
        points=points,
        colors=colors,
    )


def _digits(values: Sequence[float]) -> str:
    return " ".join(map(repr, values))


def _write(path: Path, columns: str, lines: Sequence[str] | Iterator[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(f"# {columns}\n")
        file.writelines(f"{line}\n" for line in lines)


def _point_lines(points: Float[Tensor, "n 3"], colors: UInt8[Tensor, "n 3"]) -> Iterator[str]:
    """Many lines at a time."""
    for first in range(0, len(points), CHUNK):
        block = slice(first, first + CHUNK)
        places, shades = points[block].float().cpu().T.tolist(), colors[block].cpu().T.tolist()
        numbers = range(first + 1, first + 1 + len(places[0]))
        line = f"%d %.9g %.9g %.9g %d %d %d {NO_ERROR}\n"
        text = (line * len(numbers)) % tuple(chain.from_iterable(zip(numbers, *places, *shades, strict=True)))
        yield text.removesuffix("\n")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines without comments."""
    lines = read_text(path, expected=f"{path.name} of COLMAP", most=MAX_TEXT).splitlines()
    return ((n, line.strip()) for n, line in enumerate(lines, start=1) if not line.lstrip().startswith("#"))


def _camera(subject: str, line: str) -> tuple[int, tuple[tuple[int, int], list[float]]]:
    """Its number, its width and height, and fx, fy, cx, cy."""
    number, model, *words = [*line.split(), "", ""]
    if model not in LENSES:
        expected, fix = f"one of {', '.join(LENSES)}", "undistort the pictures, with COLMAP's image_undistorter"
        raise _refusal(subject, expected, model or "none", fix=fix)
    places = LENSES[model]
    values = _numbers(subject, words[:-2], 3 + max(places))
    width, height, *parameters = values
    if not all(side.is_integer() and 1 <= side <= MAX_SIDE for side in (width, height)):
        raise _refusal(subject, f"a width and height from 1 to {MAX_SIDE}", f"{width:g} x {height:g}")
    lens = [parameters[place] for place in places]
    if min(lens[:2]) <= 0:
        raise _refusal(subject, "focal lengths above 0", f"{min(lens[:2]):g}")
    return _whole(subject, number), ((int(width), int(height)), lens)


def _images(path: Path) -> Iterator[tuple[str, list[float], int]]:
    """Name, quaternion and translation, number of the camera."""
    lines = _lines(path)
    for count, (number, line) in enumerate((n, line) for n, line in lines if line):
        subject, words = f"{path}, line {number}", line.split()
        if count >= MAX_IMAGES or len(words) != 10:
            expected = f"IMAGE_ID, 7 numbers, CAMERA_ID and a name, at most {MAX_IMAGES} times"
            raise _refusal(subject, expected, f"{len(words)} words")
        pose = _numbers(subject, words[1:8], 7)
        length = sum(value * value for value in pose[:4]) ** 0.5
        if abs(length - 1) > ROUNDED:
            raise _refusal(subject, "a quaternion of length 1", f"{length:g}")
        _, seen = next(lines, (number, ""))
        if len(seen.split()) % 3:
            raise _refusal(subject, "a line of 2D points, or an empty one, after it", seen[:40])
        yield words[9], pose, _whole(subject, words[8])


def _points(path: Path) -> tuple[Float[Tensor, "n 3"], UInt8[Tensor, "n 3"]]:
    text = "\n".join(line for _, line in _lines(path) if line)
    try:
        values = np.loadtxt(io.StringIO(text), usecols=range(1, 7), ndmin=2) if text else np.zeros((0, 6))
    except ValueError as error:
        raise _refusal(path, "POINT3D_ID X Y Z R G B ERROR TRACK[]", str(error)) from error
    colors = values[:, 3:]
    if not np.isfinite(values).all() or ((colors != colors.round()) | (colors < 0) | (colors > 255)).any():
        raise _refusal(path, "finite points with whole colours from 0 to 255", "others")
    return torch.from_numpy(values[:, :3].copy()), torch.from_numpy(colors.astype(np.uint8))


def _numbers(subject: str, words: Sequence[str], count: int) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise _refusal(subject, f"{count} numbers", str(error)) from error
    if len(values) != count or not all(abs(value) < 1e12 for value in values):  # NaN included
        raise _refusal(subject, f"{count} finite numbers", " ".join(words)[:80] or "none")
    return values


def _whole(subject: str, word: str) -> int:
    if not (word.isascii() and word.isdecimal() and len(word) < 12):
        raise _refusal(subject, "a whole number that names a camera", word or "none")
    return int(word)


def _require_names(subject: object, names: Sequence[str]) -> None:
    for name in names:
        inside(Path("."), name, listed_in=subject)
        if len(name.split()) != 1 or name.startswith("#"):
            raise _refusal(subject, "names without spaces", repr(name), fix="rename the picture")
    if len(set(names)) < len(names):
        raise _refusal(subject, "names that differ", "one twice", fix="rename the pictures")


def _refusal(subject: object, expected: str, found: str, *, fix: str = "export it again, as text") -> InputError:
    return InputError(subject, expected=expected, found=found, fix=fix)
