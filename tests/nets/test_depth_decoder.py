import pytest
import torch
from published_folders import write_depthcrafter, write_svd
from safetensors.torch import load_file, save_file

from turnaround.nets.codec import TemporalVae, TemporalVaeCodec, VaeDepthDecoder
from turnaround.nets.depth_decoder import LightDepthDecoder
from turnaround.nets.published import load_depthcrafter
from turnaround.nets.tokens import PooledTokens
from turnaround.run.checkpoint import load_network, save_weights
from turnaround.types import InputError, WeightsNotice


def light(**sizes) -> LightDepthDecoder:
    torch.manual_seed(0)
    return LightDepthDecoder(**{"latent_channels": 4, "factor": 8, "channels": 64, "blocks": 2} | sizes).eval()


def codec(decoder, chunk: int | None = 3) -> TemporalVaeCodec:
    torch.manual_seed(0)
    levels = 4
    vae = TemporalVae(down_block_types=("DownEncoderBlock2D",) * levels, block_out_channels=(32,) * levels)
    return TemporalVaeCodec(vae=vae, chunk=chunk, decoder=decoder)


@pytest.mark.parametrize("frames", [1, 2, 9])
@pytest.mark.parametrize("factor", [1, 2, 8])
def test_a_cell_becomes_its_pixels_for_any_number_of_frames(frames, factor):
    disparity = light(factor=factor)(torch.randn(2, frames, 4, 3, 5))
    assert disparity.shape == (2, frames, 3 * factor, 5 * factor)


def test_a_frame_depends_on_its_context_and_on_no_more():
    decoder, latents = light(), torch.randn(1, 7, 4, 3, 5)
    assert decoder.context == 2
    other = latents.clone()
    other[:, 3] += 1
    with torch.inference_mode():
        change = (decoder(latents) - decoder(other)).abs().amax((0, 2, 3))
    assert [bool(value) for value in change > 0] == [False, True, True, True, True, True, False]


def test_in_chunks_it_has_no_seam_at_all():
    decoder, latents = light(), torch.randn(1, 11, 4, 3, 5)
    with torch.inference_mode():
        # other batch sizes choose other convolution kernels, which round differently
        torch.testing.assert_close(codec(decoder).decode_disparity(latents), decoder(latents), rtol=1e-4, atol=1e-5)


def test_the_release_keeps_its_own_decoder():
    latents = torch.randn(1, 5, 4, 3, 5)
    with torch.inference_mode():
        own, other = (codec(decoder).decode_published(latents) for decoder in (VaeDepthDecoder(context=0), light()))
    assert torch.equal(own, other)


def test_it_is_frozen_where_it_serves():
    assert not any(parameter.requires_grad for parameter in codec(light()).parameters())


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="factor of 8, which the net's codec has, found 4 and 4"):
        codec(light(factor=4))
    for sizes in ({"factor": 6}, {"channels": 96}, {"channels": 60}):
        with pytest.raises(InputError, match=r"multiple of 8 \* factor"):
            light(**sizes)


@pytest.fixture
def folders(tmp_path):
    """Published folders, and the folder that a training of a light decoder for them would leave."""
    decoder = light()
    decoder.weights = (WeightsNotice(name="Stable Video Diffusion", source="svd", licence="its own"),)
    save_weights(tmp_path / "light", decoder, {})
    return write_depthcrafter(tmp_path / "depthcrafter"), write_svd(tmp_path / "svd"), tmp_path / "light"


def load(folders, dtype="float32", decoder=None):
    path, svd, trained = folders
    decoder = decoder or load_network(trained)
    return load_depthcrafter(path=str(path), svd_path=str(svd), dtype=dtype, chunk=3, decoder=decoder)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_published_network_decodes_with_trained_weights(folders, dtype):
    network, latents = load(folders, dtype), torch.randn(1, 5, 4, 4, 4)
    assert {parameter.dtype for parameter in network.codec.decoder.parameters()} == {getattr(torch, dtype)}
    with torch.inference_mode():
        found, expected = network.decode_disparity(latents), light()(latents)
    assert found.dtype is torch.float32
    # half precision has 8 to 11 bits, and rounds some twenty times on the way
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 if dtype == "float32" else 5e-2)
    names = [notice.name for notice in network.weights]
    assert names == ["DepthCrafter", "Stable Video Diffusion", "light", "Stable Video Diffusion"]


def test_what_is_trained_with_it_needs_no_folder(folders, tmp_path):
    network, latents = load(folders), torch.randn(1, 4, 4, 4, 4)
    save_weights(tmp_path / "trained", network, {})
    again = load_network(tmp_path / "trained")
    assert isinstance(again.codec.decoder, LightDepthDecoder)
    with torch.inference_mode():
        assert torch.equal(again.decode_disparity(latents), network.decode_disparity(latents))


def test_damaged_weights_are_refused_by_name(folders):
    file = folders[2] / "weights.safetensors"
    whole = load_file(file)
    damages = {
        "enter.bias: expected this key": {k: v for k, v in whole.items() if k != "enter.bias"},
        "enter.bias: expected the shape": whole | {"enter.bias": torch.zeros(3)},
        "enter.bias: expected finite": whole | {"enter.bias": whole["enter.bias"] * torch.nan},
        "more: expected no such key": whole | {"more": torch.zeros(1)},
    }
    for said, tensors in damages.items():
        save_file(tensors, file)
        with pytest.raises(InputError, match=said):
            load(folders)


def test_other_weights_than_a_decoders_are_refused(folders):
    with pytest.raises(InputError, match=r"net\.decoder: expected a depth decoder, found PooledTokens"):
        load(folders, decoder=PooledTokens(latent_channels=4, channels=4))
