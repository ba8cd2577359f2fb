"""Sampled worlds: reproducible to the byte, never with the camera inside something, and as varied as promised."""

import collections
import hashlib
import subprocess
import sys

import pytest
import torch

from turnaround.render.shapes import Shape, bounding_radius
from turnaround.render.texture import Pattern
from turnaround.scenes.observe import color, flow, surface
from turnaround.scenes.sample import CLEARANCE, VERSION, WorldSampler
from turnaround.types import InputError

PATHS = ["static", "orbit", "closed_orbit", "dolly", "handheld"]

# SHA-256 of what `golden` renders, by `scenes.sample.VERSION`. If a change of the sampler, the ray caster or the
# shading alters it, caches of procedural clips hold other bytes than the code would make: raise VERSION, add a line.
GOLDEN = {2: "8b1ceef3b21de2a340df70b83e0261b625f9217d6623b06dca54e2fe3d3712bd"}


def digest(*tensors):
    hash = hashlib.sha256()
    for tensor in tensors:
        hash.update(tensor.contiguous().numpy().tobytes())
    return hash.hexdigest()


def golden():
    """A field and a room. Colour is rounded to 8 bits, as clips store it."""
    scenes = [WorldSampler(height=24, width=32, frames=2)(seed) for seed in (1, 3)]
    return digest(
        *((color(scene, 1) * 255).round().byte() for scene in scenes), *(surface(scene, 1).depth for scene in scenes)
    )


def everything(seed):
    """Large enough that torch splits the work among threads (from 32768 elements on)."""
    scene = WorldSampler(height=88, width=96, frames=2, moving=0.5)(seed)
    moved = flow(scene, 0, 1)
    seen = surface(scene, 1)
    return digest(color(scene, 1), seen.depth, seen.normals, seen.ids, moved.pixels, moved.visible)


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def scenes():
    sampler = WorldSampler(height=24, width=32, paths=dict.fromkeys(PATHS, 1.0))
    return [sampler(seed) for seed in range(200)]


@pytest.mark.usefixtures("one_thread")
def test_a_seed_gives_the_same_bytes_in_another_process_with_other_threads():
    other = subprocess.run([sys.executable, __file__, "2"], capture_output=True, text=True, check=True)
    assert other.stdout.split() == ["2", everything(5)]


def test_the_bytes_of_a_seed_belong_to_a_version():
    assert golden() == GOLDEN[VERSION]


def test_seeds_differ():
    sampler = WorldSampler(height=6, width=8, frames=1)
    assert len({digest(surface(sampler(seed), 0).depth) for seed in range(12)}) == 12


def test_the_clip_has_the_length_and_size_asked_for():
    scene = WorldSampler(height=10, width=14, frames=5, seconds=2.0)(4)
    assert (len(scene.camera), scene.camera.height, scene.camera.width) == (5, 10, 14)
    assert scene.world.seconds_per_frame == pytest.approx(0.5)
    assert scene.name == "procedural/4"
    assert len(WorldSampler(height=6, width=8, frames=1)(0).camera) == 1


def test_image_size_does_not_change_the_world():
    small, large = (WorldSampler(height=h, width=w)(7) for h, w in ((24, 32), (96, 128)))
    assert torch.equal(small.camera.world_from_cam, large.camera.world_from_cam)
    assert [body.texture.frequency for body in small.world.bodies] == [b.texture.frequency for b in large.world.bodies]
    torch.testing.assert_close(large.camera.intrinsics[:, :2], small.camera.intrinsics[:, :2] * 4)


def test_no_camera_comes_near_a_body(scenes):
    for scene in scenes:
        eyes = scene.camera.world_from_cam[:, :3, 3]
        times = torch.arange(len(eyes)).double()[:, None] * scene.world.seconds_per_frame
        for body in scene.world.bodies:
            if not body.shape.is_shell:
                distance = (eyes - body.motion.position - times * body.motion.velocity).norm(dim=1)
                assert distance.min() > CLEARANCE + bounding_radius(body.shape, body.size) - 1e-9, scene.name


def shell_gaps(scene):
    """Metres by which the camera stays inside its room, or above the ground under its dome."""
    shell = scene.world.bodies[0]
    eyes = scene.camera.world_from_cam[:, :3, 3]
    if shell.shape is Shape.ROOM:
        return (shell.size - (eyes - shell.motion.position).abs()).amin(dim=1)
    inside = 1 - (eyes / shell.size).norm(dim=1)
    return torch.minimum(-eyes[:, 1], inside * shell.size.min())


@pytest.mark.parametrize("path", PATHS)
def test_no_camera_leaves_its_room_or_dome(path):
    """A room shows its walls to the inside only: from without, what is seen and what is called visible disagree."""
    sampler = WorldSampler(frames=12, bodies=(0, 0), paths={path: 1.0})
    seeds = [*range(40), 839, 1386, 1444, 1611, 3254, 3281]  # the last ones once left, on an orbit or a dolly
    assert {seed: gap for seed in seeds if (gap := float(shell_gaps(sampler(seed)).min())) <= 0} == {}


def test_all_depths_are_finite_and_positive():
    sampler = WorldSampler(height=12, width=16, frames=2, moving=0.5)
    for seed in range(20):
        seen = surface(sampler(seed), 1)
        assert seen.depth.isfinite().all(), seed
        assert (seen.depth > 0).all(), seed
        assert (seen.ids >= 0).all(), seed
        torch.testing.assert_close(seen.normals.norm(dim=0), torch.ones(12, 16))


def test_every_shape_pattern_and_motion_occurs(scenes):
    bodies = [body for scene in scenes for body in scene.world.bodies]
    assert {body.shape for body in bodies} == set(Shape)
    assert {body.texture.pattern for body in bodies} == set(Pattern)
    solids = [body for body in bodies if not body.shape.is_shell]
    assert {scene.world.bodies[0].shape for scene in scenes} == {Shape.ROOM, Shape.DOME}
    assert 0.1 < sum(not body.motion.is_still for body in solids) / len(solids) < 0.3  # asked for: 0.2
    assert any(float(body.size.min()) < 0.05 for body in solids)  # thin ones
    assert any(body.gloss > 0 for body in solids)
    assert {len(scene.world.lights) for scene in scenes} == {1, 2}
    assert max(len(scene.world.bodies) - 2 for scene in scenes) <= 14


def kind(poses):
    """Which path it is, from the poses alone."""
    eyes, rotations = poses[:, :3, 3], poses[:, :3, :3]
    if torch.equal(poses, poses[:1].expand_as(poses)):
        return "static"
    if torch.equal(rotations, rotations[:1].expand_as(rotations)):
        return "dolly"
    heights = eyes[:, 1]
    if not torch.allclose(heights, heights[:1]):
        return "handheld"
    return "orbit" if (rotations[0, :, 2] @ rotations[len(poses) // 2, :, 2]) > 0 else "closed_orbit"


def test_every_path_occurs(scenes):
    counts = collections.Counter(kind(scene.camera.world_from_cam) for scene in scenes)
    assert set(counts) == set(PATHS)
    assert min(counts.values()) > 20  # of 200, at equal weights


@pytest.mark.parametrize("path", PATHS)
def test_a_path_can_be_asked_for_alone(path):
    sampler = WorldSampler(height=6, width=8, bodies=(0, 0), paths={path: 2.5})
    assert {kind(sampler(seed).camera.world_from_cam) for seed in range(5)} == {path}


def test_an_unknown_path_is_named():
    with pytest.raises(InputError, match="spiral"):
        WorldSampler(paths={"orbit": 1.0, "spiral": 1.0})


@pytest.mark.parametrize(("rooms", "shape"), [(0.0, Shape.DOME), (1.0, Shape.ROOM)])
def test_rooms_and_fields_can_be_asked_for(rooms, shape):
    sampler = WorldSampler(height=6, width=8, bodies=(0, 0), rooms=rooms)
    assert {sampler(seed).world.bodies[0].shape for seed in range(10)} == {shape}


def test_nothing_moves_in_a_still_world_and_everything_when_asked():
    for moving in (0.0, 1.0):
        for seed in range(5):
            bodies = WorldSampler(height=6, width=8, moving=moving)(seed).world.bodies
            solids = [body for body in bodies if not body.shape.is_shell]
            assert {body.motion.is_still for body in solids} <= {moving == 0}
            assert all(body.motion.is_still for body in bodies if body.shape.is_shell)


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    print(torch.get_num_threads(), everything(5))
