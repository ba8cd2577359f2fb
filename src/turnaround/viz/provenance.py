"""Where each pixel came from: 0 observed in the photo, 1 propagated (stretched from what was seen), 2 generated."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from turnaround.types import InputError

NAMES = ("observed", "propagated", "generated")
COLORS = ("#2f7fb8", "#e69a17", "#c63f94")  # the report's; the last two are the tints of `provenance_colors`
TINT = 0.55  # share of the tint in a tinted pixel: what is shown stays recognisable


def provenance_colors(image: Float[Tensor, "3 h w"], label: UInt8[Tensor, "h w"]) -> Float[Tensor, "3 h w"]:
    """The picture with propagated pixels in amber and generated ones in magenta; observed ones stay as they are."""
    _require_labels(label)
    share = torch.tensor([0, TINT, TINT]).to(image)[label.long()]
    tint = torch.stack([_rgb(color) for color in COLORS]).to(image)[label.long()].movedim(-1, 0)
    return torch.lerp(image, tint, share)


def around(labels: UInt8[Tensor, "t h w"]) -> Float[Tensor, "t 3"]:
    """The shares of observed, propagated and generated pixels in each frame; each row adds up to 1."""
    _require_labels(labels)
    return torch.stack([(labels == kind).float().mean((1, 2)) for kind in range(len(NAMES))], dim=1)


def _require_labels(labels: UInt8[Tensor, "*shape"]) -> None:
    if (largest := int(labels.max())) >= len(NAMES):
        raise InputError("provenance", expected="labels 0, 1 and 2", found=str(largest), fix="correct the labels")


def _rgb(color: str) -> Float[Tensor, "3"]:
    return torch.tensor([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
