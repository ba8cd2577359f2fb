"""The file formats of depth benchmarks. All sizes are bounded before anything is allocated; errors are `InputError`."""

import math
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.io.existing import existing_file
from turnaround.io.image import MAX_SIDE, read_png16
from turnaround.io.npz import opened_array
from turnaround.io.text import read_text
from turnaround.types import InputError

MAX_VIDEO = 2**34  # bytes of one clip's video in float32
PREPARED_KEY = "disparity"  # as DepthCrafter calls it; it holds depth
SINTEL_TAG = b"PIEH"  # as a little-endian float32: 202021.25


def require_bounded(subject: object, frames: int, height: int, width: int) -> None:
    """Refuses a clip whose video would take more than MAX_VIDEO, or a side of more than MAX_SIDE."""
    if max(height, width) > MAX_SIDE or 12 * frames * height * width > MAX_VIDEO:
        expected = f"at most {MAX_SIDE} pixels a side and {MAX_VIDEO} bytes of video"
        found = f"{frames} frames of {width} x {height}"
        raise InputError(subject, expected=expected, found=found, fix="use fewer frames")


def read_numbers(path: Path, *shape: int) -> Tensor:
    """Numbers between spaces, as many as the shape has, row by row; float64, inf and NaN pass."""
    expected = f"{' x '.join(map(str, shape))} numbers"
    text = read_text(path, expected=expected)
    try:
        return torch.tensor([float(word) for word in text.split()], dtype=torch.float64).reshape(shape)
    except (ValueError, RuntimeError) as error:
        found = " ".join(str(error).split())
        raise InputError(path, expected=expected, found=found, fix="export it again") from error


def read_timed_files(path: Path) -> tuple[Float[Tensor, "n"], list[str]]:
    """A list of the TUM RGB-D format, `seconds name` per line, # for comments: float64 seconds and names, by time."""
    expected = "lines of seconds and a file name"
    lines = [line.split() for line in read_text(path, expected=expected).splitlines()]
    try:
        timed = sorted((float(seconds), name) for seconds, name in (x for x in lines if x and not x[0].startswith("#")))
    except ValueError as error:
        raise InputError(path, expected=expected, found=str(error), fix="copy the official file") from error
    if not timed:
        raise InputError(path, expected=expected, found="none", fix="copy the official file")
    return torch.tensor([seconds for seconds, _ in timed], dtype=torch.float64), [name for _, name in timed]


def read_depth_png(path: Path, *, steps_per_metre: int) -> Float[Tensor, "h w"]:
    """Metres of a grey 16 bit PNG; 0 is unknown and becomes NaN."""
    steps = (read_png16(path).double() * 65535).round()
    return _known((steps / steps_per_metre).float())


def read_sintel_depth(path: Path) -> Float[Tensor, "h w"]:
    """Metres of a .dpt of MPI Sintel: the tag 202021.25, width and height as int32, then float32, all little-endian."""
    existing_file(path, expected="a .dpt of MPI Sintel")
    with path.open("rb") as file:
        head, size = file.read(12), path.stat().st_size
        width, height = np.frombuffer(head[4:], "<i4").tolist() if len(head) == 12 else (0, 0)
        sides = min(width, height) > 0 and max(width, height) <= MAX_SIDE
        if not sides or head[:4] != SINTEL_TAG or size != 12 + 4 * width * height:
            found = f"{size} bytes that begin with {head.hex(' ')}"
            raise InputError(path, expected="a whole .dpt of MPI Sintel", found=found, fix="unpack it again")
        values = np.frombuffer(file.read(), "<f4").reshape(height, width)
    return _known(torch.from_numpy(values.astype(np.float32)))


def read_sintel_camera(path: Path) -> tuple[Float[Tensor, "3 3"], Float[Tensor, "4 4"]]:
    """K, for pixel centres at whole numbers, and cam_from_world, in float64, of a .cam of MPI Sintel.

    The tag 202021.25, then K (3 x 3) and the upper part of cam_from_world (3 x 4) in float64, all little-endian.
    """
    existing_file(path, expected="a .cam of MPI Sintel")
    with path.open("rb") as file:
        data = file.read(173)
    if len(data) != 172 or data[:4] != SINTEL_TAG:
        found = f"{path.stat().st_size} bytes that begin with {data[:4].hex(' ')}"
        raise InputError(path, expected="a whole .cam of MPI Sintel", found=found, fix="unpack it again")
    numbers = torch.from_numpy(np.frombuffer(data[4:], "<f8").astype(np.float64))
    cam_from_world = torch.eye(4, dtype=torch.float64)
    cam_from_world[:3] = numbers[9:].view(3, 4)
    return numbers[:9].view(3, 3), cam_from_world


def read_prepared_depth(path: Path, *, frames: int) -> tuple[Float[Tensor, "t h w"], int]:
    """The first `frames` maps in metres of DepthCrafter's prepared truth, NaN where unknown, and how many there are.

    The file is an .npz whose key `disparity` holds depth [t 1 h w]; what is not finite and positive is unknown.
    """
    existing_file(path, expected="an .npz of true depth")
    fix = "prepare it with DepthCrafter's scripts"
    try:
        with zipfile.ZipFile(path) as archive, opened_array(path, archive, PREPARED_KEY, fix=fix) as (header, entry):
            shape, dtype = header.shape, header.dtype
            if len(shape) != 4 or shape[1] != 1 or min(shape) < 1 or dtype.kind != "f" or header.column_major:
                expected = f"floating-point {PREPARED_KEY} [t 1 h w], row by row"
                raise InputError(path, expected=expected, found=f"{dtype} {list(shape)}", fix=fix)
            kept = (min(frames, shape[0]), *shape[2:])
            require_bounded(path, *kept)
            data = entry.read(math.prod(kept) * dtype.itemsize)
        values = np.frombuffer(data, dtype).reshape(kept).astype(np.float32)
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, RuntimeError, OSError) as error:
        found = f"a damaged or foreign file ({error})"
        raise InputError(path, expected="an .npz of true depth", found=found, fix="copy it again") from error
    return _known(torch.from_numpy(values)), shape[0]


def _known(depth: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    return torch.where(depth.isfinite() & (depth > 0), depth, torch.nan)
