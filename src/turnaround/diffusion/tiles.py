"""High resolutions in the memory of one tile."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from turnaround.types import Condition, InpaintNetwork, InputError, WeightsNotice


class TiledNetwork(nn.Module):
    """An inpainting network whose velocities come from latent tiles of `tile` pixels a side, `overlap` of them shared.

    Where tiles overlap their velocities are mixed, by weights that fall linearly towards the edges of a tile, at every
    step, as StereoCrafter mixes its latents at the end (arXiv 2409.07447). So the result is the network's own where a
    velocity depends on its own cell alone, and where the picture fits one tile. Image tokens are those of whole frames.
    What goes into the latents and out of them is not tiled.
    """

    def __init__(self, *, network: InpaintNetwork, tile: int, overlap: int):
        super().__init__()
        self.network = network
        self.size_multiple, self.factor = network.size_multiple, network.factor
        self.picture_channels, self.latent_channels = network.picture_channels, network.latent_channels
        self.color_channels = network.color_channels
        if tile < 1 or tile % self.size_multiple:
            expected, fix = f"a multiple of {self.size_multiple} pixels, which the network needs", "correct it"
            raise InputError("tile", expected=expected, found=str(tile), fix=fix)
        if not 0 <= overlap < tile or overlap % self.factor:
            expected, fix = f"a multiple of {self.factor} pixels from 0 to less than a tile", "correct it"
            raise InputError("overlap", expected=expected, found=str(overlap), fix=fix)
        self.tile, self.overlap = tile // self.factor, overlap // self.factor

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self.network.weights

    def condition(self, seen, hole):
        return self.network.condition(seen, hole)

    def encode(self, pictures):
        return self.network.encode(pictures)

    def decode(self, latents):
        return self.network.decode(latents)

    def velocity(
        self, scaled: Float[Tensor, "b t d y x"], c_noise: Float[Tensor, "b t"], condition: Condition
    ) -> Float[Tensor, "b t d y x"]:
        height, width = scaled.shape[-2:]
        tall, wide = min(self.tile, height), min(self.tile, width)
        if (tall, wide) == (height, width):
            return self.network.velocity(scaled, c_noise, condition)
        weight = torch.outer(_slopes(tall, self.overlap), _slopes(wide, self.overlap)).to(scaled)
        mixed, total = torch.zeros_like(scaled), torch.zeros_like(scaled[0, 0, 0])
        for top in tile_starts(height, tall, self.overlap):
            for left in tile_starts(width, wide, self.overlap):
                cells = (..., slice(top, top + tall), slice(left, left + wide))
                part = Condition(latents=condition.latents[cells], tokens=condition.tokens)
                mixed[cells] += weight * self.network.velocity(scaled[cells], c_noise, part)
                total[cells] += weight
        return mixed / total


def tile_starts(size: int, tile: int, overlap: int) -> list[int]:
    """Of tiles that cover `size`; the last one ends with it, and so may overlap more."""
    return [*range(0, size - tile, tile - overlap), size - tile]


def _slopes(tile: int, overlap: int) -> Float[Tensor, " tile"]:
    """1 inside, falling linearly over the overlap at both ends, never to 0."""
    inward = torch.arange(1, tile + 1)
    return torch.minimum(inward, inward.flip(0)).clamp(max=overlap + 1) / (overlap + 1)
