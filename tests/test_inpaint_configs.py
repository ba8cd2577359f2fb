"""Every shipped config of inpainting composes, builds and takes a step."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from published_folders import stable_diffusion, write_stereocrafter, write_svd

from turnaround.datasets.pairs import PairBatches
from turnaround.run.build import build, build_value
from turnaround.types import InpaintBatch, Inpainter, InpaintNetwork, InputError, PartialVideo

CONFIGS = Path(__file__).parents[1] / "configs"
EXPERIMENTS = sorted(path.stem for path in (CONFIGS / "experiment").glob("inpaint*.yaml"))
EXPERIMENTS.remove("inpaint_sd")  # its weights come from a folder: a README command
INPAINTERS = sorted(path.stem for path in (CONFIGS / "net").glob("inpaint*.yaml"))
OF_INPAINTING = ("inpaint_procedural", "stereo_pairs", "view_synthesis")
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


def test_crops_that_the_network_cannot_halve_are_refused(tmp_path):
    run = built(tmp_path, "inpaint_small", "crop.width=24")
    with pytest.raises(InputError, match=r"^crop: expected multiples of 16 pixels, .* found 16 x 24"):
        run.task.losses(run.data.train[0, 0], torch.Generator())


@pytest.mark.slow
@pytest.mark.parametrize("holes", sorted(path.stem for path in (CONFIGS / "holes").glob("*.yaml")))
@pytest.mark.parametrize("realism", sorted(path.stem for path in (CONFIGS / "realism").glob("*.yaml")))
def test_all_holes_and_realism_can_be_trained_on(holes, realism, tmp_path):
    run = built(tmp_path, "inpaint_small", f"holes={holes}", f"realism={realism}")
    pictures = run.data.train.sources[2].batches
    assert isinstance(pictures, PairBatches)
    assert 0 < pictures[0, 0].hole.float().mean() < 1


@pytest.mark.slow
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


@pytest.mark.parametrize("name", INPAINTERS)
def test_each_small_inpainter_gives_velocities_of_its_latents(name):
    network = build_value(composed("train", f"net={name}").net, "net")
    pictures = torch.rand(1, 2, 4, 32, 48)
    condition = network.condition(pictures, torch.zeros(1, 2, 32, 48, dtype=torch.bool))
    latents = network.encode(pictures)
    assert network.velocity(latents, torch.zeros(latents.shape[:2]), condition).shape == latents.shape


def test_published_inpainters_build_from_folders(tmp_path):
    svd, stereocrafter = write_svd(tmp_path / "svd"), write_stereocrafter(tmp_path / "stereocrafter")
    stable_diffusion(release="1.5").save_pretrained(tmp_path / "sd")
    given = {
        "sd_inpaint": (f"net.path={tmp_path / 'sd'}", "net.channels=4"),
        "svd_inpaint": (f"net.path={svd}",),
        "stereocrafter": (f"net.path={stereocrafter}", f"net.svd_path={svd}"),
    }
    networks = {name: build_value(composed("train", f"net={name}", *paths).net, "net") for name, paths in given.items()}
    assert all(isinstance(network, InpaintNetwork) for network in networks.values())
    assert [network.unet.in_channels for network in networks.values()] == [17, 9, 9]


@pytest.mark.slow
def test_a_video_with_holes_is_filled_in_tiles_and_windows():
    sizes = ["inference.network.tile=32", "inference.network.overlap=16", "inference.window=3", "inference.overlap=1"]
    config = composed("eval", "net=inpaint_video_small", "inference=inpaint_video", *sizes)
    inpainter = build_value(OmegaConf.to_container(config, resolve=True)["inference"], "inference")
    hole = torch.zeros(4, 48, 64, dtype=torch.bool)
    hole[:, 10:20, 20:40] = True
    video = torch.rand(4, 3, 48, 64).masked_fill(hole[:, None], 0.0)
    filled = inpainter.fill(PartialVideo(video=video, hole=hole), seed=0).video
    assert torch.equal(filled.masked_fill(hole[:, None], 0.0), video)
    assert all(frame[:, cut].std() > 0 for frame, cut in zip(filled, hole, strict=True))  # untrained: anything but 0


@pytest.mark.parametrize("name", OF_INPAINTING)
def test_benchmarks_of_inpainting_bring_their_contenders(name, tmp_path):
    config = composed("eval", f"benchmark={name}", "logger=none", f"cache={tmp_path}")
    if OmegaConf.is_missing(config.benchmark, "root"):
        config.benchmark.root = "data/of/this/set"
    run = build(config)
    assert {method.name for method in run.baselines} == {"telea", "navier_stokes", "background_stretch"}
    assert all(isinstance(method, Inpainter) for method in (*run.methods, *run.baselines))
    assert run.baseline in {method.name for method in run.baselines}
    distances = {
        metric.distance
        for metric in (*run.benchmark.metrics, *run.benchmark.consistency_metrics)
        if "lpips" in metric.name
    }
    assert distances == {run.benchmark.perceptual}
