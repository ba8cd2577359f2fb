"""A plain UNet of pictures, for nets that are not diffusion models."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

GROUPS = 8  # of every group norm


class UNet(nn.Module):
    """entering, leaving: channels of pictures that go in and come out. channels: of each level, multiples of `GROUPS`;
    each has half the resolution of the one before, so sides are multiples of 2^(levels - 1)."""

    def __init__(self, *, entering: int, channels: Sequence[int], leaving: int):
        super().__init__()
        before = (entering, *channels[:-1])
        self.down = nn.ModuleList(Block(one, other) for one, other in zip(before, channels, strict=True))
        pairs = list(zip(channels[:0:-1], channels[-2::-1], strict=True))
        self.up = nn.ModuleList(Block(deep + beside, beside) for deep, beside in pairs)
        self.leave = nn.Conv2d(channels[0], leaving, 1)

    def forward(self, pictures: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        kept = [self.down[0](pictures)]
        for block in self.down[1:]:
            kept.append(block(nn.functional.avg_pool2d(kept[-1], 2)))
        hidden = kept.pop()
        for block in self.up:
            hidden = block(torch.cat([interpolate(hidden, scale_factor=2, mode="nearest"), kept.pop()], dim=1))
        return self.leave(hidden)


class Block(nn.Sequential):
    """Two convolutions, each with a norm and a parametric ReLU."""

    def __init__(self, entering: int, leaving: int):
        super().__init__(*_convolved(entering, leaving), *_convolved(leaving, leaving))


def _convolved(entering: int, leaving: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(entering, leaving, 3, padding=1), nn.GroupNorm(GROUPS, leaving), nn.PReLU()
