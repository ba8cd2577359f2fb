"""EXR: one float32 channel Z. Needs the extra `exr`."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.io.atomic import atomic_file, unwritable
from turnaround.io.existing import existing_file
from turnaround.io.image import MAX_SIDE, require_suffix
from turnaround.types import InputError


def write_exr(path: Path, values: Float[Tensor, "h w"]) -> None:
    """The values as they are (NaN and inf too), losslessly compressed."""
    openexr = _openexr(path)
    require_suffix(path, ".exr")
    pixels = np.ascontiguousarray(values.detach().cpu().numpy(), dtype=np.float32)
    header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
    with atomic_file(path) as temporary:
        try:
            openexr.File(header, {"Z": pixels}).write(str(temporary))
        except RuntimeError as error:  # OpenEXR tells the system's reason in words only
            raise unwritable(path, str(error)) from error


def read_exr(path: Path) -> Float[Tensor, "h w"]:
    """The channel Z, NaN and inf included; refuses files without it or with another type of number."""
    openexr = _openexr(path)
    existing_file(path, expected="an EXR image")
    try:
        low, high = openexr.File(str(path), header_only=True).header()["dataWindow"]
        _require_bounded(path, *(high - low + 1).tolist())
        channels = openexr.File(str(path), separate_channels=True).channels()
    except (RuntimeError, ValueError) as error:  # ValueError: a part of it cannot be read
        found = "something else or a damaged file"
        raise InputError(path, expected="an EXR image", found=found, fix="write it again") from error
    if "Z" not in channels or channels["Z"].pixels.dtype != np.float32:
        found = ", ".join(f"{name} {channel.pixels.dtype}" for name, channel in channels.items())
        raise InputError(path, expected="a float32 channel Z", found=found, fix="export the depth as Z")
    return torch.from_numpy(channels["Z"].pixels.copy())


def _require_bounded(path: Path, width: int, height: int) -> None:
    if not 0 < min(width, height) <= max(width, height) <= MAX_SIDE:
        raise InputError(
            path, expected=f"1 to {MAX_SIDE} pixels a side", found=f"{width} x {height}", fix="make it smaller"
        )


def _openexr(path: Path) -> ModuleType:
    try:
        return importlib.import_module("OpenEXR")
    except ImportError as error:
        raise InputError(
            path,
            expected="the package OpenEXR",
            found="none",
            fix="install the extra exr: pip install 'turnaround[exr]'",
        ) from error
