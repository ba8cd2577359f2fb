"""Pictures beside, above and around each other. Everything takes images or videos, RGB in [0, 1]."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

FONT = cv2.FONT_HERSHEY_SIMPLEX


def hcat(
    pictures: Sequence[Float[Tensor, "*b 3 h _"]], *, gap: int = 0, shade: float = 1.0
) -> Float[Tensor, "*b 3 h w"]:
    """Side by side, left to right, with `gap` columns of grey `shade` between them."""
    return _join(pictures, gap=gap, shade=shade, axis=-1)


def vcat(
    pictures: Sequence[Float[Tensor, "*b 3 _ w"]], *, gap: int = 0, shade: float = 1.0
) -> Float[Tensor, "*b 3 h w"]:
    """Stacked, top to bottom, with `gap` rows of grey `shade` between them."""
    return _join(pictures, gap=gap, shade=shade, axis=-2)


def _join(pictures: Sequence[Tensor], *, gap: int, shade: float, axis: int) -> Tensor:
    first, *rest = pictures
    shape = list(first.shape)
    shape[axis] = gap
    spacer = first.new_full(shape, shade)
    return torch.cat([first] + [part for picture in rest for part in (spacer, picture)], dim=axis)


def border(picture: Float[Tensor, "*b 3 h w"], *, width: int = 1, shade: float = 1.0) -> Float[Tensor, "*b 3 y x"]:
    """A frame of `width` pixels of grey `shade` around the picture, which grows by twice that on both axes."""
    return pad(picture, (width, width, width, width), value=shade)


def label(picture: Float[Tensor, "*b 3 h w"], text: str, *, height: int = 24) -> Float[Tensor, "*b 3 y w"]:
    """A strip of `height` black rows with white text above the picture; long text shrinks to the picture's width."""
    strip = _strip(text, height=height, width=picture.shape[-1]).to(picture)
    return torch.cat([strip.expand(*picture.shape[:-2], -1, -1), picture], dim=-2)


def _strip(text: str, *, height: int, width: int) -> Float[Tensor, "height width"]:
    margin = height // 4
    (unit_width, unit_height), _ = cv2.getTextSize(text, FONT, 1.0, 1)
    scale = min(0.5 * height / max(unit_height, 1), max(width - 2 * margin, 1) / max(unit_width, 1))
    canvas = np.zeros((height, width), np.uint8)
    cv2.putText(canvas, text, (margin, round(0.72 * height)), FONT, scale, 255, 1, cv2.LINE_AA)
    return torch.from_numpy(canvas).float() / 255
