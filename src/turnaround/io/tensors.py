"""Tensors in safetensors files."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from turnaround.io.atomic import atomic_file, unwritable


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """metadata: at most one entry, for the order of several, and with it the bytes, would be random.

    InputError: a place that cannot be written to or is full.
    """
    with atomic_file(path) as temporary:
        try:
            entries = {name: tensor.contiguous() for name, tensor in tensors.items()}
            save_file(entries, temporary, metadata=dict(metadata) if metadata else None)
        except SafetensorError as error:
            raise unwritable(path, str(error)) from error
