"""Pictures with holes to latents and back. [-1, 1] exists only here; outside, channels are in [0, 1]."""

from abc import ABC, abstractmethod

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from turnaround.geometry.holes import FILLINGS, fillings


class PictureCodec(nn.Module, ABC):
    """Encodes pictures of `picture_channels` channels: RGB, and then, where there are four, disparity.

    factor: pixels per latent cell and side; height and width of what is encoded are multiples of it. color_channels:
    the latent channels that hold colour; those after them hold disparity. fillings: how many whole pictures what is
    seen is encoded as, which differ in their holes.
    """

    picture_channels: int
    latent_channels: int
    color_channels: int
    hole_channels: int
    factor: int
    fillings = 1

    @abstractmethod
    def encode(self, pictures: Float[Tensor, "b t p h w"]) -> Float[Tensor, "b t d y x"]:
        """What is denoised."""

    @abstractmethod
    def encode_seen(
        self, seen: Float[Tensor, "b t p h w"], hole: Bool[Tensor, "b t h w"]
    ) -> Float[Tensor, "b t s y x"]:
        """What the network sees of the known part, one of the `fillings` after another. seen: 0 in holes."""

    @abstractmethod
    def encode_hole(self, hole: Bool[Tensor, "b t h w"]) -> Float[Tensor, "b t m y x"]: ...

    @abstractmethod
    def decode(self, latents: Float[Tensor, "b t d y x"]) -> Float[Tensor, "b t p h w"]:
        """Not clamped."""


class PatchPictureCodec(PictureCodec):
    """Space to depth: a latent cell holds the pixels of its patch. Exact both ways, with nothing to train.

    Holes are seen pixel by pixel, filled in several ways with what lies around and behind them
    (`geometry.holes.fillings`), so that a network starts from there. channels: 3, or 4 with disparity, which then tells
    what lies behind.
    """

    fillings = FILLINGS

    def __init__(self, *, factor: int, channels: int):
        super().__init__()
        self.factor, self.picture_channels = factor, channels
        self.latent_channels, self.hole_channels = channels * factor**2, factor**2
        self.color_channels = 3 * factor**2

    def encode(self, pictures):
        return self._patches(2 * pictures - 1)

    def encode_seen(self, seen, hole):
        return torch.cat([self.encode(filled) for filled in fillings(seen, hole)], dim=2)

    def encode_hole(self, hole):
        return self._patches(hole[:, :, None].float())

    def decode(self, latents):
        size = {"i": self.factor, "j": self.factor}
        return rearrange(latents, "b t (c i j) y x -> b t c (y i) (x j)", **size) / 2 + 0.5

    def _patches(self, pictures: Float[Tensor, "b t p h w"]) -> Float[Tensor, "b t d y x"]:
        return rearrange(pictures, "b t c (y i) (x j) -> b t (c i j) y x", i=self.factor, j=self.factor)


def grown_cells(hole: Bool[Tensor, "b t h w"], factor: int) -> Float[Tensor, "b t 1 y x"]:
    """Latent cells of which any pixel is in a hole, and those beside them: what a VAE mixes a hole's pixels into."""
    cells = torch.nn.functional.max_pool2d(hole.float(), factor)
    return torch.nn.functional.max_pool2d(cells, 3, stride=1, padding=1)[:, :, None]
