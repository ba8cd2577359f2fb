"""Configs of estimators, inpainters and priors that name published weights build from small folders of their layout."""

import re
import shlex
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from published_depth import write_depth_anything, write_marigold
from published_folders import stable_diffusion, write_depthcrafter, write_svd
from published_sdxl import write_sdxl
from published_zero123plus import write_zero123plus

from turnaround.pipelines.orbit.relief import estimated
from turnaround.run.build import build, build_value
from turnaround.run.checkpoint import save_weights
from turnaround.types import (
    DepthKind,
    Inpainter,
    InputError,
    MultiViewPrior,
    PartialVideo,
    PicturedObject,
    Pinhole,
    ResumableDepthEstimator,
)

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
GUIDE = (ROOT / "docs" / "published_models.md").read_text()
COMMANDS = re.findall(r"^python run\.py (.*)$", GUIDE, flags=re.M)


def composed(*overrides):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("run", ["pipeline=orbit", "input=photo.jpg", *overrides])


def chosen(group, name, *overrides):
    """What `run.py pipeline=orbit GROUP=NAME` builds of this group."""
    config = composed(f"{group}={name}", *overrides)
    return build_value(OmegaConf.to_container(config[group.lstrip("+")], resolve=True), group)


@pytest.fixture
def depthcrafter(tmp_path):
    unet, svd = write_depthcrafter(tmp_path / "depthcrafter"), write_svd(tmp_path / "svd")
    return f"estimator.network.path={unet}", f"estimator.network.svd_path={svd}"


def test_depthcrafter_estimates_a_picture(depthcrafter):
    estimator = chosen("estimator", "depthcrafter", *depthcrafter, "estimator.pixels=8192", "estimator.device=cpu")
    assert isinstance(estimator, ResumableDepthEstimator)
    assert (estimator.name, estimator.kind) == ("depthcrafter", DepthKind.AFFINE_DISPARITY)
    assert "no commercial use" in estimator.weights[0].licence
    (disparity,) = estimator.stream(iter([torch.rand(3, 72, 90)]), seed=0)
    assert disparity.shape == (72, 90)
    assert disparity.isfinite().all()


def test_depthcrafter_takes_the_light_decoder(depthcrafter, tmp_path):
    light = ("net/decoder@estimator.network.decoder=light", f"estimator.network.decoder.path={tmp_path / 'none'}")
    with pytest.raises(InputError, match="none"):
        chosen("estimator", "depthcrafter", *depthcrafter, *light)


@pytest.mark.parametrize("name", ["transformers", "depth_anything_v2"])
def test_depth_models_of_transformers_estimate_a_picture(name, tmp_path):
    given = [f"estimator.network.path={write_depth_anything(tmp_path)}", "estimator.device=cpu"]
    given += ["estimator.network.kind=affine_disparity"] if name == "transformers" else []
    estimator = chosen("estimator", name, *given)
    assert isinstance(estimator, ResumableDepthEstimator)
    assert (estimator.name, estimator.kind) == (name, DepthKind.AFFINE_DISPARITY)
    assert estimated(estimator, torch.rand(3, 40, 56), seed=0).std() > 0


def test_weights_must_be_chosen():
    with pytest.raises(InputError, match=r"^estimator\.network\.path: expected a value"):
        build(composed("estimator=transformers"))


def test_marigold_estimates_a_picture(tmp_path):
    small = [f"estimator.network.path={write_marigold(tmp_path)}", "estimator.network.size=64", "estimator.device=cpu"]
    estimator = chosen("estimator", "marigold", *small)
    assert isinstance(estimator, ResumableDepthEstimator)
    assert (estimator.name, estimator.kind) == ("marigold", DepthKind.AFFINE_DEPTH)
    assert estimated(estimator, torch.rand(3, 40, 56), seed=0).std() > 0


@pytest.fixture(scope="module")
def inpainting(tmp_path_factory):
    """Folders by the names of configs."""
    root = tmp_path_factory.mktemp("inpainting")
    stable_diffusion(release="2").save_pretrained(root / "sd")
    write_sdxl(root / "sdxl")
    network = chosen("inpainter", "sd", f"inpainter.network.path={root / 'sd'}", "inpainter.network.channels=4").network
    save_weights(root / "trained", network, {})
    return root


@pytest.mark.parametrize("name", ["sd", "sdxl", "trained"])
def test_inpainters_of_published_weights_fill_a_hole(name, inpainting):
    small = [f"inpainter.network.path={inpainting / name}", "inpainter.sampler.levels.steps=2", "inpainter.pixels=4096"]
    inpainter = chosen("inpainter", name, *small, "inpainter.device=cpu")
    assert isinstance(inpainter, Inpainter)
    assert inpainter.name == name
    assert [notice.name for notice in inpainter.weights][-1] == ("sd" if name == "trained" else name)
    hole = torch.zeros(1, 64, 64, dtype=torch.bool)
    hole[:, 24:40, 24:40] = True
    video = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)).masked_fill(hole[:, None], 0.0)
    depth = torch.full((1, 64, 64), 2.0).masked_fill(hole, torch.nan)
    filled = inpainter.fill(PartialVideo(video=video, hole=hole, depth=depth), seed=0)
    assert torch.equal(filled.video.masked_fill(hole[:, None], 0.0), video)
    assert filled.video[0, :, hole[0]].std() > 0
    assert bool(filled.depth[hole].isfinite().all()) == (name == "trained"), "which has a channel of depth"


def test_zero123plus_is_a_prior(tmp_path):
    path = f"prior.network.path={write_zero123plus(tmp_path)}"
    prior = chosen("prior", "zero123plus", path, "prior.network.side=32", "prior.network.steps=2", "prior.device=cpu")
    assert isinstance(prior, MultiViewPrior)
    assert prior.name == "zero123plus"
    assert ["no commercial use" in notice.licence for notice in prior.weights] == [True]
    mask = torch.zeros(48, 64, dtype=torch.bool)
    mask[16:32, 24:40] = True
    k = torch.tensor([[[60.0, 0, 32], [0, 60, 24], [0, 0, 1]]])
    camera = Pinhole(world_from_cam=torch.eye(4)[None], intrinsics=k, height=48, width=64)
    seen = PicturedObject(image=torch.rand(3, 48, 64), mask=mask, camera=camera, depth=2.0)
    views = prior.views(seen, camera, seed=0)
    assert views.video.shape == (1, 3, 48, 64)
    assert views.video.masked_fill(views.sure[:, None], 0.0).abs().max() == 0


def test_none_is_a_prior():
    assert isinstance(chosen("prior", "none"), MultiViewPrior)


NAMED_HERE = {
    "estimator": {"embedded", "depthcrafter", "transformers", "depth_anything_v2", "marigold"},
    "inpainter": {"embedded", "sd", "sdxl", "trained"},
    "prior": {"none", "zero123plus"},
}


@pytest.mark.parametrize("group", NAMED_HERE)
def test_each_config_is_built_somewhere(group):
    """`embedded` by the command itself, the others above."""
    assert {path.stem for path in (CONFIGS / group).glob("*.yaml")} == NAMED_HERE[group]


@pytest.mark.parametrize("words", COMMANDS)
def test_each_command_of_the_guide_composes_and_lacks_nothing(words):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("run", shlex.split(words))
    assert not {*OmegaConf.missing_keys(config.estimator), *OmegaConf.missing_keys(config.inpainter)}


def test_the_guide_names_the_licence_of_each_repository_in_a_config():
    named = re.findall(r"(?:path|svd_path): ([\w.-]+/[\w.-]+)", "".join(map(Path.read_text, CONFIGS.glob("*/*.yaml"))))
    rows = [line for line in GUIDE.splitlines() if line.startswith("|")]
    chosen = {name for name in named if name != "TencentARC/StereoCrafter"}  # of videos, not of orbits
    assert len(chosen) >= 6
    assert all(any(f"`{name}`" in row for row in rows) for name in chosen)
