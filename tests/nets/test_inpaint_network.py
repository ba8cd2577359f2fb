import pytest
import torch
from inpainting import randomise_output, small_network

from turnaround.diffusion.sample import SingleStepSampler
from turnaround.geometry.holes import fillings
from turnaround.nets.inpaint import PRIOR, ImageDenoiser, ImageUNet, LatentInpaintNetwork, NoTokens, blended
from turnaround.nets.picture_codec import PatchPictureCodec, grown_cells
from turnaround.types import InpaintNetwork, InputError

pictures = torch.rand(1, 2, 4, 8, 16, generator=torch.Generator().manual_seed(0))


def holes(*places):
    hole = torch.zeros(1, 2, 8, 16, dtype=torch.bool)
    for row, column in places:
        hole[..., row, column] = True
    return hole


def test_the_patch_codec_is_exact():
    codec = PatchPictureCodec(factor=2, channels=4)
    latents = codec.encode(pictures)
    assert latents.shape == (1, 2, 16, 4, 8)
    torch.testing.assert_close(codec.decode(latents), pictures, atol=1e-6, rtol=0)  # 2 x - 1 and back in float32


def test_the_patch_codec_sees_each_pixel_of_a_hole():
    cells = PatchPictureCodec(factor=2, channels=3).encode_hole(holes((0, 0), (3, 5)))
    assert cells.sum() == 4  # two pixels in two frames
    assert cells[0, 0, 0, 0, 0] == 1  # the first pixel of the first cell
    assert cells[0, 0, 3, 1, 2] == 1  # the last of the cell in row 1, column 2


def test_holes_grow_by_a_cell_for_a_vae():
    cells = grown_cells(holes((0, 0)), 4)
    assert cells.shape == (1, 2, 1, 2, 4)
    assert cells[0, 0, 0].tolist() == [[1, 1, 0, 0], [1, 1, 0, 0]]


def test_a_new_network_gives_a_mean_of_fillings():
    network = small_network()
    hole = holes((2, 3), (2, 4), (3, 3))
    seen = pictures.masked_fill(hole[:, :, None], 0.0)
    condition = network.condition(seen, hole)
    found = SingleStepSampler(sigma=100.0).sample(network, condition, torch.zeros(1, 2, 16, 4, 8))
    weights = torch.tensor(PRIOR).softmax(dim=0)
    mixed = (weights[:, None, None, None, None, None] * fillings(seen, hole)).sum(dim=0)
    # At sigma 100 the noisy latents, zeros, still count for 1 part in 10^4
    torch.testing.assert_close(network.decode(found), mixed, atol=2e-4, rtol=0)
    first = network.decode(network.codec.encode_seen(seen, hole)[:, :, :16])
    torch.testing.assert_close(first, fillings(seen, hole)[0], atol=1e-6, rtol=0)  # 2 x - 1 and back


def test_each_pixel_weighs_the_fillings_of_its_own():
    generator = torch.Generator().manual_seed(0)
    fields = torch.rand(1, 1, 5 * 16, 3, 3, generator=generator)  # 4 channels of 2 x 2 pixels
    raw = torch.zeros(1, 1, 16 + 5 * 4, 3, 3)
    raw[:, :, 16 + 3 * 4 + 1] = 50.0  # all on the fourth filling, in the second pixel of each cell
    found = -blended(raw, fields, torch.full((1, 1), 1000.0).log() / 4, 4).unflatten(2, (4, 4))
    each = fields.unflatten(2, (5, 4, 4))
    torch.testing.assert_close(found[:, :, :, 1], each[:, :, 3, :, 1], rtol=1e-5, atol=0)
    weights = torch.tensor(PRIOR).softmax(dim=0)[:, None, None, None, None]
    others = [0, 2, 3]
    torch.testing.assert_close(found[:, :, :, others], (each * weights).sum(dim=2)[:, :, :, others], rtol=1e-5, atol=0)


def test_frames_are_filled_apart():
    network = randomise_output(small_network())
    hole = holes((2, 3))
    both = network.condition(pictures, hole)
    alone = network.condition(pictures[:, 1:], hole[:, 1:])
    noise = torch.randn(1, 2, 16, 4, 8, generator=torch.Generator().manual_seed(1))
    levels = torch.tensor([[1.0, 0.5]])
    together = network.velocity(noise, levels, both)
    torch.testing.assert_close(
        together[:, 1:], network.velocity(noise[:, 1:], levels[:, 1:], alone), atol=1e-5, rtol=1e-4
    )  # the order of sums differs


def test_time_steps_are_those_of_the_schedule():
    denoiser = small_network().unet
    table = denoiser.get_buffer("log_sigmas")
    for step in (0, 1, 500, 999):
        assert denoiser.time_steps((table[step] / 4)[None, None]).item() == pytest.approx(step, abs=0.01)
    assert denoiser.time_steps(torch.tensor([[10.0]])).item() == 999  # more noise than the schedule has
    assert float(table[-1].exp()) == pytest.approx(14.6146, abs=1e-3)  # Stable Diffusion's highest sigma


def test_epsilon_becomes_velocity():
    network = randomise_output(small_network(channels=3))
    unet, latent = network.unet.unet, 12 + 5 * 4
    settings = {"unet": unet, "prompt_tokens": 1, "beta_start": 0.00085, "beta_end": 0.012}
    epsilon = ImageDenoiser(prediction="epsilon", **settings)
    plain = ImageDenoiser(prediction="velocity", **settings)
    plain.prompt = epsilon.prompt
    inputs = torch.randn(1, 1, 76, 4, 4, generator=torch.Generator().manual_seed(2))
    sigma = 2.0
    level = torch.tensor([[sigma]]).log() / 4
    noise = plain(inputs, level, inputs.new_zeros(1, 1, 0))  # the raw output of the UNet
    noisy = inputs[:, :, :latent] * (1 + sigma**2) ** 0.5
    clean = noisy - sigma * noise
    velocity = (noise - sigma * clean) / (1 + sigma**2) ** 0.5
    found = epsilon(inputs, level, inputs.new_zeros(1, 1, 0))
    torch.testing.assert_close(found, velocity, atol=1e-5, rtol=1e-5)


def test_it_is_an_inpaint_network_with_whole_multiples():
    network = small_network()
    assert isinstance(network, InpaintNetwork)
    assert (network.factor, network.size_multiple, network.picture_channels) == (2, 4, 4)


def test_parts_must_fit():
    unet = small_network().unet
    with pytest.raises(ValueError, match="in_channels"):
        LatentInpaintNetwork(unet=unet, codec=PatchPictureCodec(factor=4, channels=4), tokens=NoTokens())
    with pytest.raises(InputError, match=r"net\.unet\.prediction: expected velocity or epsilon, found sample"):
        ImageDenoiser(unet=unet.unet, prediction="sample", prompt_tokens=1, beta_start=0.1, beta_end=0.2)
    assert isinstance(unet.unet, ImageUNet)
