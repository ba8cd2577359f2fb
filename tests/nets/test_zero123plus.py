import shutil

import pytest
import torch
from damaged_folders import edit, other_text_encoder, pickled, require_refusal
from diffusers.models.attention_processor import Attention
from published_zero123plus import write_zero123plus

from turnaround.nets.fingerprint import fingerprint
from turnaround.nets.zero123plus import Remembering, Reminded, apart, load_zero123plus
from turnaround.types import InputError

SIDE = 32
UNET_FILE = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return write_zero123plus(tmp_path_factory.mktemp("published") / "zero123plus")


@pytest.fixture
def own(saved, tmp_path):
    """A folder that a test may damage."""
    return shutil.copytree(saved, tmp_path / "own")


def load(folder, *, steps=2, guidance=4.0, side=SIDE, dtype="float32"):
    return load_zero123plus(path=str(folder), dtype=dtype, side=side, steps=steps, guidance=guidance)


def square(seed=1):
    return torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def views(network, picture, seed=0):
    with torch.inference_mode():
        return network.views(picture, torch.Generator().manual_seed(seed))


def test_it_gives_six_views_that_repeat_and_follow_the_picture_and_the_seed(saved):
    network = load(saved)
    found = views(network, square())
    assert found.shape == (6, 3, SIDE, SIDE)
    assert 0 <= found.min() < found.max() <= 1
    assert torch.equal(views(network, square()), found)
    assert not torch.equal(views(network, square(2)), found)
    assert not torch.equal(views(network, square(), seed=1), found)


def test_views_are_read_row_by_row():
    sheet = torch.zeros(3, 6, 4)
    for number, (row, column) in enumerate([(0, 0), (0, 2), (2, 0), (2, 2), (4, 0), (4, 2)]):
        sheet[:, row : row + 2, column : column + 2] = number
    assert apart(sheet).mean(dim=(1, 2, 3)).tolist() == [0, 1, 2, 3, 4, 5]


def test_what_it_is_guided_from_knows_nothing_of_the_picture(saved):
    """Without any weight on the picture's half of the batch, pictures make no difference; with all on it, they do."""
    blind, all_on_it = load(saved, guidance=0.0), load(saved, guidance=1.0)
    assert torch.equal(views(blind, square(1)), views(blind, square(2)))
    assert not torch.equal(views(all_on_it, square(1)), views(all_on_it, square(2)))


def test_the_picture_is_seen_by_reference_and_by_its_embedding(own):
    """With no ramp only the self-attentions see it, and they do."""
    expected = views(load(own), square())
    edit(own / "model_index.json", ramping_coefficients=[0.0] * 77)
    network = load(own)
    assert not torch.equal(views(network, square()), expected)
    assert not torch.equal(views(network, square(1)), views(network, square(2)))


def test_reminded_attention_is_softmax_over_both():
    torch.manual_seed(0)
    layer = Attention(query_dim=8, heads=2, dim_head=4).eval()
    reference, hidden = torch.randn(1, 5, 8), torch.randn(1, 3, 8)
    kept = {}
    with torch.inference_mode():
        layer.set_processor(Remembering(kept, "a"))
        plain = layer(reference)
        layer.set_processor(Reminded(kept, "a"))
        found = layer(hidden)
        both = torch.cat([hidden, reference], dim=1)

        def by_hand(queries, seen):
            q, k, v = (
                project(each).unflatten(-1, (2, 4)).transpose(1, 2)
                for project, each in ((layer.to_q, queries), (layer.to_k, seen), (layer.to_v, seen))
            )
            mixed = (q @ k.transpose(-1, -2) / 4**0.5).softmax(dim=-1) @ v
            return layer.to_out[0](mixed.transpose(1, 2).flatten(2))

        torch.testing.assert_close(plain, by_hand(reference, reference), rtol=1e-5, atol=1e-6)  # float32
        torch.testing.assert_close(found, by_hand(hidden, both), rtol=1e-5, atol=1e-6)
    assert torch.equal(kept["a"], reference)


def test_the_first_step_is_the_releases(saved):
    """Of one step from the last time step, written out: the scheduler's x0 is what is decoded."""
    network = load(saved, steps=1, guidance=1.0)
    unet, vae, scheduler = network.unet, network.vae, network._scheduler
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        scheduler.set_timesteps(1)
        (step,) = scheduler.timesteps
        assert int(step) == 999  # "trailing"
        sigma = scheduler.sigmas[0]
        start = torch.randn(1, 4, 12, 8, generator=generator) * scheduler.init_noise_sigma
        # the picture in the contrast of the release, whose folder has 32 x 32 pixels
        picture = vae.encode((square()[None] - 0.5) / 0.8).latent_dist.mode()
        noise = torch.randn(2, 4, 4, 4, generator=generator)[1:]
        noisy = (picture + sigma * noise) / (sigma**2 + 1) ** 0.5
        tokens = network._tokens(square())[1:]
        kept = {}
        for kind, inputs in ((Remembering, noisy), (Reminded, start / (sigma**2 + 1) ** 0.5)):
            for name, layer in unet.named_modules():
                if name.endswith("attn1"):
                    layer.set_processor(kind(kept, name))
            raw = unet(inputs, step, tokens).sample
        clean = raw * (-sigma / (sigma**2 + 1) ** 0.5) + start / (sigma**2 + 1)  # of a velocity
        image = vae.decode((clean / 0.75 + 0.22) / vae.config["scaling_factor"]).sample / 0.5 * 0.8
        expected = apart((image / 2 + 0.5).clamp(0, 1)[0])
        found = views(network, square())
    assert expected.std() > 0
    # sigma is about 4000 there: float32 keeps 1e-7 of that
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-3)


def test_the_embedding_is_ramped_over_the_tokens(saved):
    network = load(saved)
    with torch.inference_mode():
        without, told = network._tokens(square())
    added = told - without
    assert added[0].abs().max() == 0
    torch.testing.assert_close(added[76], 76 * added[1], rtol=1e-3, atol=1e-4)  # differences of float32


def test_the_fingerprint_follows_what_decides_the_views(saved, own):
    def name(network):
        return fingerprint({"network": network})

    expected = name(load(saved))
    assert name(load(own)) == expected
    network = load(saved)
    views(network, square())
    assert name(network) == expected, "as it was before it was used"
    edit(own / "feature_extractor_vae" / "preprocessor_config.json", image_std=[0.7] * 3)
    others = [load(saved, steps=3), load(saved, guidance=3.0), load(saved, side=48), load(own)]
    assert len({expected, *map(name, others)}) == 5


def test_the_licence_is_shown(saved, capsys):
    (notice,) = load(saved).weights
    assert notice.name == "Zero123++"
    assert "no commercial use" in notice.licence
    assert "no commercial use" in capsys.readouterr().err


def test_half_precision_gives_float32(saved):
    found = views(load(saved, dtype="bfloat16"), square())
    assert found.dtype == torch.float32
    assert found.isfinite().all()


INDEX, SCHEDULER = "model_index.json", "scheduler/scheduler_config.json"
DAMAGE = {
    "another pipeline": (lambda d: edit(d / INDEX, _class_name="StableVideo3DPipeline"), "StableVideo3DPipeline"),
    "no index": (lambda d: (d / INDEX).unlink(), INDEX),
    "no ramp": (lambda d: edit(d / INDEX, ramping_coefficients=None), "expected 77 numbers, found none"),
    "another ramp": (lambda d: edit(d / INDEX, ramping_coefficients=[1.0, 2.0]), "expected 77 numbers, found others"),
    "another scheduler": (lambda d: edit(d / SCHEDULER, _class_name="DDIMScheduler"), "found DDIMScheduler"),
    "pickle alone": (pickled, "which may run code when it is read"),
    "no unet": (lambda d: (d / UNET_FILE).unlink(), UNET_FILE),
    "no vision": (lambda d: (d / "vision_encoder" / "config.json").unlink(), "vision_encoder/config.json"),
    "other texts": (other_text_encoder, "text_encoder: expected tokens of 24 numbers"),
    "no processor": (
        lambda d: (d / "feature_extractor_vae" / "preprocessor_config.json").unlink(),
        "feature_extractor_vae/preprocessor_config.json",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_folder_that_is_not_right_is_refused_by_name(own, name):
    require_refusal(load, own, *DAMAGE[name])


def test_a_unet_for_another_task_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected 4 input and 4 output channels"):
        load(write_zero123plus(tmp_path, in_channels=8))


@pytest.mark.parametrize(("settings", "message"), [({"steps": 0}, "steps"), ({"side": 20}, "multiples of 16 pixels")])
def test_settings_that_give_no_views_are_refused(settings, message, saved):
    with pytest.raises(InputError, match=message):
        load(saved, **settings)
