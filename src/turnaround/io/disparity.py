"""Disparity of stereo pairs in .npy files: floating-point pixels, NaN where unknown."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.io.atomic import atomic_file
from turnaround.io.existing import existing_file
from turnaround.types import InputError


def read_disparity(path: Path, *, height: int, width: int) -> Float[Tensor, "h w"]:
    """Positive pixels, NaN where unknown: what is stored as 0, below, or infinite counts as unknown.

    InputError: another size than the picture's, no numbers, or none above 0, as in files of the opposite sign.
    """
    existing_file(path, expected="an .npy of disparity")
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        found = f"a damaged or foreign file ({error})"
        raise InputError(path, expected="an .npy of disparity", found=found, fix="write it again") from error
    if not isinstance(stored, np.ndarray) or stored.dtype.kind != "f" or stored.shape != (height, width):
        what = f"{stored.dtype} {list(stored.shape)}" if isinstance(stored, np.ndarray) else "an archive"
        expected = f"floating-point numbers [{height} {width}], as its picture"
        raise InputError(path, expected=expected, found=what, fix="write disparity in pixels of the picture")
    disparity = torch.from_numpy(np.array(stored, dtype=np.float32))
    known = disparity.isfinite() & (disparity > 0)
    if not known.any():
        numbers = disparity[disparity.isfinite()]
        found = f"{numbers.min():g} to {numbers.max():g}" if len(numbers) else "no number"
        expected, fix = "disparity above 0: x_right = x_left - disparity", "change its sign, or swap the eyes"
        raise InputError(path, expected=expected, found=found, fix=fix)
    return torch.where(known, disparity, torch.nan)


def write_disparity(path: Path, disparity: Float[Tensor, "h w"]) -> None:
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, disparity.detach().cpu().float().numpy(), allow_pickle=False)
