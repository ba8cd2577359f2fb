import json
import shutil

import pytest
import torch
import yaml
from damaged_folders import edit, other_text_encoder, require_refusal
from diffusers import DDPMScheduler
from published_folders import stable_diffusion, write_older_tokenizer
from safetensors.torch import load_file, save_file

from turnaround.diffusion.sample import EulerSampler, WindowStart
from turnaround.nets.sd_inpaint import load_sd_inpaint
from turnaround.nets.vae_picture_codec import KlPictureCodec, KlVae
from turnaround.run.checkpoint import load_network, save_weights
from turnaround.types import Condition, InputError

RELEASES = ["1.5", "2"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Pipelines of diffusers, and where they are saved."""
    root = tmp_path_factory.mktemp("published")
    pipelines = {release: stable_diffusion(release=release) for release in RELEASES}
    for release, pipeline in pipelines.items():
        pipeline.save_pretrained(root / release / "sd")
    return {release: (pipeline, root / release / "sd") for release, pipeline in pipelines.items()}


@pytest.fixture(params=RELEASES)
def published(request, saved):
    return saved[request.param]


@pytest.fixture
def own(saved, tmp_path):
    """A folder that a test may damage."""
    return shutil.copytree(saved["2"][1], tmp_path / "sd")


def load(folder, *, channels=3, dtype="float32"):
    return load_sd_inpaint(path=str(folder), dtype=dtype, chunk=2, channels=channels)


def picture(channels=3):
    """Two frames with a hole, and the frames whole."""
    whole = torch.rand(1, 2, channels, 64, 64, generator=torch.Generator().manual_seed(4))
    hole = torch.zeros(1, 2, 64, 64, dtype=torch.bool)
    hole[:, 0, 16:40, 24:56] = True
    hole[:, 1, 5:7, 20:22] = True  # within a cell, off its first pixel
    return whole.masked_fill(hole[:, :, None], 0.0), hole, whole


def at_step(pipeline, step):
    """sigma of a time step, as the pipeline's scheduler has it."""
    kept = pipeline.scheduler.alphas_cumprod.double()[step]
    return float(((1 - kept) / kept).sqrt())


def noise_like(*shape, seed=5):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_noise_it_finds_is_the_pipelines(published):
    pipeline, folder = published
    net, step = load(folder), 400
    sigma = torch.full((1, 2), at_step(pipeline, step))
    noisy, rest = noise_like(1, 2, 4, 8, 8), noise_like(1, 2, 5, 8, 8, seed=6)
    scaled = noisy / (1 + sigma[0, 0] ** 2) ** 0.5
    prompt = pipeline.encode_prompt("", "cpu", 1, False)[0]
    with torch.inference_mode():
        inputs = torch.cat([scaled, rest], dim=2)[0]
        expected = pipeline.unet(inputs, step, prompt.expand(2, -1, -1)).sample
        velocity = net.velocity(scaled, sigma.log() / 4, Condition(latents=rest, tokens=torch.zeros(1, 2, 0)))
    # v = alpha (eps - sigma x0) and x = alpha (x0 + sigma eps): eps = alpha (v + sigma x / alpha)
    alpha = (1 + sigma[0, 0] ** 2) ** -0.5
    found = alpha * (velocity + sigma[0, 0] * scaled)
    # the step between two of a table in float32 is off by about 1e-5 of one
    torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=1e-4)


def test_a_velocity_is_given_as_it_is(tmp_path):
    pipeline = stable_diffusion(release="2", prediction="v_prediction")
    pipeline.save_pretrained(tmp_path)
    net, step = load(tmp_path), 700
    scaled, rest = noise_like(1, 1, 4, 8, 8), noise_like(1, 1, 5, 8, 8, seed=6)
    prompt = pipeline.encode_prompt("", "cpu", 1, False)[0]
    condition = Condition(latents=rest, tokens=torch.zeros(1, 1, 0))
    with torch.inference_mode():
        expected = pipeline.unet(torch.cat([scaled, rest], dim=2)[0], step, prompt).sample
        found = net.velocity(scaled, torch.full((1, 1), at_step(pipeline, step)).log() / 4, condition)
    torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=1e-4)  # as above


def test_what_it_sees_is_what_the_pipeline_sees(published):
    """Apart from the growth of the hole."""
    pipeline, folder = published
    seen, hole, _ = picture()
    mask = hole[0, :, None].float()
    hidden = (2 * seen[0] - 1) * (mask < 0.5)
    with torch.inference_mode():
        condition = load(folder).condition(seen, hole)
        cells, latents = pipeline.prepare_mask_latents(
            mask, hidden, 2, 64, 64, torch.float32, torch.device("cpu"), torch.Generator().manual_seed(0), False
        )
        found, drawn = condition.latents[0, :, 1:], pipeline.vae.encode(hidden).latent_dist
    # The pipeline draws its latents; ours are the mode of what it draws from.
    scale = pipeline.vae.config["scaling_factor"]
    torch.testing.assert_close(found, drawn.mode() * scale, rtol=1e-4, atol=1e-5)
    assert (latents - found).std() == pytest.approx(float(drawn.std.mean()) * scale, rel=0.2)  # 512 draws
    grown = condition.latents[0, :, 0]
    assert (grown >= cells[:, 0]).all()
    assert torch.equal(grown[0].nonzero().amin(0), torch.tensor([1, 2]))  # rows 16 to 39 are cells 2 to 4, and one more
    assert torch.equal(grown[0].nonzero().amax(0), torch.tensor([5, 7]))
    assert cells[1].sum() == 0
    assert grown[1].sum() == 2 * 3  # cell (0, 2), which the pipeline loses, and those around it


class Sigmas:
    """Levels of a list."""

    def __init__(self, values):
        self.values = torch.tensor(values, dtype=torch.float64)

    def sigmas(self):
        return self.values


def test_sampling_takes_the_steps_of_the_pipelines_scheduler(published):
    pipeline, folder = published
    scheduler = pipeline.scheduler
    scheduler.set_timesteps(6)
    sigmas = scheduler.sigmas[:-1].double().tolist()
    condition = Condition(latents=noise_like(1, 1, 5, 8, 8, seed=6), tokens=torch.zeros(1, 1, 0))
    noise = noise_like(1, 1, 4, 8, 8)
    latents = noise[0] * sigmas[0] * (1 + sigmas[0] ** -2) ** 0.5  # as `first_latents`
    prompt = pipeline.encode_prompt("", "cpu", 1, False)[0]
    sampler = EulerSampler(levels=Sigmas(sigmas), start=WindowStart(known=1.0, new=1.0))
    with torch.inference_mode():
        for step in scheduler.timesteps:
            inputs = torch.cat([scheduler.scale_model_input(latents, step), condition.latents[0]], dim=1)
            latents = scheduler.step(pipeline.unet(inputs, step, prompt).sample, step, latents).prev_sample
        found = sampler.sample(load(folder), condition, noise)[0]
    # 14 times the size of the latents at the start, and 1e-5 of that is what float32 keeps over six steps
    torch.testing.assert_close(found, latents, rtol=1e-4, atol=1e-4)


def unwidened(release, folder):
    """A pipeline that is not for inpainting, saved, and what its UNet says of noisy latents."""
    pipeline = stable_diffusion(release=release, in_channels=4)
    pipeline.save_pretrained(folder)
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "StableDiffusionPipeline"}))
    scaled, step = noise_like(1, 2, 4, 8, 8), 300
    prompt = pipeline.encode_prompt("", "cpu", 1, False)[0]
    with torch.inference_mode():
        noise = pipeline.unet(scaled[0], step, prompt.expand(2, -1, -1)).sample
    sigma = at_step(pipeline, step)
    velocity = (1 + sigma**2) ** 0.5 * noise - sigma * scaled[0]
    return scaled, torch.full((1, 2), sigma).log() / 4, velocity


@pytest.mark.parametrize("release", RELEASES)
def test_a_unet_of_four_channels_is_widened_and_says_the_same(release, tmp_path):
    scaled, c_noise, expected = unwidened(release, tmp_path)
    net = load(tmp_path)
    seen, hole, _ = picture()
    with torch.inference_mode():
        found = net.velocity(scaled, c_noise, net.condition(seen, hole))
    assert net.unet.unet.conv_in.weight.shape[1] == 9
    torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=1e-4)  # the time step, as above


@pytest.mark.parametrize("trained", [4, 9])
def test_depth_channels_change_nothing_of_the_picture_at_first(trained, saved, tmp_path):
    """Whatever is seen and denoised of the disparity."""
    if trained == 4:
        unwidened("2", tmp_path)
    folder = tmp_path if trained == 4 else saved["2"][1]
    plain, deep = load(folder), load(folder, channels=4)
    seen, hole, _ = picture(4)
    scaled, c_noise = noise_like(1, 2, 8, 8, 8), torch.zeros(1, 2)
    with torch.inference_mode():
        expected = plain.velocity(scaled[:, :, :4], c_noise, plain.condition(seen[:, :, :3], hole))
        found = deep.velocity(scaled, c_noise, deep.condition(seen, hole))
    assert (deep.unet.in_channels, deep.unet.out_channels, deep.latent_channels) == (17, 8, 8)
    # more channels are summed up in another order
    torch.testing.assert_close(found[:, :, :4], expected, rtol=1e-4, atol=1e-5)
    noise = (found + scaled) / 2**0.5  # sigma = 1
    # each half of the output layer starts as the picture's
    torch.testing.assert_close(noise[:, :, 4:], noise[:, :, :4], rtol=1e-4, atol=1e-5)


def test_new_channels_can_be_trained(saved):
    net = load(saved["2"][1], channels=4)
    seen, hole, whole = picture(4)
    net.velocity(net.encode(whole), torch.zeros(1, 2), net.condition(seen, hole)).square().mean().backward()
    gradient = net.unet.unet.conv_in.weight.grad.abs().amax((0, 2, 3))
    assert (gradient > 0).all()
    assert not any(parameter.requires_grad for parameter in net.codec.parameters())


@pytest.fixture(scope="module")
def vae(saved):
    return KlVae.from_config(saved["2"][0].vae.config).eval()


def test_disparity_is_a_grey_picture_to_the_vae(vae):
    plain, deep = (KlPictureCodec(vae=vae, chunk=2, channels=channels) for channels in (3, 4))
    _, _, whole = picture(4)
    with torch.inference_mode():
        latents = deep.encode(whole)
        grey = whole[:, :, 3:].expand(-1, -1, 3, -1, -1).contiguous()
        expected = torch.cat([plain.encode(whole[:, :, :3]), plain.encode(grey)], dim=2)
        torch.testing.assert_close(latents, expected, rtol=1e-5, atol=1e-6)
        found = deep.decode(latents)
        torch.testing.assert_close(found[:, :, :3], plain.decode(latents[:, :, :4]), rtol=1e-5, atol=1e-6)
        grey = plain.decode(latents[:, :, 4:]).mean(dim=2)
        torch.testing.assert_close(found[:, :, 3], grey, rtol=1e-5, atol=1e-6)


def test_decoding_undoes_the_scaling_as_the_pipeline_does(published):
    pipeline, folder = published
    latents = noise_like(1, 3, 4, 8, 8)
    with torch.inference_mode():
        images = pipeline.vae.decode(latents[0] / pipeline.vae.config["scaling_factor"]).sample
        # other batch sizes choose other convolution kernels
        torch.testing.assert_close(load(folder).decode(latents)[0], images / 2 + 0.5, rtol=1e-4, atol=1e-5)


def test_two_channels_are_refused(vae):
    with pytest.raises(InputError, match=r"net\.channels"):
        KlPictureCodec(vae=vae, chunk=2, channels=2)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_gives_what_it_was_given(published, dtype):
    net = load(published[1], dtype=dtype)
    seen, hole, whole = picture()
    with torch.inference_mode():
        latents, condition = net.encode(whole), net.condition(seen, hole)
        velocity = net.velocity(latents, torch.zeros(1, 2), condition)
        found = net.decode(velocity)
    assert {tensor.dtype for tensor in (latents, condition.latents, velocity, found)} == {torch.float32}
    assert found.isfinite().all()
    assert {p.dtype for p in net.unet.unet.parameters()} == {getattr(torch, dtype)}


def test_keys_of_older_files_are_known(own):
    """The published VAEs name the layers of their attention as diffusers did when they were saved."""
    expected = load(own)
    names = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}

    def older(key):
        for new, old in names.items():
            key = key.replace(new, old)
        return key

    rename(own / VAE_FILE, older)
    rename(own / "text_encoder" / "model.safetensors", lambda key: f"text_model.{key}")  # as before transformers 5
    found = load(own).state_dict()
    assert all(torch.equal(found[key], tensor) for key, tensor in expected.state_dict().items())


def test_the_prompt_is_the_pipelines_empty_text(published):
    pipeline, folder = published
    expected = pipeline.encode_prompt("", "cpu", 1, False)[0][0]
    assert expected.shape[0] == 77
    for dtype in ("float32", "float16"):  # in full precision either way
        torch.testing.assert_close(load(folder, dtype=dtype).unet.prompt.data, expected, rtol=1e-5, atol=1e-6)


def test_a_tokenizer_of_older_files_is_read(own):
    """Words and merges in files of their own, as the published folders have them."""
    expected = load(own).unet.prompt
    shutil.rmtree(own / "tokenizer")
    write_older_tokenizer(own / "tokenizer")
    assert torch.equal(load(own).unet.prompt, expected)


def rename(path, change):
    tensors = load_file(path)
    renamed = {change(key): tensor for key, tensor in tensors.items()}
    assert renamed.keys() != tensors.keys()
    save_file(renamed, path, metadata={"format": "pt"})


def set_nan(path):
    tensors = load_file(path)
    next(iter(tensors.values())).flatten()[0] = torch.nan
    save_file(tensors, path, metadata={"format": "pt"})


UNET_FILE, VAE_FILE = "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"
SCHEDULER_FILE = "scheduler/scheduler_config.json"
DAMAGE = {
    "another pipeline": (
        lambda d: edit(d / "model_index.json", _class_name="StableDiffusionXLPipeline"),
        "StableDiffusionXLPipeline",
    ),
    "no index": (lambda d: (d / "model_index.json").unlink(), "model_index.json"),
    "no unet": (lambda d: (d / UNET_FILE).unlink(), UNET_FILE),
    "no text encoder": (lambda d: (d / "text_encoder" / "config.json").unlink(), "text_encoder/config.json"),
    "broken tokenizer": (lambda d: (d / "tokenizer" / "tokenizer.json").write_text("{"), "tokenizer: expected"),
    "no tokenizer": (lambda d: [path.unlink() for path in (d / "tokenizer").iterdir()], "tokenizer"),
    "NaN": (lambda d: set_nan(d / VAE_FILE), VAE_FILE),
    "wrong class": (lambda d: edit(d / "unet" / "config.json", _class_name="UNet3DConditionModel"), "UNet3D"),
    "two releases": (other_text_encoder, "text_encoder: expected tokens of 24 numbers"),
    "other sigmas": (lambda d: edit(d / SCHEDULER_FILE, beta_schedule="linear"), "beta_schedule"),
    "no sigmas": (lambda d: edit(d / SCHEDULER_FILE, beta_start=None), "beta_start"),
    "other target": (lambda d: edit(d / SCHEDULER_FILE, prediction_type="sample"), "prediction_type"),
    "other steps": (lambda d: edit(d / SCHEDULER_FILE, num_train_timesteps=500), "num_train_timesteps"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_folder_that_is_not_right_is_refused_by_name(own, name):
    require_refusal(load, own, *DAMAGE[name])


def test_a_unet_for_another_task_is_refused(tmp_path):
    stable_diffusion(release="2", in_channels=5).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="expected 4 or 9 input and 4 output channels"):
        load(tmp_path)


def test_a_scheduler_that_does_not_say_what_is_predicted_means_noise(own):
    DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").save_pretrained(own / "scheduler")
    path = own / SCHEDULER_FILE
    entries = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in entries.items() if key != "prediction_type"}))
    assert load(own).unet.prediction == "epsilon"


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        (None, "that of its publisher"),
        ("# no head", "that of its publisher"),
        ("---\nlicense: openrail++\ntags:\n- x\n---\n", "CreativeML Open RAIL++-M"),
        ("---\ntags:\n- x\nlicense: creativeml-openrail-m\n---\n", "CreativeML OpenRAIL-M"),
        ("---\nlicense: mit\n---\n", "mit"),
    ],
)
def test_the_licence_is_the_model_cards(own, card, licence, capsys):
    if card is not None:
        (own / "README.md").write_text(card)
    assert [notice.licence for notice in load(own).weights] == [licence]
    assert licence in capsys.readouterr().err


@pytest.mark.parametrize(("release", "channels"), [("1.5", 3), ("2", 4)])
def test_what_is_trained_from_it_needs_no_folder(saved, tmp_path, release, channels):
    folder = saved[release][1]
    net = load(folder, channels=channels)
    save_weights(tmp_path, net, {"_target_": "not.this"})
    assert str(folder) not in yaml.safe_dump(net.architecture)
    again = load_network(tmp_path)
    found = again.state_dict()
    assert all(torch.equal(found[key], tensor) for key, tensor in net.state_dict().items())
    assert [notice.name for notice in again.weights][1:] == ["sd"]
