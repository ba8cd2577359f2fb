"""Arrays in .npz files, looked at before they are read, and written without pickle."""

import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from torch import Tensor

from turnaround.io.atomic import atomic_file
from turnaround.io.existing import existing_file
from turnaround.types import InputError

FAST = 1  # of zlib's levels
DAMAGE = (zipfile.BadZipFile, zlib.error, ValueError, EOFError, RuntimeError, OSError, NotImplementedError)
MAX_TEXT = 2**16  # characters of a text in an .npz


@dataclass(frozen=True, kw_only=True)
class ArrayHeader:
    """What the header of an array says. held: how many bytes follow it."""

    shape: tuple[int, ...]
    dtype: np.dtype
    column_major: bool
    held: int


@contextmanager
def opened_array(
    path: Path, archive: zipfile.ZipFile, key: str, *, fix: str
) -> Iterator[tuple[ArrayHeader, IO[bytes]]]:
    """The header of the array `key` of the archive at `path`, and its file, which stands where the values begin.

    InputError: there is no such array. A damaged file raises whatever zipfile, zlib and NumPy make of it.
    """
    keys = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    if key not in keys:
        raise InputError(path, expected=f"the key {key!r}", found=", ".join(keys) or "none", fix=fix)
    info = archive.getinfo(f"{key}.npy")
    with archive.open(info) as entry:
        version = np.lib.format.read_magic(entry)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        try:
            shape, column_major, dtype = read_header(entry)
        except tokenize.TokenError as error:  # from where NumPy looks whether Python 2 wrote it
            raise ValueError(f"a header that is none, {error}") from error
        held = info.file_size - entry.tell()
        yield ArrayHeader(shape=shape, dtype=dtype, column_major=column_major, held=held), entry


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What an array must be. dtypes: the names of those allowed, `str` for text. shape: numbers, and letters for axes
    of any length, the same wherever the letter stands."""

    dtypes: tuple[str, ...]
    shape: tuple[int | str, ...] = ()

    def __str__(self) -> str:
        return f"{' or '.join(self.dtypes)} [{' '.join(map(str, self.shape))}]"

    def fits(self, header: ArrayHeader, sizes: dict[str, int]) -> bool:
        """Notes in `sizes` what the letters stand for."""
        if ("str" if header.dtype.kind == "U" else header.dtype.name) not in self.dtypes or header.column_major:
            return False
        if len(header.shape) != len(self.shape) or not header.dtype.isnative:
            return False
        axes = zip(self.shape, header.shape, strict=True)
        return all((sizes.setdefault(axis, n) if isinstance(axis, str) else axis) == n for axis, n in axes)


def read_arrays(
    path: Path, expected: Mapping[str, Expected], *, what: str, most: int, fix: str = "write it again"
) -> dict[str, np.ndarray]:
    """These arrays of the file, all of whose headers are looked at before any of them is read.

    what: what the file should hold. most: bytes of one array. InputError: a missing key, another type or shape, more
    bytes than that, damage.
    """
    existing_file(path, expected=what)
    try:
        with zipfile.ZipFile(path) as archive:
            sizes: dict[str, int] = {}
            for key, wanted in expected.items():
                with opened_array(path, archive, key, fix=fix) as (header, _):
                    _require(f"{path}, key {key!r}", header, wanted, sizes, most, fix)
            return {key: _values(archive, key) for key in expected}
    except DAMAGE as error:
        found = f"a damaged or foreign file ({error})"
        raise InputError(path, expected=what, found=found, fix=fix) from error


def _require(subject: str, header: ArrayHeader, wanted: Expected, sizes: dict[str, int], most: int, fix: str) -> None:
    if not wanted.fits(header, sizes):
        lengths = ", ".join(f"{letter} = {sizes[letter]}" for letter in wanted.shape if letter in sizes)
        found = f"{header.dtype} {list(header.shape)}"
        raise InputError(subject, expected=f"{wanted} {lengths}".strip(), found=found, fix=fix)
    size, limit = math.prod(header.shape) * header.dtype.itemsize, most if wanted.shape else 4 * MAX_TEXT
    if size > limit:
        raise InputError(subject, expected=f"at most {limit} bytes", found=str(size), fix="split it")
    if size != header.held:
        raise InputError(subject, expected=f"{size} bytes, {list(header.shape)}", found=str(header.held), fix=fix)


def _values(archive: zipfile.ZipFile, key: str) -> np.ndarray:
    with archive.open(f"{key}.npy") as entry:
        return np.lib.format.read_array(entry, allow_pickle=False)


def write_npz(path: Path, arrays: Mapping[str, Tensor | np.ndarray | str]) -> None:
    """Compressed, fast rather than well; the same values give the same bytes, as no clock is written."""
    with (
        atomic_file(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=FAST) as archive,
    ):
        for name, values in arrays.items():
            array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
