"""Arrays that take long to make, kept in files."""

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from turnaround.io.atomic import atomic_file
from turnaround.io.existing import existing_file


def kept(folder: Path, decides: Sequence[str], make: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """What `make` gives, from an .npz in the folder where it lies there whole; else it is made and written.

    decides: all that the arrays follow from, but for the code; the file is named after it.
    """
    path = folder / f"{hashlib.sha256(chr(0).join(decides).encode()).hexdigest()[:32]}.npz"
    if (found := _read(path)) is not None:
        return found
    arrays = {name: tensor.cpu().numpy() for name, tensor in make().items()}
    with atomic_file(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def digest(*tensors: Tensor) -> str:
    """SHA-256 of the numbers and shapes."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(str((tensor.dtype, list(tensor.shape))).encode())
        found.update(tensor.detach().cpu().contiguous().numpy().data)
    return found.hexdigest()


def file_digest(path: Path, *, expected: str) -> str:
    """SHA-256 of a file, read once per process as long as its size and time stay. expected: as of `existing_file`."""
    state = existing_file(path, expected=expected).stat()
    return _file_digest(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1 << 16)
def _file_digest(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> dict[str, Tensor] | None:
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: torch.from_numpy(stored[name]) for name in stored.files}
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, TypeError):
        return None  # damaged: it is made again
