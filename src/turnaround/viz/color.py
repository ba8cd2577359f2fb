"""Numbers as colours."""

from enum import Enum
from functools import cache

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

UNKNOWN_GREY = 0.5


class Colormap(Enum):
    """A colour map from dark (0) to bright (1), or from blue to red for turbo. Values are OpenCV's identifiers."""

    INFERNO = cv2.COLORMAP_INFERNO
    TURBO = cv2.COLORMAP_TURBO
    VIRIDIS = cv2.COLORMAP_VIRIDIS


@cache
def lookup_table(colormap: Colormap) -> Float[Tensor, "256 3"]:
    """RGB in [0, 1] at 256 even steps from 0 to 1."""
    bgr = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], colormap.value)[:, 0]
    return torch.from_numpy(bgr[:, ::-1].astype(np.float32) / 255)


def colorize(values: Float[Tensor, "*b h w"], colormap: Colormap = Colormap.INFERNO) -> Float[Tensor, "*b 3 h w"]:
    """RGB in [0, 1] of values in [0, 1]; values outside take the end colours, NaN takes mid grey."""
    table = lookup_table(colormap).to(values.device)
    unknown = values.isnan()
    index = (values.masked_fill(unknown, 0).clamp(0, 1) * 255).round().long()
    colors = table[index].masked_fill(unknown[..., None], UNKNOWN_GREY)
    return colors.movedim(-1, -3)
