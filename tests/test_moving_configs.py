"""Every shipped config of moving pictures and of how frames are made composes, builds and takes a step."""

from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from turnaround.pipelines.orbit.splats import Splats
from turnaround.run.build import build, build_value
from turnaround.run.checkpoint import load_network, save_weights

CONFIGS = Path(__file__).parents[1] / "configs"


def composed(root, *overrides):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(root, list(overrides))


def chosen_splats(name, *overrides):
    config = composed(f"splats/{name}", *overrides)
    splats = build_value(OmegaConf.to_container(config.splats, resolve=True), "splats")
    assert isinstance(splats, Splats)
    return splats


def took_a_step(run):
    total = torch.stack(list(run.task.losses(run.data.train[0, 0], torch.Generator().manual_seed(0)).values())).sum()
    total.backward()
    assert total.isfinite()
    gradients = [p.grad for p in run.task.network.parameters() if p.grad is not None]
    assert any(gradient.abs().max() > 0 for gradient in gradients)


def test_a_cloud_of_features_takes_a_step_and_films(tmp_path):
    small = ("sampler.worlds.height=32", "sampler.worlds.width=48", "pixels_per_batch=3072", "logger=none")
    run = build(composed("train", "experiment=feature_cloud", f"cache={tmp_path / 'clips'}", *small))
    took_a_step(run)
    save_weights(tmp_path / "net", run.task.network, run.net)
    loaded = load_network(tmp_path / "net")
    assert loaded.weights[0].name == "net"
    own = f"splats.network.path={tmp_path / 'net'}"
    weights = {"colors": (), "features": ("feature_cloud_small",)}
    assert {path.stem for path in (CONFIGS / "splats").glob("*.yaml")} == set(weights)
    for name, names in weights.items():
        assert tuple(notice.name for notice in chosen_splats(name).weights) == names
    assert chosen_splats("features", own).settings == loaded.fingerprint()


def test_a_network_of_motion_takes_a_step_and_moves(tmp_path):
    run = build(composed("train", "experiment=motion", "pixels_per_batch=12288", "logger=none"))
    took_a_step(run)
    save_weights(tmp_path / "net", run.task.network, run.net)
    config = composed("motion/network", "+pipeline.fps=24.0", f"motion.network.path={tmp_path / 'net'}")
    motion = build_value(OmegaConf.to_container(config.motion, resolve=True), "motion")
    assert motion.weights[0].name == "net"
    assert run.task.network.eval().fingerprint() in motion.settings
    picture = run.data.validation.picture("00050000")
    assert motion.field(picture.image).velocity.shape == (2, 64, 96)
