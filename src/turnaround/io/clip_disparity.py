"""Dense disparity of a clip in a file: float16, written and read one frame at a time."""

import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.io.atomic import AtomicWriter, atomic_file
from turnaround.io.image import MAX_SIDE
from turnaround.io.npz import DAMAGE, FAST, Expected, opened_array, read_arrays
from turnaround.types import InputError

WHAT = "an .npz of a clip's disparity"
LARGEST = 65504.0  # of float16
FIX = "write it again"


class ClipDisparityWriter(AtomicWriter):
    """An .npz of maps given one by one; the same maps give the same bytes.

    Entries: `disparity` float16 [t h w], pixels of the left picture, above 0, NaN where unknown; `fx`, the focal length
    in pixels, and `baseline`, metres between the eyes, both float64: depth = fx * baseline / disparity.
    """

    def __init__(self, path: Path, *, frames: int, height: int, width: int, fx: float, baseline: float):
        if min(frames, height, width) < 1 or not 0 < fx * baseline < math.inf:
            found = f"{frames} x {height} x {width}, {fx:g} and {baseline:g}"
            expected = "at least one frame and pixel, and fx and baseline above 0"
            raise InputError(path, expected=expected, found=found, fix="check the input")
        self._path, self._shape, self._fx, self._baseline = path, (frames, height, width), fx, baseline
        self._written = 0
        self._entry: IO[bytes]

    def write(self, values: Float[Tensor, "h w"]) -> None:
        """Appends one map. Rounded to float16, which has 11 bits: 64 pixels to 1/32 of one."""
        frames, height, width = self._shape
        subject = f"{self._path}, frame {self._written}"
        if self._written == frames or values.shape != (height, width):
            found = f"map {self._written + 1} of {values.shape[1]} x {values.shape[0]}"
            raise InputError(subject, expected=f"{frames} maps of {width} x {height}", found=found, fix=FIX)
        if not ((values > 0) & (values <= LARGEST) | values.isnan()).all():
            expected = f"disparity above 0 and at most {LARGEST:g}, or NaN"
            raise InputError(subject, expected=expected, found="another", fix="write NaN where it is unknown")
        self._entry.write(np.ascontiguousarray(values.detach().cpu().numpy(), dtype="<f2").data)
        self._written += 1

    @contextmanager
    def _opened(self) -> Iterator[None]:
        header = {"descr": "<f2", "fortran_order": False, "shape": self._shape}
        with (
            atomic_file(self._path) as temporary,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=FAST) as archive,
        ):
            for name, value in (("fx", self._fx), ("baseline", self._baseline)):
                with archive.open(f"{name}.npy", "w") as entry:
                    np.lib.format.write_array(entry, np.asarray(value, dtype=np.float64), allow_pickle=False)
            with archive.open("disparity.npy", "w", force_zip64=True) as self._entry:
                np.lib.format.write_array_header_1_0(self._entry, header)
                yield
                if self._written != self._shape[0]:
                    expected = f"{self._shape[0]} maps"
                    raise InputError(self._path, expected=expected, found=str(self._written), fix=FIX)


@dataclass(frozen=True, kw_only=True)
class ClipDisparity:
    """Maps in a file; each iteration reads anew from its start, one map at a time: float32, NaN where unknown."""

    path: Path
    frames: int
    height: int
    width: int
    fx: float
    baseline: float

    def __iter__(self) -> Iterator[Float[Tensor, "h w"]]:
        return self.at(range(self.frames))

    def at(self, chosen: Sequence[int]) -> Iterator[Float[Tensor, "h w"]]:
        """The maps of these frames, which increase."""
        count, reached = self.height * self.width, 0
        try:
            with (
                zipfile.ZipFile(self.path) as archive,
                opened_array(self.path, archive, "disparity", fix=FIX) as (_, entry),
            ):
                for frame in chosen:
                    for _ in range(frame - reached):
                        entry.read(2 * count)
                    data, reached = bytearray(entry.read(2 * count)), frame + 1
                    if len(data) != 2 * count:
                        raise EOFError("it ends early")
                    yield torch.frombuffer(data, dtype=torch.float16).view(self.height, self.width).float()
        except DAMAGE as error:
            raise _damaged(self.path, error) from error


def open_clip_disparity(path: Path) -> ClipDisparity:
    """Looks at what describes the maps. InputError: another file, or a damaged one, also while iterating."""
    scalars = {name: Expected(dtypes=("float64",)) for name in ("fx", "baseline")}
    fx, baseline = (float(value) for value in read_arrays(path, scalars, what=WHAT, most=8).values())
    try:
        with zipfile.ZipFile(path) as archive, opened_array(path, archive, "disparity", fix=FIX) as (header, _):
            pass
    except DAMAGE as error:
        raise _damaged(path, error) from error
    shape, subject = header.shape, f"{path}, key 'disparity'"
    if header.dtype != np.dtype("<f2") or len(shape) != 3 or not all(0 < side <= MAX_SIDE for side in shape[1:]):
        expected, found = f"float16 [t h w], h and w at most {MAX_SIDE}", f"{header.dtype} {list(shape)}"
        raise InputError(subject, expected=expected, found=found, fix=FIX)
    if header.column_major or header.held != 2 * math.prod(shape):
        raise InputError(subject, expected=f"{2 * math.prod(shape)} bytes, row by row", found=str(header.held), fix=FIX)
    if not 0 < fx * baseline < math.inf:
        raise InputError(path, expected="fx and baseline above 0", found=f"{fx:g} and {baseline:g}", fix=FIX)
    return ClipDisparity(path=path, frames=shape[0], height=shape[1], width=shape[2], fx=fx, baseline=baseline)


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(path, expected=WHAT, found=f"a damaged or foreign file ({error})", fix=FIX)
