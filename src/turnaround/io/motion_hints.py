"""What a person tells of how a picture moves: a JSON of arrows, and a mask picture that is white where it moves.

`{"arrows": [[[x, y], [dx, dy]], ...]}`: x, y in shares of the picture's width and height from its upper left corner, in
[0, 1); dx, dy in the same shares per second.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from turnaround.io.json_object import read_object, refusal
from turnaround.io.picture import read_picture
from turnaround.types import InputError

MAX_ARROWS = 64
FASTEST = 10.0  # pictures per second
MOST = 1e9
WHITE = 0.5  # brightness from which a pixel of a mask moves
ROUNDED = 8  # pixels by which both sides of a picture that is worked on may be rounded
EXPECTED = "arrows of motion"
FIX = 'write {"arrows": [[[x, y], [dx, dy]], ...]} in shares of the picture\'s sides'


@dataclass(frozen=True, kw_only=True)
class MotionHints:
    """at: x, y in pixels of a picture. arrows: in its pixels per second. moving: not empty; all of `at` lies in it."""

    at: Float[Tensor, "k 2"]
    arrows: Float[Tensor, "k 2"]
    moving: Bool[Tensor, "h w"]


def read_motion_hints(arrows: Path, mask: Path, *, height: int, width: int) -> MotionHints:
    """For a picture of that size.

    InputError: bad arrows (other than 1 to `MAX_ARROWS`, not finite, too fast, outside of the picture or the mask), a
    bad mask (`read_motion_mask`).
    """
    moving = read_motion_mask(mask, height=height, width=width)
    sides = torch.tensor([width, height], dtype=torch.float64)
    shares = torch.tensor(_arrows(arrows), dtype=torch.float64)
    at = torch.minimum(shares[:, 0] * sides, torch.nextafter(sides, torch.zeros_like(sides)))
    column, row = at.T.floor().long()
    for number, moves in enumerate(moving[row, column].tolist()):
        if not moves:
            expected, fix = f"a start in the white of {mask}", "move the arrow"
            raise refusal(_named(arrows, number), expected, "one outside", fix=fix)
    return MotionHints(at=at, arrows=(shares[:, 1] * sides).float(), moving=moving)


def read_motion_mask(path: Path, *, height: int, width: int) -> Bool[Tensor, "h w"]:
    """White of a picture of the same shape, at a size.

    InputError: no picture, one of another shape, or without white.
    """
    read = read_picture(path, longest=max(height, width)).image.mean(dim=0)
    found = read.shape[1] / read.shape[0]
    if abs(math.log(found * height / width)) > ROUNDED / min(height, width):
        expected = f"a mask of the picture's shape, {width} x {height}"
        raise InputError(path, expected=expected, found=f"{read.shape[1]} x {read.shape[0]}", fix="save it at its size")
    mask = interpolate(read[None, None], (height, width), mode="area")[0, 0] >= WHITE
    if not mask.any():
        raise InputError(path, expected="white where the picture moves", found="none", fix="paint it white there")
    return mask


def _arrows(path: Path) -> list[Any]:
    """[[[x, y], [dx, dy]], ...]"""
    stored = read_object(path, expected=EXPECTED).get("arrows")
    if not isinstance(stored, list) or not 0 < len(stored) <= MAX_ARROWS:
        found = f"{len(stored)}" if isinstance(stored, list) else "no list"
        raise refusal(path, f"1 to {MAX_ARROWS} under 'arrows'", found, fix=FIX)
    for number, arrow in enumerate(stored):
        if not (isinstance(arrow, list) and len(arrow) == 2 and all(_is_pair(pair) for pair in arrow)):
            raise refusal(_named(path, number), "[[x, y], [dx, dy]] of finite numbers", repr(arrow)[:40], fix=FIX)
        if not all(0 <= share < 1 for share in arrow[0]):
            raise refusal(_named(path, number), "a start in the picture, [0, 1)", repr(arrow[0])[:40], fix=FIX)
        if max(abs(share) for share in arrow[1]) > FASTEST:
            found = repr(arrow[1])[:40]
            raise refusal(_named(path, number), f"at most {FASTEST:g} pictures per second", found, fix=FIX)
    return stored


def _is_pair(stored: Any) -> bool:
    """Of numbers, none of them NaN, infinite or beyond all sense."""
    return (
        isinstance(stored, list) and len(stored) == 2 and all(type(n) in (int, float) and abs(n) < MOST for n in stored)
    )


def _named(path: Path, number: int) -> str:
    return f"{path}, arrow {number}"
