import json

import pytest
import torch
from diffusers import UNetSpatioTemporalConditionModel
from published_folders import write_depthcrafter, write_svd
from safetensors.torch import load_file, save_file

from turnaround.nets.codec import VaeDepthDecoder
from turnaround.nets.published import load_depthcrafter, load_svd
from turnaround.types import InputError


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("published")
    return write_depthcrafter(root / "depthcrafter"), write_svd(root / "svd")


@pytest.fixture
def own(tmp_path):
    """Folders that a test may damage."""
    return write_depthcrafter(tmp_path / "depthcrafter"), write_svd(tmp_path / "svd")


def load(folders, dtype="float32"):
    path, svd_path = folders
    decoder = VaeDepthDecoder(context=4)
    return load_depthcrafter(path=str(path), svd_path=str(svd_path), dtype=dtype, chunk=8, decoder=decoder)


def test_the_unet_is_depthcrafters_and_the_rest_is_svds(folders, capsys):
    network = load(folders)
    expected = UNetSpatioTemporalConditionModel.from_pretrained(folders[0]).state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in network.unet.state_dict().items())
    assert (network.codec.factor, network.size_multiple, network.tokens.channels) == (8, 16, 16)
    assert [notice.name for notice in network.weights] == ["DepthCrafter", "Stable Video Diffusion"]
    shown = capsys.readouterr().err
    assert "no commercial use" in shown
    assert "Stability AI Community Licence" in shown
    assert not any(parameter.is_meta for parameter in (*network.parameters(), *network.buffers()))


def test_svd_alone_brings_its_own_unet(folders):
    decoder = VaeDepthDecoder(context=4)
    network = load_svd(path=str(folders[1]), dtype="float32", chunk=8, decoder=decoder)
    expected = UNetSpatioTemporalConditionModel.from_pretrained(folders[1] / "unet").state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in network.unet.state_dict().items())


def test_both_layouts_and_shards_give_the_same_weights(folders, tmp_path):
    expected = load(folders).state_dict()
    others = (
        write_depthcrafter(tmp_path / "under", under="unet"),
        write_depthcrafter(tmp_path / "shards", shard="200KB"),
    )
    assert len(list(others[1].glob("*.safetensors"))) > 2
    for other in others:
        found = load((other, folders[1])).state_dict()
        assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_computes_in_it_and_gives_what_it_was_given(folders, dtype):
    network = load(folders, dtype)
    assert {p.dtype for p in network.parameters()} == {getattr(torch, dtype)}
    video = torch.rand(1, 2, 3, 64, 64)
    with torch.inference_mode():
        condition = network.condition(video)
        latents = network.encode_disparity(video[:, :, 0])
        velocity = network.velocity(latents, torch.zeros(latents.shape[:2]), condition)
        disparity = network.decode_disparity(velocity)
    assert {t.dtype for t in (condition.latents, condition.tokens, latents, velocity, disparity)} == {torch.float32}
    assert disparity.isfinite().all()
    assert next(network.codec.parameters()).dtype is getattr(torch, dtype)  # after the encoder's stay in float32


def test_the_variant_fp16_is_found(folders, tmp_path):
    half = write_svd(tmp_path / "svd", variant="fp16")
    assert not (half / "vae" / "diffusion_pytorch_model.safetensors").exists()
    load((folders[0], half), "float16")


def rewrite(path, change):
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def edit(path, **entries):
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def set_nan(tensors):
    tensors["conv_in.weight"][0, 0, 0, 0] = torch.nan


UNET_FILE = "diffusion_pytorch_model.safetensors"
DAMAGE = {
    "no unet": (lambda d, s: (d / "config.json").unlink(), "unet/config.json"),
    "no weights": (lambda d, s: (d / UNET_FILE).unlink(), UNET_FILE),
    "pickled weights": (
        lambda d, s: (d / UNET_FILE).rename(d / "diffusion_pytorch_model.bin"),
        "may run code",
    ),
    "no vae": (lambda d, s: (s / "vae" / "config.json").unlink(), "vae/config.json"),
    "wrong class": (lambda d, s: edit(d / "config.json", _class_name="UNet2DConditionModel"), "UNet2DConditionModel"),
    "broken config": (lambda d, s: (d / "config.json").write_text("{"), "config.json"),
    "other sizes": (lambda d, s: edit(d / "config.json", block_out_channels=[32, 96]), "the shape"),
    "impossible sizes": (lambda d, s: edit(d / "config.json", block_out_channels=[31, 64]), "config.json"),
    "other tokens": (lambda d, s: edit(s / "image_encoder" / "config.json", projection_dim=24), "the shape"),
    "missing key": (lambda d, s: rewrite(d / UNET_FILE, lambda t: t.pop("conv_in.bias")), "conv_in.bias"),
    "unknown key": (lambda d, s: rewrite(d / UNET_FILE, lambda t: t.update(more=torch.zeros(1))), "more"),
    "NaN": (lambda d, s: rewrite(d / UNET_FILE, set_nan), "conv_in.weight"),
    "truncated": (lambda d, s: (d / UNET_FILE).write_bytes((d / UNET_FILE).read_bytes()[:99]), UNET_FILE),
    "other scheduler": (lambda d, s: edit(s / "scheduler" / "scheduler_config.json", sigma_max=80.0), "sigma_max"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_folder_that_is_not_right_is_refused_by_name(own, name):
    damage, named = DAMAGE[name]
    damage(*own)
    with pytest.raises(InputError) as refusal:
        load(own)
    assert named in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_shard_is_named(own, tmp_path):
    sharded = write_depthcrafter(tmp_path / "shards", shard="200KB")
    lost = sorted(sharded.glob("*-of-*.safetensors"))[1]
    lost.unlink()
    with pytest.raises(InputError, match=lost.name):
        load((sharded, own[1]))


def test_parts_of_two_releases_are_refused(own, tmp_path):
    """The VAE of another release has another number of latent channels than the UNet asks for."""
    from diffusers import AutoencoderKLTemporalDecoder
    from published_folders import VAE

    AutoencoderKLTemporalDecoder(**VAE | {"latent_channels": 8}).save_pretrained(own[1] / "vae")
    with pytest.raises(InputError, match="a UNet that fits"):
        load(own)


def test_a_shard_outside_of_its_folder_is_refused(own, tmp_path):
    sharded = write_depthcrafter(tmp_path / "shards", shard="200KB")
    index = next(sharded.glob("*.index.json"))
    places = json.loads(index.read_text())["weight_map"]
    edit(index, weight_map=dict.fromkeys(places, f"../depthcrafter/{UNET_FILE}"))
    with pytest.raises(InputError, match="shards beside it"):
        load((sharded, own[1]))


@pytest.mark.parametrize("path", ["/nowhere/at/all", "./nowhere", "word"])
def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub(path, folders):
    with pytest.raises(InputError, match="no such folder"):
        load((path, folders[1]))


def test_what_is_trained_from_it_needs_no_folder(folders, tmp_path):
    from turnaround.run.checkpoint import load_network, save_weights

    network = load(folders)
    save_weights(tmp_path, network, {"_target_": "not.this"})
    again = load_network(tmp_path)
    assert all(torch.equal(again.state_dict()[key], tensor) for key, tensor in network.state_dict().items())
    assert [notice.name for notice in again.weights][1:] == ["DepthCrafter", "Stable Video Diffusion"]
