"""Motion as the pipeline takes it: from files and networks to moving caches, on a small finished orbit."""

import json
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from small_orbits import SURFACES, small_orbit

from turnaround.io.image import write_image
from turnaround.nets.motion import MotionUNet
from turnaround.pipelines.orbit.frames import without_holes
from turnaround.pipelines.orbit.motion import Hinted, Motion, Predicted, Still
from turnaround.render.cache import render
from turnaround.render.moving import Loop
from turnaround.run.build import build_value
from turnaround.run.checkpoint import save_weights
from turnaround.types import InputError, MotionNetwork, Provenance

CONFIGS = Path(__file__).parents[2] / "configs"
FPS, LOOP = 12.0, Loop(frames=6, feather=2.0)
ARROW = [[0.125, 0.25], [0.375, 0.0]]  # of 64 pixels and 12 frames per second: 2 pixels per frame


@pytest.fixture(scope="module")
def finished():
    return small_orbit()


def files(folder, mask, arrows=(ARROW,)):
    write_image(folder / "mask.png", mask.float().expand(3, -1, -1))
    (folder / "arrows.json").write_text(json.dumps({"arrows": list(arrows)}))
    return {"arrows": str(folder / "arrows.json"), "mask": str(folder / "mask.png")}


def hinted(folder, mask, **settings):
    return Hinted(**files(folder, mask), **{"power": 2.0, "loop": LOOP, "fps": FPS} | settings)


def network(seed=0):
    torch.manual_seed(seed)
    return MotionUNet(channels=(8, 16, 16), speed=0.5).eval()


def predicted(net, **settings):
    return Predicted(network=net, **{"mask": None, "still": 0.0, "loop": LOOP, "fps": FPS} | settings)


def films(motion, finished):
    orbit, cache = finished
    scene_at = motion.scenes(cache.views[0])
    cameras = [orbit.cameras.at(frame) for frame in range(len(orbit.cameras))]
    return [without_holes(render(scene_at(cache, frame), camera, SURFACES)) for frame, camera in enumerate(cameras)]


def test_nothing_moves_where_nothing_should(finished):
    _, cache = finished
    assert Still().scenes(cache.views[0])(cache, 5) is cache
    Still().require_loop(7)


def test_a_wall_flows_by_hints_while_the_camera_turns(finished, tmp_path):
    orbit, cache = finished
    wall = cache.views[0].view.depth > 6
    motion = hinted(tmp_path, wall)
    moves = motion.field(cache.views[0].view.image)
    assert torch.equal(moves.moving, wall)
    torch.testing.assert_close(moves.velocity, torch.tensor([2.0, 0.0])[:, None, None] * wall)
    moved, stood = films(motion, finished), films(Still(), finished)
    assert torch.equal(moved[0].image, cache.views[0].view.image)
    again = films(hinted(tmp_path, wall), finished)
    for number in range(1, len(orbit.cameras) - 1):  # the last camera is that of a key view, which shows its own
        one, other = moved[number], stood[number]
        still = other.depth < 6
        assert torch.equal(one.depth, other.depth)
        assert torch.equal(one.image[:, still], other.image[:, still])
        assert torch.equal(one.label[still], other.label[still])
        flows = (one.step == 0) & (other.depth > 6)
        assert (one.label[flows] == int(Provenance.PROPAGATED)).all()
        assert (one.image - other.image)[:, flows].abs().mean() > 0.02
        assert torch.equal(one.image, again[number].image)


def test_a_network_predicts_what_flows(finished):
    _, cache = finished
    image = cache.views[0].view.image
    net = network()
    assert isinstance(net, MotionNetwork)
    moves = predicted(net).field(image)
    expected = net.motion(image[None], torch.ones(1, *image.shape[1:], dtype=torch.bool))[0] * 64 / FPS
    torch.testing.assert_close(moves.velocity, expected.detach())
    speed = moves.velocity.norm(dim=0)
    middle = float(speed.median())
    slow = predicted(net, still=middle).field(image)
    assert torch.equal(slow.moving, speed >= middle)
    assert (slow.velocity[:, speed < middle] == 0).all()


def test_a_network_takes_pictures_of_any_size_and_a_mask(tmp_path):
    image = torch.rand(3, 30, 45, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(30, 45, dtype=torch.bool)
    mask[5:, 10:] = True
    path = files(tmp_path, mask)["mask"]
    moves = predicted(network(), mask=path).field(image)
    assert moves.velocity.shape == (2, 30, 45)
    assert torch.equal(moves.moving, mask)
    assert (moves.velocity[:, ~mask] == 0).all()
    assert (moves.velocity[:, mask] != 0).any()


def test_velocities_that_are_not_finite_are_refused():
    net = network()
    torch.nn.init.constant_(net.unet.leave.bias, torch.inf)
    with pytest.raises(InputError, match=r"motion\.network"):
        predicted(net).field(torch.zeros(3, 16, 16))


def test_a_closed_path_needs_whole_loops(tmp_path):
    motion = hinted(tmp_path, torch.ones(48, 64))
    motion.require_loop(12)
    with pytest.raises(InputError, match=r"^motion\.loop\.frames: expected a divisor of the 15 frames"):
        motion.require_loop(15)


def test_settings_change_with_all_that_decides(tmp_path):
    mask = torch.ones(48, 64)
    before = hinted(tmp_path, mask).settings
    assert hinted(tmp_path, mask).settings == before
    changed = [hinted(tmp_path, mask, **each).settings for each in ({"power": 3.0}, {"fps": 24.0})]
    changed.append(hinted(tmp_path, mask, loop=Loop(frames=6, feather=3.0)).settings)
    changed.append(hinted(tmp_path, mask.index_fill(0, torch.tensor([0]), 0.0)).settings)
    nets = [predicted(network(seed)).settings for seed in (0, 0, 1)]
    assert nets[0] == nets[1] != nets[2]
    assert before not in changed
    assert len({*changed}) == 4


def test_each_shipped_motion_builds(tmp_path):
    hints = files(tmp_path, torch.ones(48, 64))
    save_weights(
        tmp_path / "net",
        network(),
        {"_target_": "turnaround.nets.motion.MotionUNet", "channels": [8, 16, 16], "speed": 0.5},
    )
    needed = {
        "none": (),
        "hints": tuple(f"motion.{key}={path}" for key, path in hints.items()),
        "network": (f"motion.network.path={tmp_path / 'net'}",),
    }
    assert {path.stem for path in (CONFIGS / "motion").glob("*.yaml")} == set(needed)
    for name, overrides in needed.items():
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            config = compose(f"motion/{name}", ["+pipeline.fps=24.0", *overrides])
        motion = build_value(OmegaConf.to_container(config.motion, resolve=True), "motion")
        assert isinstance(motion, Motion)
        assert getattr(motion, "fps", 24.0) == 24.0
