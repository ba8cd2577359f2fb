"""Arrays in .npz files, looked at before they are read, and written without pickle."""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from torch import Tensor

from turnaround.io.atomic import atomic_file
from turnaround.types import InputError

FAST = 1  # of zlib's levels


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
        shape, column_major, dtype = read_header(entry)
        held = info.file_size - entry.tell()
        yield ArrayHeader(shape=shape, dtype=dtype, column_major=column_major, held=held), entry


def write_npz(path: Path, arrays: Mapping[str, Tensor]) -> None:
    """Compressed, fast rather than well; the same values give the same bytes, as no clock is written."""
    with (
        atomic_file(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=FAST) as archive,
    ):
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, values.detach().cpu().numpy(), allow_pickle=False)
