import json
import re
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from published_folders import UNET, stable_diffusion, write_stereocrafter, write_svd

from turnaround.nets.codec import decode_images
from turnaround.nets.inpaint import PRIOR, BlendingVideoDenoiser, LatentInpaintNetwork, VideoDenoiser
from turnaround.nets.picture_codec import PatchPictureCodec
from turnaround.nets.sd_inpaint import load_sd_inpaint
from turnaround.nets.svd import PerFrameUNet
from turnaround.nets.svd_inpaint import load_stereocrafter, load_svd_inpaint
from turnaround.nets.tokens import PooledTokens
from turnaround.run.build import build_value
from turnaround.run.checkpoint import load_network, save_weights
from turnaround.types import Condition, InputError

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="module")
def svd(tmp_path_factory):
    return write_svd(tmp_path_factory.mktemp("svd"))


@pytest.fixture(scope="module")
def stereocrafter(tmp_path_factory):
    return write_stereocrafter(tmp_path_factory.mktemp("stereocrafter"))


def load(svd, dtype="float32"):
    return load_svd_inpaint(path=str(svd), dtype=dtype, chunk=2, context=3)


def video(seed=0):
    generator = torch.Generator().manual_seed(seed)
    whole = torch.rand(1, 3, 3, 64, 64, generator=generator)
    hole = torch.zeros(1, 3, 64, 64, dtype=torch.bool)
    hole[:, 1:, 16:40, 24:56] = True
    return whole.masked_fill(hole[:, :, None], 0.0), hole, whole


def test_the_channel_for_holes_changes_nothing_at_first(svd):
    net = load(svd)
    published = PerFrameUNet.from_pretrained(svd / "unet").eval()
    seen, hole, _ = video()
    scaled, levels = torch.randn(1, 3, 4, 8, 8), torch.tensor([[0.1, 0.2, 0.3]])
    with torch.inference_mode():
        condition = net.condition(seen, hole)
        found = net.velocity(scaled, levels, condition)
        inputs = torch.cat([scaled, condition.latents[:, :, :4]], dim=2)
        expected = published(inputs, levels, condition.tokens, torch.tensor([[7.0, 127.0, 0.02]]))
    assert (net.unet.in_channels, net.unet.out_channels, net.size_multiple) == (9, 4, 16)
    # more channels are summed up in another order
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert condition.latents[:, :, 4:].amax() == 1


def test_what_is_seen_is_not_scaled_and_what_is_denoised_is(svd):
    net = load(svd)
    seen, hole, whole = video()
    vae = net.codec.vae
    with torch.inference_mode():
        latents = net.condition(seen, hole).latents
        modes = vae.encode(2 * seen[0] - 1).latent_dist.mode()  # black in the holes, as StereoCrafter's warps are
        torch.testing.assert_close(latents[0, :, :4], modes, rtol=1e-4, atol=1e-5)
        modes = vae.encode(2 * whole[0] - 1).latent_dist.mode() * vae.config["scaling_factor"]
        torch.testing.assert_close(net.encode(whole)[0], modes, rtol=1e-4, atol=1e-5)
        grown = latents[0, :, 4]
        assert grown[0].sum() == 0
        assert grown[1].sum() == 5 * 6  # 3 x 4 cells and one more to each side
        # chunks of two frames with a context that reaches all three
        whole = decode_images(vae, net.encode(whole))
        torch.testing.assert_close(net.decode(net.encode(video()[2])), whole, rtol=1e-4, atol=1e-5)


def test_each_frame_has_the_token_of_what_is_seen_of_it(svd):
    net = load(svd)
    seen, hole, _ = video()
    other = seen.clone()
    other[:, 2] = 0.3
    with torch.inference_mode():
        first, second = (net.condition(frames, hole).tokens for frames in (seen, other))
    assert first.shape == (1, 3, 16)
    # other batches round differently
    torch.testing.assert_close(first[:, :2], second[:, :2], rtol=1e-4, atol=1e-5)
    assert (first[:, 2] - second[:, 2]).abs().max() > 1e-3


def test_stereocrafters_unet_is_taken_as_it_is(svd, stereocrafter, capsys):
    net = load_stereocrafter(path=str(stereocrafter), svd_path=str(svd), dtype="float32", chunk=2, context=3)
    expected = PerFrameUNet.from_pretrained(stereocrafter / "unet_diffusers").state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in net.unet.unet.state_dict().items())
    assert net.unet.added_time_ids == (6.0, 127.0, 0.0)
    assert [notice.name for notice in net.weights] == ["StereoCrafter", "Stable Video Diffusion"]
    assert "no commercial use" in capsys.readouterr().err


def test_a_folder_without_its_unet_is_refused(svd, tmp_path):
    with pytest.raises(InputError, match=r"unet_diffusers/config\.json"):
        load_stereocrafter(path=str(tmp_path), svd_path=str(svd), dtype="float32", chunk=2, context=3)


def test_a_unet_of_other_channels_is_refused(tmp_path, svd):
    PerFrameUNet(**UNET | {"in_channels": 12}).save_pretrained(tmp_path / "unet_diffusers")
    config = tmp_path / "unet_diffusers" / "config.json"
    entries = json.loads(config.read_text()) | {"_class_name": "UNetSpatioTemporalConditionModel"}
    config.write_text(json.dumps(entries))
    with pytest.raises(InputError, match="in_channels"):
        load_stereocrafter(path=str(tmp_path), svd_path=str(svd), dtype="float32", chunk=2, context=3)


def test_half_precision_gives_what_it_was_given(svd):
    net = load(svd, "bfloat16")
    seen, hole, whole = video()
    with torch.inference_mode():
        latents, condition = net.encode(whole), net.condition(seen, hole)
        velocity = net.velocity(latents, torch.zeros(1, 3), condition)
        found = net.decode(velocity)
    assert {t.dtype for t in (latents, condition.latents, condition.tokens, velocity, found)} == {torch.float32}
    assert found.isfinite().all()


def test_what_is_trained_from_it_needs_no_folder(svd, tmp_path):
    net = load(svd)
    save_weights(tmp_path, net, {"_target_": "not.this"})
    again = load_network(tmp_path).state_dict()
    assert all(torch.equal(again[key], tensor) for key, tensor in net.state_dict().items())


def small():
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("train", ["net=inpaint_video_small"])
    torch.manual_seed(0)
    return build_value(config.net, "net")


def test_the_small_one_starts_from_what_is_seen_and_can_be_trained():
    net = small()
    assert 2e6 < sum(parameter.numel() for parameter in net.parameters()) < 6e6
    generator = torch.Generator().manual_seed(1)
    whole = torch.rand(1, 2, 4, 32, 48, generator=generator)
    hole = torch.zeros(1, 2, 32, 48, dtype=torch.bool)
    hole[:, :, 8:20, 8:20] = True
    condition = net.condition(whole.masked_fill(hole[:, :, None], 0.0), hole)
    fields = net.codec.encode_seen(whole, hole).unflatten(2, (5, 64))
    clean = (torch.tensor(PRIOR).softmax(dim=0)[:, None, None, None] * fields).sum(dim=2)
    noise = torch.randn(1, 2, 64, 8, 12, generator=generator)
    # at sigma = 2: x = (x0 + 2 eps) / sqrt(5), v = (eps - 2 x0) / sqrt(5), of which it knows all but eps
    velocity = net.velocity((clean + 2 * noise) / 5**0.5, torch.full((1, 2), 2.0).log() / 4, condition)
    torch.testing.assert_close(velocity, -2 * clean / 5**0.5, rtol=0, atol=1e-5)
    velocity.square().mean().backward()
    assert net.unet.unet.conv_out.weight.grad.abs().max() > 0


def tiny():
    """A small one whose last layer is not zero."""
    torch.manual_seed(0)
    sizes = {
        "in_channels": 400,
        "out_channels": 144,
        "down_block_types": ["DownBlockSpatioTemporal", "CrossAttnDownBlockSpatioTemporal"],
        "up_block_types": ["CrossAttnUpBlockSpatioTemporal", "UpBlockSpatioTemporal"],
        "block_out_channels": [32, 32],
        "layers_per_block": 1,
        "cross_attention_dim": 8,
        "num_attention_heads": 2,
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 24,
    }
    denoiser = BlendingVideoDenoiser(unet=PerFrameUNet(**sizes), cell=16, added_time_ids=[7.0, 127.0, 0.02])
    torch.nn.init.normal_(denoiser.unet.conv_out.weight, std=0.05)
    codec = PatchPictureCodec(factor=4, channels=4)
    return LatentInpaintNetwork(unet=denoiser, codec=codec, tokens=PooledTokens(latent_channels=64, channels=8)).eval()


SPATIAL = r"^(?!.*(temporal_|time_pos_embed|time_mixer))"  # as in the comment of the config


def test_the_pattern_of_the_config_leaves_the_layers_of_time_alone_to_train():
    text = (CONFIGS / "net" / "inpaint_video_small.yaml").read_text()
    assert f"task.freeze=['{SPATIAL}']" in text
    net = tiny()
    names = [name for name, _ in net.named_parameters()]
    left = [name for name in names if not re.search(SPATIAL, name)]
    assert left
    assert all("temporal" in name or "time_" in name for name in left)
    assert not any(re.search(r"spatial_res_block|conv_in|conv_out|tokens", name) for name in left)


def test_pictures_are_videos_of_one_frame_for_it():
    """A batch of pictures gives what they give one by one: nothing of one reaches another."""
    net = tiny()
    pictures = torch.rand(3, 1, 4, 16, 24)
    hole = torch.rand(3, 1, 16, 24) > 0.8
    condition = net.condition(pictures.masked_fill(hole[:, :, None], 0.0), hole)
    scaled, levels = torch.randn(3, 1, 64, 4, 6), torch.zeros(3, 1)
    with torch.inference_mode():
        together = net.velocity(scaled, levels, condition)
        alone = Condition(latents=condition.latents[1:2], tokens=condition.tokens[1:2])
        # other batch sizes choose other kernels
        found = net.velocity(scaled[1:2], levels[1:2], alone)
        torch.testing.assert_close(found, together[1:2], rtol=1e-4, atol=1e-5)


def test_what_its_parent_gives_is_weights_of_fillings_and_what_to_add():
    net = tiny()
    parent = VideoDenoiser(unet=net.unet.unet, added_time_ids=[7.0, 127.0, 0.02])
    inputs, levels, tokens = torch.randn(1, 2, 400, 4, 6), torch.full((1, 2), 3.0).log() / 4, torch.randn(1, 2, 8)
    with torch.inference_mode():
        added, votes = parent(inputs, levels, tokens).split([64, 5 * 16], dim=2)
        difference = net.unet(inputs, levels, tokens) - added
    weights = (votes.unflatten(2, (5, 1, 16)) + torch.tensor(PRIOR)[:, None, None, None, None]).softmax(dim=2)
    mixed = (weights * inputs[:, :, 64:384].unflatten(2, (5, 4, 16))).sum(dim=2).flatten(2, 3)
    torch.testing.assert_close(difference, -3 / 10**0.5 * mixed, rtol=1e-4, atol=1e-5)  # sigma = 3


@pytest.mark.parametrize("name", ["sd", "svd"])
def test_checkpointing_gradients_changes_none(name, svd, tmp_path):
    _, hole, whole = video()
    if name == "sd":
        stable_diffusion(release="2").save_pretrained(tmp_path)
        net = load_sd_inpaint(path=str(tmp_path), dtype="float32", chunk=8, channels=3)
    else:
        net = load(svd)
    expected, kept = trained(net, whole, hole)
    net.enable_gradient_checkpointing()
    found, left = trained(net, whole, hole)
    for key, gradient in expected.items():
        torch.testing.assert_close(found[key], gradient, rtol=1e-6, atol=1e-6, msg=key)  # the same operations again
    assert left < kept / 2


def trained(net, whole, hole):
    """Gradients of a step that decodes, and the bytes that its forward pass kept."""
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes() if not isinstance(tensor, torch.nn.Parameter) else 0
        return tensor

    net.zero_grad()
    condition = net.condition(whole.masked_fill(hole[:, :, None], 0.0), hole)
    levels = torch.linspace(-0.5, 0.5, whole.shape[1])[None]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = net.decode(net.velocity(net.encode(whole), levels, condition))
    output.square().mean().backward()
    gradients = {name: p.grad for name, p in net.named_parameters() if p.requires_grad}
    assert all(gradient is not None for gradient in gradients.values())
    return gradients, sum(kept.values())
