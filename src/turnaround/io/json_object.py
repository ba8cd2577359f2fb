"""JSON files that hold one object, and the cameras in them."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.se3 import distance_to_rotation
from turnaround.io.image import MAX_SIDE
from turnaround.io.text import read_text
from turnaround.types import InputError

MAX_TEXT = 2**26  # bytes
OPENGL = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64))  # OpenCV's axes; its own inverse
ROUNDED = 1e-3  # how far a rotation of a few stored digits may be from one


def read_object(path: Path, *, expected: str) -> dict[str, Any]:
    """expected: what the file should hold, for the error."""
    text = read_text(path, expected=expected, most=MAX_TEXT)
    try:
        stored = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise refusal(path, expected, str(error)) from error
    if not isinstance(stored, dict):
        raise refusal(path, expected, type(stored).__name__)
    return stored


def objects(stored: Mapping[str, Any], key: str, subject: object, *, most: int) -> list[dict[str, Any]]:
    """A list of 1 to `most` objects."""
    value = stored.get(key)
    if not isinstance(value, list) or not 0 < len(value) <= most or not all(isinstance(item, dict) for item in value):
        raise refusal(subject, f"1 to {most} frames", f"none, or something else, under {key!r}")
    return value


def stored_number(stored: Mapping[str, Any], key: str, subject: object) -> float:
    value = stored.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:  # NaN included
        raise refusal(subject, f"a number under {key!r}", "none" if value is None else repr(value)[:40])
    return float(value)


def size(stored: Mapping[str, Any], keys: tuple[str, str], subject: object) -> tuple[int, int]:
    """Height and width. keys: theirs, in that order."""
    height, width = (stored_number(stored, key, subject) for key in keys)
    if not all(1 <= side <= MAX_SIDE and side.is_integer() for side in (height, width)):
        raise refusal(subject, f"{keys[1]} and {keys[0]} from 1 to {MAX_SIDE}", f"{width:g} x {height:g}")
    return int(height), int(width)


def rigid_motion(rows: Any, key: str, subject: object) -> Float[Tensor, "4 4"]:
    """A rotation and a translation, from four rows of four."""
    rows = rows if isinstance(rows, list) else []
    numbers = [value for row in rows for value in (row if isinstance(row, list) else [])]
    if len(rows) != 4 or len(numbers) != 16 or not all(type(n) in (int, float) and math.isfinite(n) for n in numbers):
        raise refusal(subject, f"4 x 4 finite numbers under {key!r}", "something else")
    matrix = torch.tensor(numbers, dtype=torch.float64).view(4, 4)
    bottom = torch.tensor([0, 0, 0, 1], dtype=torch.float64)
    apart = max(float(distance_to_rotation(matrix[:3, :3])), float((matrix[3] - bottom).abs().max()))
    if apart > ROUNDED:
        raise refusal(subject, f"a rotation and a translation under {key!r}", f"{apart:.2g} away from one")
    return matrix


def refusal(subject: object, expected: str, found: str, *, fix: str = "export it again") -> InputError:
    return InputError(subject, expected=expected, found=found, fix=fix)
