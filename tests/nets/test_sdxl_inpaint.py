import shutil

import pytest
import torch
import yaml
from damaged_folders import edit, pickled, require_refusal
from published_sdxl import POOLED, SIZES, stable_diffusion_xl, write_sdxl

from turnaround.diffusion.inpaint import DiffusionInpainter
from turnaround.diffusion.sample import EulerSampler, WindowStart
from turnaround.diffusion.schedule import KarrasLevels
from turnaround.nets.sdxl_inpaint import load_sdxl_inpaint
from turnaround.run.checkpoint import load_network, save_weights
from turnaround.types import Condition, InpaintNetwork, InputError, PartialVideo

SIDE = 512


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A pipeline of diffusers, and where it is saved."""
    folder = tmp_path_factory.mktemp("published") / "sdxl"
    pipeline = stable_diffusion_xl()
    pipeline.save_pretrained(folder)
    return pipeline, folder


@pytest.fixture
def own(published, tmp_path):
    """A folder that a test may damage."""
    return shutil.copytree(published[1], tmp_path / "sdxl")


def load(folder, *, channels=3, dtype="float32"):
    return load_sdxl_inpaint(path=str(folder), dtype=dtype, chunk=2, channels=channels, side=SIDE)


def noise_like(*shape, seed=5):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def empty_text(pipeline):
    return pipeline.encode_prompt("", do_classifier_free_guidance=False)[::2]


def test_the_texts_are_the_pipelines_of_nothing(published):
    pipeline, folder = published
    tokens, pooled = empty_text(pipeline)
    denoiser = load(folder).unet
    assert tokens.shape == (1, 77, 24)
    torch.testing.assert_close(denoiser.prompt.data, tokens[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(denoiser.pooled.data, pooled[0], rtol=1e-5, atol=1e-6)


def test_the_noise_it_finds_is_that_of_the_pipelines_unet(published):
    pipeline, folder = published
    net, step = load(folder), 400
    kept = pipeline.scheduler.alphas_cumprod.double()[step]
    sigma = float(((1 - kept) / kept).sqrt())
    scaled, rest = noise_like(1, 2, 4, 8, 8), noise_like(1, 2, 5, 8, 8, seed=6)
    tokens, pooled = empty_text(pipeline)
    ids, _ = pipeline._get_add_time_ids(
        (SIDE, SIDE), (0, 0), (SIDE, SIDE), 6.0, 2.5, (SIDE, SIDE), (0, 0), (SIDE, SIDE), torch.float32, POOLED
    )
    with torch.inference_mode():
        expected = pipeline.unet(
            torch.cat([scaled, rest], dim=2)[0],
            step,
            tokens.expand(2, -1, -1),
            added_cond_kwargs={"text_embeds": pooled.expand(2, -1), "time_ids": ids.expand(2, -1)},
        ).sample
        condition = Condition(latents=rest, tokens=torch.zeros(1, 2, 0))
        velocity = net.velocity(scaled, torch.full((1, 2), sigma).log() / 4, condition)
    # v = alpha (eps - sigma x0) and x = alpha (x0 + sigma eps): eps = alpha (v + sigma x / alpha)
    alpha = (1 + sigma**2) ** -0.5
    # the step between two of a table in float32 is off by about 1e-5 of one
    torch.testing.assert_close((alpha * (velocity + sigma * scaled))[0], expected, rtol=1e-4, atol=1e-4)


def test_it_fills_holes_and_leaves_the_rest(published):
    network = load(published[1])
    assert isinstance(network, InpaintNetwork)
    levels = KarrasLevels(steps=2, sigma_min=0.03, sigma_max=14.6, rho=7.0)
    sampler = EulerSampler(levels=levels, start=WindowStart(known=14.6, new=14.6))
    inpainter = DiffusionInpainter(
        network=network, sampler=sampler, context=0.5, pixels=4096, seam=4, device="cpu", name="sdxl"
    )
    hole = torch.zeros(1, 64, 96, dtype=torch.bool)
    hole[:, 20:40, 30:60] = True
    video = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(2)).masked_fill(hole[:, None], 0.0)
    filled = inpainter.fill(PartialVideo(video=video, hole=hole), seed=0).video
    assert torch.equal(filled.masked_fill(hole[:, None], 0.0), video)
    assert filled[0, :, hole[0]].std() > 0


def test_a_vae_that_overflows_stays_in_full_precision(published):
    """SDXL's says that it does."""
    net = load(published[1], dtype="float16")
    assert {p.dtype for p in net.codec.vae.parameters()} == {torch.float32}
    assert {p.dtype for p in net.unet.unet.parameters()} == {torch.float16}
    assert {p.dtype for p in load(published[1], dtype="bfloat16").codec.vae.parameters()} == {torch.bfloat16}


def test_half_precision_gives_what_it_was_given(published):
    net = load(published[1], dtype="bfloat16")
    condition = Condition(latents=noise_like(1, 1, 5, 8, 8), tokens=torch.zeros(1, 1, 0))
    with torch.inference_mode():
        velocity = net.velocity(noise_like(1, 1, 4, 8, 8), torch.zeros(1, 1), condition)
    assert velocity.dtype == torch.float32
    assert velocity.isfinite().all()


def test_what_is_trained_from_it_needs_no_folder(published, tmp_path):
    net = load(published[1], channels=4)
    save_weights(tmp_path, net, {"_target_": "not.this"})
    assert str(published[1]) not in yaml.safe_dump(net.architecture)
    again = load_network(tmp_path)
    found = again.state_dict()
    assert all(torch.equal(found[key], tensor) for key, tensor in net.state_dict().items())
    scaled, c_noise = noise_like(1, 1, 8, 8, 8), torch.zeros(1, 1)
    condition = Condition(latents=noise_like(1, 1, 9, 8, 8, seed=6), tokens=torch.zeros(1, 1, 0))
    with torch.inference_mode():
        assert torch.equal(again.velocity(scaled, c_noise, condition), net.velocity(scaled, c_noise, condition))


UNET_FILE, SECOND_TEXT = "unet/diffusion_pytorch_model.safetensors", "text_encoder_2/config.json"
DAMAGE = {
    "another pipeline": (
        lambda d: edit(d / "model_index.json", _class_name="StableDiffusionInpaintPipeline"),
        "found StableDiffusionInpaintPipeline",
    ),
    "pickle alone": (pickled, "which may run code when it is read"),
    "no unet": (lambda d: (d / UNET_FILE).unlink(), UNET_FILE),
    "no second text encoder": (lambda d: (d / SECOND_TEXT).unlink(), SECOND_TEXT),
    "another second text encoder": (
        lambda d: edit(d / SECOND_TEXT, architectures=["CLIPTextModel"]),
        "expected class CLIPTextModelWithProjection, found CLIPTextModel",
    ),
    "no second tokenizer": (lambda d: [path.unlink() for path in (d / "tokenizer_2").iterdir()], "tokenizer_2"),
    "other sigmas": (lambda d: edit(d / "scheduler" / "scheduler_config.json", beta_schedule="linear"), "beta_sched"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_folder_that_is_not_right_is_refused_by_name(own, name):
    require_refusal(load, own, *DAMAGE[name])


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"in_channels": 5}, "expected 4 or 9 input and 4 output channels"),
        ({"cross_attention_dim": 16}, "text_encoder_2: expected tokens of 16 numbers, for the UNet, found 24"),
        ({"projection_class_embeddings_input_dim": POOLED + 5 * SIZES}, "text and sizes, for the UNet, found 36"),
        ({"addition_embed_type": None}, "addition_embed_type: expected 'text_time'"),
    ],
)
def test_a_unet_for_another_task_is_refused(sizes, message, tmp_path):
    with pytest.raises(InputError, match=message):
        load(write_sdxl(tmp_path, **sizes))
