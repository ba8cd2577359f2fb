"""Every shipped config of inpainting composes, builds and takes a step."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from turnaround.datasets.pairs import PairBatches
from turnaround.run.build import build, build_value
from turnaround.types import InpaintBatch, Inpainter

CONFIGS = Path(__file__).parents[1] / "configs"
EXPERIMENTS = sorted(path.stem for path in (CONFIGS / "experiment").glob("inpaint*.yaml"))
SMALL = ("pixels_per_batch=3072", "crop.height=16", "crop.width=32", "logger=none")
SMALL_VIEWS = ("sampler.worlds.height=32", "sampler.worlds.width=48")
SMALL_WORLDS = ("sampler.height=32", "sampler.width=48", "sampler.frames=4")


def composed(root, *overrides):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(root, list(overrides))


def built(tmp_path, name, *overrides):
    size = SMALL_WORLDS if name == "inpaint_video" else SMALL_VIEWS
    return build(composed("train", f"experiment={name}", f"cache={tmp_path}", *SMALL, *size, *overrides))


def took_a_step(run):
    batch = run.data.train[0, 0]
    assert isinstance(batch, InpaintBatch)
    total = torch.stack(list(run.task.losses(batch, torch.Generator().manual_seed(0)).values())).sum()
    total.backward()
    gradients = [p.grad for p in run.task.network.parameters() if p.grad is not None]
    assert total.isfinite()
    assert any(gradient.abs().max() > 0 for gradient in gradients)
    return batch


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_experiment_takes_a_step(name, tmp_path):
    batch = took_a_step(built(tmp_path, name))
    assert batch.target.shape[1] == (4 if name == "inpaint_video" else 1)


@pytest.mark.parametrize("holes", sorted(path.stem for path in (CONFIGS / "holes").glob("*.yaml")))
@pytest.mark.parametrize("realism", sorted(path.stem for path in (CONFIGS / "realism").glob("*.yaml")))
def test_all_holes_and_realism_can_be_trained_on(holes, realism, tmp_path):
    run = built(tmp_path, "inpaint_small", f"holes={holes}", f"realism={realism}")
    pictures = run.data.train.sources[2].batches
    assert isinstance(pictures, PairBatches)
    assert 0 < pictures[0, 0].hole.float().mean() < 1


@pytest.mark.parametrize("warp", sorted(path.stem for path in (CONFIGS / "warp").glob("*.yaml")))
def test_all_warps_can_be_trained_on(warp, tmp_path):
    views = built(tmp_path, "inpaint_small", f"warp={warp}").data.train.sources[1].batches
    assert 0 < views[0, 0].hole.float().mean() < 1


def test_the_mixture_has_stereo_views_and_pictures(tmp_path):
    mixture = built(tmp_path, "inpaint_small").data.train
    assert mixture.shares == pytest.approx([0.2, 0.5, 0.3])
    stereo = mixture.sources[0].batches.pairs
    assert (stereo.first, stereo.second) == (0, 1)


@pytest.mark.parametrize("name", ["inpaint_single_step", "inpaint_euler"])
def test_each_inference_is_an_inpainter(name):
    config = composed("eval", "net=inpaint_small", f"inference={name}")
    assert isinstance(build_value(OmegaConf.to_container(config, resolve=True)["inference"], "inference"), Inpainter)
