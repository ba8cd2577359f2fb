"""Training on kept latents, as train.py composes it."""

import hashlib
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir

from turnaround.run.build import build
from turnaround.types import InputError

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = [
    *("data=latents", "objective=diffusion", "inference=euler", r"task.freeze=['^tokens\.']", "net=svd_tiny"),
    *("sampler.height=16", "sampler.width=24", "sampler.frames=3", "pixels_per_batch=1536", "data.workers=1"),
    *("lengths=uniform", "lengths.most=3", "data.train.windows.clips.count=3", "data.validation.count=1"),
    *("inference.pixels=384", "inference.window=3", "inference.overlap=1", "trainer.val_check_interval=2"),
    *("+trainer.enable_progress_bar=false", "trainer.accelerator=cpu", "logger=none"),
]


@pytest.fixture(autouse=True)
def _restore_determinism():
    yield
    torch.use_deterministic_algorithms(False)


def train(folder: Path, name: str, steps: int, *arguments: str) -> Path:
    given = [*SMALL, f"cache={folder / 'cache'}", f"trainer.max_steps={steps}", *arguments]
    torch.manual_seed(0)  # as the entry does, for first weights are drawn where the network is built
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        run = build(compose("train", given))
    run.run(folder / name)
    return folder / name


def digest(out: Path) -> str:
    return hashlib.sha256((out / "checkpoints" / "weights.safetensors").read_bytes()).hexdigest()


@pytest.mark.slow
def test_latents_are_made_once_resume_is_exact_and_a_damaged_file_is_named(tmp_path):
    whole = train(tmp_path, "whole", 4)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "latents").rglob("*.safetensors")}
    assert made
    train(tmp_path, "parts", 2)
    assert digest(train(tmp_path, "parts", 4, "resume=auto")) == digest(whole)
    assert made == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "latents").rglob("*.safetensors")}

    for path in made:
        path.write_bytes(b"damaged")
    with pytest.raises(InputError) as caught:  # from the process that reads batches
        train(tmp_path, "damaged", 2)
    assert any(str(caught.value).startswith(f"{path}: expected safetensors") for path in made)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_training_without_an_end_cannot_make_its_latents_first(tmp_path):
    with pytest.raises(InputError, match=r"trainer\.max_steps"):
        train(tmp_path, "endless", -1)


@pytest.mark.gpu
def test_encoders_leave_the_gpu_until_validation(tmp_path):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        given = [*SMALL, f"cache={tmp_path / 'cache'}", "trainer.max_steps=4", "trainer.accelerator=gpu"]
        run = build(compose("train", given))
    tokens, places = run.task.network.tokens, []
    run.task.network.unet.register_forward_pre_hook(lambda *_: places.append(next(tokens.parameters()).device.type))
    run.run(tmp_path / "out")
    assert "cpu" in places, "training steps"
    assert "cuda" in places, "validation"
