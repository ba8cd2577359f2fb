"""Configs of estimators, inpainters and priors that name published weights build from small folders of their layout."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from published_depth import write_depth_anything
from published_folders import write_depthcrafter, write_svd

from turnaround.pipelines.orbit.relief import estimated
from turnaround.run.build import build, build_value
from turnaround.types import DepthKind, InputError, ResumableDepthEstimator

CONFIGS = Path(__file__).parents[1] / "configs"


def composed(*overrides):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("run", ["pipeline=orbit", "input=photo.jpg", *overrides])


def chosen(group, name, *overrides):
    """What `run.py pipeline=orbit GROUP=NAME` builds of this group."""
    config = composed(f"{group}={name}", *overrides)
    return build_value(OmegaConf.to_container(config[group], resolve=True), group)


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
