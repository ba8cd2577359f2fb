"""Points of filmed worlds against their cameras: the true ones, and such that are not."""

import math
from dataclasses import replace

import pytest
import torch
from hand_made_worlds import body, looking_at, wall

from turnaround.geometry import paths
from turnaround.geometry.se3 import rotation_about
from turnaround.metrics.epipolar import (
    CameraRotation,
    ReprojectionError,
    Tsed,
    epipolar_distance,
    fundamental_matrix,
    matched_pairs,
)
from turnaround.metrics.known import KnownPixelError
from turnaround.metrics.registration import RegistrationShare
from turnaround.render.shapes import Shape
from turnaround.render.texture import Pattern
from turnaround.scenes.observe import film, surface

FRAMES, HEIGHT, WIDTH = 5, 96, 128
TSED = Tsed(distance=2.0, matches=10, pairs=30)
ROTATION = CameraRotation(matches=10, pairs=30)
REPROJECTION = ReprojectionError(matches=10, pairs=30)
COLORS = ((0.95, 0.9, 0.1), (0.0, 0.1, 0.2)), ((0.1, 0.1, 0.1), (0.9, 0.9, 0.8))


def world(height, width, frames, degrees):
    """A box before a wall, both with much to see, and a path around the box."""
    far = wall(distance=8.0, pattern=Pattern.NOISE, colors=COLORS[0], frequency=6.0)
    box = body(Shape.BOX, (0.8, 0.6, 0.8), (0.0, 0.0, 4.0), pattern=Pattern.NOISE, colors=COLORS[1], frequency=12.0)
    pivot = torch.tensor([0.0, 0.0, 4.0], dtype=torch.float64)
    poses = paths.orbit(torch.zeros(3, dtype=torch.float64), pivot, frames, degrees=degrees)
    return looking_at([*far, box], poses=poses, height=height, width=width)


@pytest.fixture(scope="module")
def filmed():
    scene = world(HEIGHT, WIDTH, FRAMES, 12.0)
    depth = torch.stack([surface(scene, frame).depth for frame in range(FRAMES)])
    return film(scene).float(), torch.zeros(depth.shape, dtype=torch.bool), depth, scene.camera


def rising(cameras):
    """The same places turned by a quarter: it goes up instead of aside."""
    poses = cameras.world_from_cam.clone()
    poses[:, :3, 3] = poses[:, [1, 0, 2], 3]
    return replace(cameras, world_from_cam=poses)


def test_the_line_of_a_point_by_hand():
    """A step of 1 m to the right at a focal length of 8: points stay in their rows, off by as many pixels as rows."""
    cameras = looking_at(wall(distance=4.0), poses=torch.eye(4).double().repeat(2, 1, 1), height=4, width=8).camera
    cameras.world_from_cam[1, 0, 3] = 1.0
    first, second = torch.tensor([[4.0, 2.0], [1.0, 1.0]]), torch.tensor([[2.0, 2.0], [0.5, 4.0]])
    pair = (cameras.at(0), cameras.at(1))
    assert epipolar_distance(first, second, *pair).tolist() == pytest.approx([0.0, 3.0])
    matrix = fundamental_matrix(*pair)
    matrix = matrix / matrix[1, 2]
    torch.testing.assert_close(matrix, torch.tensor([[0, 0, 0], [0, 0, 1.0], [0, -1, 0]]).double())


def test_a_filmed_world_agrees_with_its_cameras_and_with_no_others(filmed):
    video, filled, depth, cameras = filmed
    found = TSED(*filmed)
    assert (found.value, found.count) == (1.0, FRAMES - 1)
    assert TSED(video, filled, depth, rising(cameras)).value == 0.0
    # SIFT finds points of these pictures to some tenths of a pixel
    assert REPROJECTION(*filmed).value < 0.5
    assert REPROJECTION(video, filled, depth, rising(cameras)).value > 2


def swung(cameras, degrees):
    """The same places, each turned to the right by so much more than the one before."""
    angles = torch.deg2rad(degrees * torch.arange(len(cameras), dtype=torch.float64))
    poses = cameras.world_from_cam.clone()
    down = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64).expand(len(cameras), 3)
    poses[:, :3, :3] = poses[:, :3, :3] @ rotation_about(down, angles)
    return replace(cameras, world_from_cam=poses)


def test_points_tell_how_far_the_cameras_turned():
    scene = world(192, 256, 3, 12.0)
    still = torch.zeros(3, 192, 256)
    video, unused = film(scene).float(), (still.bool(), still)
    found = ROTATION(video, *unused, scene.camera)
    assert found.count == 2
    # a pixel is 0.22 degrees wide here, and SIFT finds points to some tenths of one
    assert found.value < 1
    assert ROTATION(video, *unused, scene.camera).value == found.value
    for degrees in (-4.0, 4.0):
        wrong = ROTATION(video, *unused, swung(scene.camera, degrees)).value
        # angles between rotations obey the triangle inequality
        assert abs(wrong - 4) <= found.value + 1e-6


def test_few_points_tell_no_turn(filmed):
    _, filled, depth, cameras = filmed
    plain = torch.full((FRAMES, 3, HEIGHT, WIDTH), 0.5)
    assert ROTATION(plain, filled, depth, cameras).count == 0
    assert CameraRotation(matches=10**6, pairs=30)(*filmed).count == 0
    assert CameraRotation(matches=10, pairs=2)(*filmed).count == 2


def test_pictures_without_points_agree_with_nothing(filmed):
    _, filled, depth, cameras = filmed
    plain = torch.full((FRAMES, 3, HEIGHT, WIDTH), 0.5)
    assert TSED(plain, filled, depth, cameras).value == 0.0
    assert REPROJECTION(plain, filled, depth, cameras).count == 0


def test_pairs_are_spread_and_those_at_rest_left_out(filmed):
    video, _, _, cameras = filmed
    assert [
        torch.equal(c.world_from_cam, cameras.world_from_cam[n : n + 1])
        for n, (_, _, c, _) in zip((0, 2), matched_pairs(video, cameras, 2), strict=True)
    ] == [True, True]
    still = replace(cameras, world_from_cam=cameras.world_from_cam[:1].expand(FRAMES, 4, 4))
    assert list(matched_pairs(video, still, 30)) == []


def test_known_pixels_keep_their_colours(filmed):
    video, filled, depth, cameras = filmed
    metric = KnownPixelError(tolerance=0.02, frames=2)
    true = metric(*filmed)
    assert true.count == 2
    assert true.value < 0.03  # resampled noise; the frames' own contrast is some 0.15
    brighter = video.clone()
    brighter[1:] = brighter[1:] * 0.5 + 0.5
    assert metric(brighter, filled, depth, cameras).value > true.value + 0.1
    assert metric(brighter, ~filled, depth, cameras).count == 0


def test_nothing_is_registered_without_frames_or_time(filmed):
    video, filled, depth, cameras = filmed
    assert math.isnan(RegistrationShare(frames=8, seconds=60.0)(video[:1], filled[:1], depth[:1], cameras.at(0)).value)
    assert math.isnan(RegistrationShare(frames=8, seconds=1e-3)(*filmed).value)


@pytest.mark.slow
def test_colmap_registers_a_filmed_world_and_no_noise():
    pytest.importorskip("pycolmap")
    scene = world(240, 320, 6, 25.0)
    video, still = film(scene).float(), torch.zeros(6, 240, 320)
    metric = RegistrationShare(frames=6, seconds=300.0)
    assert metric(video, still.bool(), still, scene.camera).value == 1.0
    noise = torch.rand(video.shape, generator=torch.Generator().manual_seed(0))
    assert metric(noise, still.bool(), still, scene.camera).value == 0.0
