import shutil

import pytest
import torch
from damaged_folders import edit, other_text_encoder, pickled, require_refusal
from published_depth import marigold, write_marigold

from turnaround.nets.frame_by_frame import FrameByFrame
from turnaround.nets.marigold import agreed, load_marigold
from turnaround.types import DepthKind, InputError, ResumableDepthEstimator

STEPS, SIZE = 3, 64
UNET_FILE = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return write_marigold(tmp_path_factory.mktemp("published") / "marigold")


@pytest.fixture
def own(saved, tmp_path):
    """A folder that a test may damage."""
    return shutil.copytree(saved, tmp_path / "own")


def load(folder, *, steps=STEPS, members=1, size=SIZE, dtype="float32"):
    return load_marigold(path=str(folder), dtype=dtype, steps=steps, members=members, size=size)


def estimator(folder, **settings):
    return FrameByFrame(network=load(folder, **settings), device="cpu", name="marigold")


def picture(height=44, width=90):
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(8))


@pytest.mark.parametrize(("release", "steps"), [("1.0", 4), ("1.1", 3), ("1.1", 1), ("lcm", 1)])
def test_maps_are_those_of_the_pipeline(release, steps, tmp_path):
    """From the same noise; of the one of few steps the first, since later ones draw more."""
    pipeline = marigold(release=release)
    pipeline.save_pretrained(tmp_path)
    pipeline.set_progress_bar_config(disable=True)
    image = picture()
    noise = torch.randn((1, 4, 4, 8), generator=torch.Generator().manual_seed(9))  # 31 x 64 pixels are 4 x 8 cells
    expected = pipeline(
        image, num_inference_steps=steps, processing_resolution=SIZE, latents=noise, output_type="pt"
    ).prediction
    with torch.inference_mode():
        found = load(tmp_path, steps=steps).depth(image, torch.Generator().manual_seed(9))
    assert found.std() > 0
    torch.testing.assert_close(found, expected[0, 0], rtol=1e-4, atol=1e-4)  # float32 over a few steps


def test_it_says_what_it_is(saved):
    found = estimator(saved)
    assert isinstance(found, ResumableDepthEstimator)
    assert found.kind is DepthKind.AFFINE_DEPTH
    assert [notice.name for notice in found.weights] == ["marigold"]


def test_noise_follows_from_the_seed_and_the_frames_number(saved):
    frames = [picture()] * 2
    first, second = estimator(saved).stream(iter(frames), seed=0)
    again = next(estimator(saved).stream(iter(frames), seed=0))
    other = next(estimator(saved).stream(iter(frames), seed=1))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_stopped_video_goes_on_from_its_folder(saved, tmp_path):
    frames = torch.stack([picture()] * 3)
    whole = list(estimator(saved).stream(iter(frames), seed=0))
    next(estimator(saved).resume(iter(frames), seed=0, work=tmp_path))
    again = list(estimator(saved).resume(iter(frames), seed=0, work=tmp_path))
    assert all(torch.equal(found, expected) for found, expected in zip(again, whole, strict=True))


def test_the_fingerprint_follows_what_decides_the_maps(saved, own):
    expected = estimator(saved).fingerprint()
    assert estimator(own).fingerprint() == expected
    edit(own / "scheduler" / "scheduler_config.json", timestep_spacing="leading")
    settings = [{"steps": 4}, {"members": 2}, {"size": 72}]
    others = {estimator(saved, **each).fingerprint() for each in settings} | {estimator(own).fingerprint()}
    assert len(others | {expected}) == 5


def test_an_ensemble_is_one_map_of_the_pictures_size(saved):
    one, three = (next(estimator(saved, members=n).stream(iter([picture()]), seed=0)) for n in (1, 3))
    assert one.shape == three.shape == (44, 90)
    assert not torch.equal(one, three)


def test_members_that_differ_by_scale_and_shift_agree():
    truth = torch.rand(20, 30, generator=torch.Generator().manual_seed(1))
    members = torch.stack([truth, 2 * truth + 1, 0.5 * truth - 3])
    members[1, :5] = 2  # in a quarter of the picture one of them is wrong: flat
    found = agreed(members)
    # scales have the geometric mean 1, and those of the members are 1, 2 and 1/2: so that of the result is 1
    shift = (found - truth).median()
    # alignments by least absolute deviations end within 1e-5 of the spread (`synchronize.FLOOR`), here of about 1
    torch.testing.assert_close(found - shift, truth, rtol=0, atol=1e-3)


def test_half_precision_gives_float32(saved):
    found = next(estimator(saved, dtype="bfloat16").stream(iter([picture()]), seed=0))
    assert found.dtype == torch.float32
    assert found.isfinite().all()


INDEX, SCHEDULER = "model_index.json", "scheduler/scheduler_config.json"
DAMAGE = {
    "another pipeline": (lambda d: edit(d / INDEX, _class_name="MarigoldNormalsPipeline"), "MarigoldNormalsPipeline"),
    "another kind": (lambda d: edit(d / INDEX, prediction_type="disparity"), "prediction_type: expected 'depth'"),
    "no shift": (lambda d: edit(d / INDEX, shift_invariant=False), "shift_invariant: expected True"),
    "no index": (lambda d: (d / INDEX).unlink(), INDEX),
    "another scheduler": (lambda d: edit(d / SCHEDULER, _class_name="PNDMScheduler"), "found PNDMScheduler"),
    "endless steps": (lambda d: edit(d / SCHEDULER, num_train_timesteps=10**12), "num_train_timesteps"),
    "other betas": (lambda d: edit(d / SCHEDULER, beta_schedule="mine"), "the settings of DDIMScheduler"),
    "pickle alone": (pickled, "which may run code when it is read"),
    "no unet": (lambda d: (d / UNET_FILE).unlink(), UNET_FILE),
    "no tokenizer": (lambda d: [path.unlink() for path in (d / "tokenizer").iterdir()], "tokenizer"),
    "two releases": (other_text_encoder, "text_encoder: expected tokens of 24 numbers"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_folder_that_is_not_right_is_refused_by_name(own, name):
    require_refusal(load, own, *DAMAGE[name])


def test_a_unet_for_another_task_is_refused(tmp_path):
    folder = write_marigold(tmp_path, in_channels=9)
    with pytest.raises(InputError, match="expected 8 input and 4 output channels"):
        load(folder)


@pytest.mark.parametrize("settings", [{"steps": 0}, {"members": 0}, {"size": 8}])
def test_settings_that_estimate_nothing_are_refused(settings, saved):
    with pytest.raises(InputError, match=f"{next(iter(settings))}: expected at least"):
        load(saved, **settings)
