"""A network that tells from one picture how what it shows moves."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from turnaround.nets.fingerprint import fingerprint
from turnaround.nets.unet import UNet
from turnaround.types import WeightsNotice


class MotionUNet(nn.Module):
    """A `MotionNetwork`: a UNet on the picture and what may move; elsewhere the velocity is 0.

    channels: of each level. speed: shares of the longer side per second that an output of 1 stands for.
    """

    weights: Sequence[WeightsNotice]
    architecture: Mapping[str, Any] | None = None

    def __init__(self, *, channels: Sequence[int], speed: float):
        super().__init__()
        self.weights, self.speed = (), speed
        self.size_multiple = 2 ** (len(channels) - 1)
        self.unet = UNet(entering=4, channels=channels, leaving=2)

    def motion(self, pictures: Float[Tensor, "b 3 h w"], moving: Bool[Tensor, "b h w"]) -> Float[Tensor, "b 2 h w"]:
        mask = moving[:, None].to(pictures)
        return self.speed * mask * self.unet(torch.cat([2 * pictures - 1, mask], dim=1))

    def fingerprint(self) -> str:
        return f"{fingerprint({'unet': self.unet})}-{self.speed:g}"
