import math

import pytest
import torch

from turnaround.render.shapes import bounding_radius
from turnaround.scenes.observe import color, surface
from turnaround.scenes.sample import WorldSampler
from turnaround.scenes.views import CLEARANCE, ViewSampler, is_clear

WORLDS = WorldSampler(height=16, width=24, frames=5, moving=1.0)
VIEWS = ViewSampler(worlds=WORLDS, eyes=[0.05, 0.08], orbits=3, degrees=[3.0, 45.0], tilt=8.0)
SEEDS = range(6)


@pytest.fixture(scope="module")
def scenes():
    return [VIEWS(seed) for seed in SEEDS]


def test_nothing_but_the_camera_moves(scenes):
    assert all(body.motion.is_still for scene in scenes for body in scene.world.bodies)
    assert all(len(scene.camera) == 5 for scene in scenes)


def test_the_second_view_is_the_right_eye(scenes):
    for scene in scenes:
        first, right = scene.camera.world_from_cam[:2]
        step = first.inverse() @ right
        assert 0.05 <= step[0, 3] <= 0.08
        step[0, 3] = 0.0
        torch.testing.assert_close(step, torch.eye(4).double())


def test_orbit_steps_keep_the_pivot_in_the_middle(scenes):
    for scene in scenes:
        first = scene.camera.world_from_cam[0]
        for pose in scene.camera.world_from_cam[2:]:
            # Both axes meet in the pivot, as far from one eye as from the other
            between = pose[:3, 3] - first[:3, 3]
            cosine = float(first[:3, 2] @ pose[:3, 2])
            distance = between.norm() / (2 * math.sin(math.acos(min(cosine, 1.0)) / 2))
            torch.testing.assert_close(
                first[:3, 3] + distance * first[:3, 2], pose[:3, 3] + distance * pose[:3, 2], atol=1e-6, rtol=0
            )
            assert math.degrees(math.acos(cosine)) < 47  # 45 of the turn, 8 of the tilt


def test_views_stand_clear_of_bodies_and_walls(scenes):
    for scene in scenes:
        first = scene.camera.world_from_cam[0, :3, 3]
        for pose in scene.camera.world_from_cam[2:]:
            eye = pose[:3, 3]
            turn = math.degrees(math.acos(min(float(scene.camera.world_from_cam[0, :3, 2] @ pose[:3, 2]), 1.0)))
            assert is_clear(scene, first, eye) or turn < 1
            gaps = [
                (body.motion.position - eye).norm() - bounding_radius(body.shape, body.size)
                for body in scene.world.bodies
                if not body.shape.is_shell
            ]
            assert turn < 1 or min(gaps) > CLEARANCE


def test_a_place_behind_a_wall_is_not_clear(scenes):
    first = scenes[0].camera.world_from_cam[0, :3, 3]
    assert not is_clear(scenes[0], first, first + torch.tensor([100.0, 0, 0]).double())
    assert not is_clear(scenes[0], first, first + torch.tensor([0, 5.0, 0]).double())  # under the ground


def test_a_seed_is_all_the_randomness(scenes):
    again = VIEWS(2)
    assert torch.equal(again.camera.world_from_cam, scenes[2].camera.world_from_cam)
    assert not torch.equal(VIEWS(3).camera.world_from_cam, again.camera.world_from_cam)
    assert torch.equal(color(again, 2, samples=1), color(scenes[2], 2, samples=1))
    assert surface(again, 4).depth.isfinite().all()
