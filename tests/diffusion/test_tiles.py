import pytest
import torch
from torch import nn

from turnaround.diffusion.tiles import TiledNetwork, tile_starts
from turnaround.nets.inpaint import BlendingDenoiser, ImageUNet, LatentInpaintNetwork, NoTokens
from turnaround.nets.picture_codec import PatchPictureCodec
from turnaround.types import Condition, InpaintNetwork, InputError


class Pointwise(nn.Module):
    """Velocities of a cell from that cell, its condition and its noise level; counts what it is asked."""

    size_multiple, factor, picture_channels, latent_channels, color_channels, weights = 8, 4, 3, 2, 2, ()

    def __init__(self):
        super().__init__()
        self.sizes = []

    def condition(self, seen, hole):
        raise NotImplementedError

    encode = decode = condition

    def velocity(self, scaled, c_noise, condition):
        self.sizes.append(tuple(scaled.shape[-2:]))
        levels = c_noise[:, :, None, None, None]
        return scaled.sin() * condition.latents[:, :, :2] + levels * condition.tokens.sum()


def inputs(height, width):
    generator = torch.Generator().manual_seed(0)
    scaled, latents = (torch.randn(1, 2, c, height, width, generator=generator) for c in (2, 3))
    return scaled, torch.tensor([[0.1, 0.4]]), Condition(latents=latents, tokens=torch.ones(1, 2, 3))


@pytest.mark.parametrize(("height", "width"), [(6, 6), (7, 13), (16, 5), (11, 20)])
def test_a_local_network_is_evaluated_as_without_tiles(height, width):
    network = Pointwise()
    given = inputs(height, width)
    expected = network.velocity(*given)
    network.sizes.clear()
    found = TiledNetwork(network=network, tile=24, overlap=8).velocity(*given)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)  # weights, and their sum, in float32
    assert len(network.sizes) > (height * width > 36)
    assert max(rows * columns for rows, columns in network.sizes) <= 36


def test_a_picture_of_one_tile_is_left_to_the_network():
    network, given = Pointwise(), inputs(6, 4)
    assert torch.equal(TiledNetwork(network=network, tile=24, overlap=8).velocity(*given), network.velocity(*given))
    assert network.sizes == [(6, 4)] * 2


class Numbered(Pointwise):
    """0 for the first tile, 1 for the second."""

    def velocity(self, scaled, c_noise, condition):
        self.sizes.append(tuple(scaled.shape[-2:]))
        return torch.full_like(scaled, len(self.sizes) - 1.0)


def test_tiles_are_mixed_linearly():
    scaled, c_noise, condition = inputs(8, 13)
    found = TiledNetwork(network=Numbered(), tile=32, overlap=12).velocity(scaled, c_noise, condition)
    expected = torch.tensor([0.0] * 5 + [1 / 4, 2 / 4, 3 / 4] + [1.0] * 5)
    torch.testing.assert_close(found, expected.expand_as(found), rtol=0, atol=1e-6)  # weights in float32


@pytest.mark.parametrize(
    ("size", "tile", "overlap", "starts"),
    [(6, 6, 2, [0]), (10, 6, 2, [0, 4]), (11, 6, 2, [0, 4, 5]), (14, 6, 2, [0, 4, 8]), (12, 6, 0, [0, 6])],
)
def test_tiles_cover_a_side_and_end_with_it(size, tile, overlap, starts):
    assert tile_starts(size, tile, overlap) == starts


@pytest.mark.parametrize(("tile", "overlap", "named"), [(20, 8, "tile"), (24, 24, "overlap"), (24, 6, "overlap")])
def test_sizes_that_do_not_fit_are_refused(tile, overlap, named):
    with pytest.raises(InputError, match=f"^{named}"):
        TiledNetwork(network=Pointwise(), tile=tile, overlap=overlap)


def test_it_stands_for_its_network():
    torch.manual_seed(0)
    unet = ImageUNet(
        in_channels=76,
        out_channels=32,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        mid_block_type=None,
        up_block_types=("UpBlock2D", "UpBlock2D"),
        block_out_channels=(8, 8),
        layers_per_block=1,
        cross_attention_dim=8,
        norm_num_groups=4,
    )
    denoiser = BlendingDenoiser(unet=unet, cell=4, prompt_tokens=1, beta_start=0.00085, beta_end=0.012)
    network = LatentInpaintNetwork(unet=denoiser, codec=PatchPictureCodec(factor=2, channels=3), tokens=NoTokens())
    tiled = TiledNetwork(network=network.eval(), tile=16, overlap=4)
    assert isinstance(tiled, InpaintNetwork)
    assert (tiled.factor, tiled.size_multiple, tiled.latent_channels) == (2, 4, 12)
    pictures, hole = torch.rand(1, 1, 3, 16, 24), torch.zeros(1, 1, 16, 24, dtype=torch.bool)
    assert torch.equal(tiled.condition(pictures, hole).latents, network.condition(pictures, hole).latents)
    assert torch.equal(tiled.decode(tiled.encode(pictures)), network.decode(network.encode(pictures)))
    assert {id(p) for p in tiled.parameters()} == {id(p) for p in network.parameters()}  # so that it moves with it
