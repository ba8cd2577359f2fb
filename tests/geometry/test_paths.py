import math

import pytest
import torch

from turnaround.geometry.paths import closed_orbit, dolly, handheld, orbit, static, turned
from turnaround.geometry.se3 import invert, look_at

EYE = torch.tensor([1.0, -1.4, -4.0], dtype=torch.float64)
TARGET = torch.tensor([0.2, -0.7, 0.5], dtype=torch.float64)
TRAVEL = torch.tensor([0.4, -0.1, 0.3], dtype=torch.float64)
UP = torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64)
FRAMES = 7


def sway(amplitude):
    generator = torch.Generator().manual_seed(0)
    waves = torch.rand(2, 3, 3, generator=generator, dtype=torch.float64)
    waves[:, 0] *= amplitude
    return waves


def eyes(poses):
    return poses[:, :3, 3]


def paths():
    return {
        "static": static(EYE, TARGET, FRAMES),
        "orbit": orbit(EYE, TARGET, FRAMES, degrees=20.0),
        "closed_orbit": closed_orbit(EYE, TARGET, FRAMES),
        "dolly": dolly(EYE, TARGET, FRAMES, travel=TRAVEL),
        "handheld": handheld(EYE, TARGET, FRAMES, travel=TRAVEL, sway=sway(0.1)),
    }


@pytest.mark.parametrize("name", paths())
def test_poses_are_rigid_with_a_level_horizon(name):
    poses = paths()[name]
    rotation = poses[:, :3, :3]
    assert poses.shape == (FRAMES, 4, 4)
    assert poses.dtype == torch.float64
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).double().expand(FRAMES, 3, 3))
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(FRAMES).double())
    torch.testing.assert_close(rotation[:, 1, 0], torch.zeros(FRAMES).double(), rtol=0, atol=1e-12)  # right is level
    assert (rotation[:, 1, 1] > 0).all()  # down is down


@pytest.mark.parametrize("name", ["static", "orbit", "closed_orbit", "dolly"])
def test_first_frame_is_at_the_eye_and_looks_at_the_target(name):
    torch.testing.assert_close(paths()[name][0], look_at(EYE, TARGET, UP))


def test_static_camera_stands_still():
    poses = static(EYE, TARGET, FRAMES)
    assert (poses == poses[0]).all()
    poses[1] += 1  # each frame owns its pose
    assert not torch.equal(poses[0], poses[1])


@pytest.mark.parametrize("name", ["orbit", "closed_orbit"])
def test_orbits_keep_their_distance_and_height_and_look_at_the_target(name):
    poses = paths()[name]
    away = TARGET - eyes(poses)
    torch.testing.assert_close(away.norm(dim=-1), (TARGET - EYE).norm().expand(FRAMES))
    torch.testing.assert_close(eyes(poses)[:, 1], EYE[1].expand(FRAMES))
    torch.testing.assert_close(poses[:, :3, 2], away / away.norm(dim=-1, keepdim=True))


def azimuths(poses):
    flat = (eyes(poses) - TARGET)[:, [0, 2]]
    return torch.atan2(flat[:, 1], flat[:, 0])


@pytest.mark.parametrize("degrees", [20.0, -35.0])
def test_orbit_turns_by_its_degrees_in_even_steps(degrees):
    steps = azimuths(orbit(EYE, TARGET, FRAMES, degrees=degrees)).diff()
    torch.testing.assert_close(steps, steps[0].expand(FRAMES - 1))
    assert abs(math.degrees(steps.sum())) == pytest.approx(abs(degrees))
    other = azimuths(orbit(EYE, TARGET, FRAMES, degrees=-degrees)).diff()
    torch.testing.assert_close(steps, -other)


def test_closed_orbit_leaves_out_its_endpoint():
    poses = closed_orbit(EYE, TARGET, 8)
    steps = torch.remainder(azimuths(poses).diff(append=azimuths(poses)[:1]), 2 * math.pi)  # the last leads home
    assert torch.allclose(steps, torch.tensor(math.pi / 4).double()) or torch.allclose(
        steps, torch.tensor(7 * math.pi / 4).double()
    )
    torch.testing.assert_close(poses[4, [0, 2], 3], (2 * TARGET - EYE)[[0, 2]])  # half way round: opposite


def test_closed_orbit_turns_the_same_way_as_a_positive_orbit():
    torch.testing.assert_close(closed_orbit(EYE, TARGET, 36)[:3], orbit(EYE, TARGET, 3, degrees=20.0))


def test_dolly_goes_straight_without_turning():
    poses = dolly(EYE, TARGET, FRAMES, travel=TRAVEL)
    torch.testing.assert_close(eyes(poses), EYE + torch.linspace(0, 1, FRAMES).double()[:, None] * TRAVEL)
    assert (poses[:, :3, :3] == poses[0, :3, :3]).all()


def test_a_steady_hand_is_a_dolly_that_keeps_looking_at_its_target():
    poses = handheld(EYE, TARGET, FRAMES, travel=TRAVEL, sway=sway(0))
    torch.testing.assert_close(eyes(poses), eyes(dolly(EYE, TARGET, FRAMES, travel=TRAVEL)))
    torch.testing.assert_close(poses, look_at(eyes(poses), TARGET.expand(FRAMES, 3), UP))


def test_sway_moves_the_hand_and_the_gaze_by_their_sines():
    waves = sway(0.1)
    poses = handheld(EYE, TARGET, FRAMES, travel=TRAVEL, sway=waves)
    for frame in range(FRAMES):
        time = frame / (FRAMES - 1)
        move, gaze = (
            torch.stack([w[0, i] * torch.sin(2 * math.pi * w[1, i] * time + w[2, i]) for i in range(3)]) for w in waves
        )
        expected = look_at(EYE + time * TRAVEL + move, TARGET + gaze, UP)
        torch.testing.assert_close(poses[frame], expected)


@pytest.mark.parametrize("frames", [1, 2])
def test_short_paths(frames):
    for poses in (
        static(EYE, TARGET, frames),
        orbit(EYE, TARGET, frames, degrees=10.0),
        closed_orbit(EYE, TARGET, frames),
        dolly(EYE, TARGET, frames, travel=TRAVEL),
        handheld(EYE, TARGET, frames, travel=TRAVEL, sway=sway(0)),
    ):
        assert poses.shape == (frames, 4, 4)
        torch.testing.assert_close(poses[0], look_at(EYE, TARGET, UP))


def test_turned_carries_the_camera_as_a_rig_does():
    """Points that are fixed to the rig keep their place in the camera; the pivot keeps its place in the world too."""
    pose = look_at(EYE, TARGET, torch.tensor([0.3, -1.0, 0.1], dtype=torch.float64))  # rolled
    around, over = (torch.tensor(angles, dtype=torch.float64) for angles in ([0.0, 0.4, -2.0], [0.0, 0.3, 0.0]))
    poses = turned(pose, TARGET, around, over)
    torch.testing.assert_close(poses[0], pose)
    in_camera = invert(poses)[:, :3] @ torch.cat([TARGET, torch.ones(1).double()])
    torch.testing.assert_close(in_camera, in_camera[:1].expand(3, 3))
    assert (poses[1:, 0, 3] > EYE[0])[0], "to the right where the angle is positive"
    assert poses[1, 1, 3] > EYE[1], "and down"
    torch.testing.assert_close(poses[2, 1, 3], EYE[1])  # a turn about the vertical keeps the height
