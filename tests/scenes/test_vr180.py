"""Half-sphere views of the same worlds: what a pinhole sees, they see in the same place, in both eyes."""

import dataclasses

import pytest
import torch

from turnaround.geometry.projection import camera_rays, pixel_grid, project, project_equirectangular
from turnaround.scenes.observe import color, film, film_vr180, flow, observe, surface, track
from turnaround.scenes.sample import WorldSampler
from turnaround.types import Equirectangular180

SIZE, FRAMES, BASELINE = 24, 2, 0.065


@pytest.fixture(scope="module")
def worlds():
    sampler = WorldSampler(height=16, width=24, frames=FRAMES, moving=0.5, paths={"handheld": 1.0})
    return [sampler(seed) for seed in (1, 2, 8)]


def centres(count=None):
    grid = pixel_grid(SIZE, SIZE, like=torch.zeros((), dtype=torch.float64)).reshape(-1, 2)
    return grid if count is None else grid[:: len(grid) // count]


def points_of(scene, frame, distance):
    """World points at distances along the rays through the pixel centres."""
    pose = scene.camera.world_from_cam[frame]
    rays = camera_rays(scene.camera, frame, centres())
    return (rays * distance.double().flatten()[:, None]) @ pose[:3, :3].T + pose[:3, 3]


def test_the_half_sphere_camera_stands_where_the_pinhole_stood(worlds):
    for scene in worlds:
        camera = scene.vr180(SIZE).camera
        assert isinstance(camera, Equirectangular180)
        assert (camera.height, camera.width) == (SIZE, SIZE)
        assert torch.equal(camera.world_from_cam, scene.camera.world_from_cam)


def test_a_pinhole_sees_the_points_of_the_half_sphere(worlds):
    """Distances along rays, turned into points and projected into the pinhole, are its surface points there."""
    for scene in worlds:
        half = scene.vr180(SIZE)
        for frame in range(FRAMES):
            points = points_of(half, frame, surface(half, frame).depth)
            pixels, z = project(points[None], scene.camera.at(frame))
            inside = (z[0] > 0) & (pixels[0] >= 0).all(dim=1) & (pixels[0] < torch.tensor([24.0, 16.0])).all(dim=1)
            assert inside.sum() > 30
            seen = track(scene, pixels[0, inside], frame=frame).world[frame].double()
            error = (seen - points[inside]).norm(dim=1)
            assert error.quantile(0.99) < 1e-4  # float32 metres; a silhouette may fall either way


def test_depth_is_the_distance_and_normals_face_the_eye(worlds):
    for scene in worlds:
        half = scene.vr180(SIZE)
        seen = surface(half, 1)
        points, eye = points_of(half, 1, seen.depth), half.camera.world_from_cam[1, :3, 3]
        assert seen.depth.isfinite().all()
        torch.testing.assert_close((points - eye).norm(dim=1), seen.depth.double().flatten())
        assert (((eye - points) * seen.normals.double().flatten(1).T).sum(dim=1) > 0).all()


def test_flow_is_the_difference_of_projections_and_agrees_with_tracks(worlds):
    for scene in worlds:
        half = scene.vr180(SIZE)
        moved, tracks = flow(half, 0, 1), track(half, centres(), frame=0)
        landing = centres() + moved.pixels[0].double().flatten(1).T
        torch.testing.assert_close(tracks.pixels[1].double(), landing, rtol=1e-5, atol=1e-5)
        assert torch.equal(tracks.visible[1], moved.visible.flatten())
        expected, distance = project_equirectangular(tracks.world[1, None].double(), half.camera.at(1))
        away = distance[0] > 0.3
        torch.testing.assert_close(landing[away], expected[0, away], rtol=0, atol=1e-3)  # tracks are float32
        assert moved.visible.float().mean() > 0.5


def test_what_passes_behind_a_half_sphere_is_not_visible(worlds):
    for scene in worlds:
        half = scene.vr180(SIZE)
        turned = half.camera.world_from_cam.clone()
        turned[1, :3, [0, 2]] *= -1  # about face
        back = dataclasses.replace(half, camera=dataclasses.replace(half.camera, world_from_cam=turned))
        eyes = half.camera.world_from_cam[:, :3, 3]
        points = points_of(half, 0, surface(half, 0).depth)
        before = (points - eyes[1]) @ half.camera.world_from_cam[1, :3, 2] > 1e-6
        ids = surface(half, 0).ids.flatten()
        still = torch.tensor([body.motion.is_still for body in scene.world.bodies])[ids]
        assert not flow(back, 0, 1).visible.flatten()[before & still].any()
        assert (before & still).sum() > 100


def test_the_right_eye_sees_what_its_own_projection_says(worlds):
    for scene in worlds:
        left = scene.vr180(SIZE)
        right = left.right_eye(BASELINE)
        pose = left.camera.world_from_cam[0]
        torch.testing.assert_close(
            right.camera.world_from_cam[0, :3, 3] - pose[:3, 3], BASELINE * pose[:3, 0], rtol=0, atol=1e-12
        )
        points = points_of(left, 0, surface(left, 0).depth)
        pixels, distance = project_equirectangular(points[None], right.camera.at(0))
        inside = (pixels[0] >= 0).all(dim=1) & (pixels[0] < SIZE).all(dim=1)
        met = track(right, pixels[0, inside], frame=0).world[0].double()
        gap = (met - right.camera.world_from_cam[0, :3, 3]).norm(dim=1) - distance[0, inside]
        assert gap.max() < 0.05 * distance.max()  # nothing is seen through what the left eye saw
        assert (gap.abs() < 1e-4).float().mean() > 0.9  # and nearly all of it is seen by both


def test_near_things_stand_further_left_in_the_right_eye(worlds):
    """Straight ahead the disparity is that of an angle: baseline / distance, in pixels of pi / width."""
    for scene in worlds:
        left = scene.vr180(SIZE)
        poses = torch.cat([left.camera.world_from_cam[:1], left.right_eye(BASELINE).camera.world_from_cam[:1]])
        eyes = dataclasses.replace(left, camera=dataclasses.replace(left.camera, world_from_cam=poses))
        still = dataclasses.replace(eyes.world, seconds_per_frame=0.0)
        moved = flow(dataclasses.replace(eyes, world=still), 0, 1)
        row = slice(SIZE // 2 - 1, SIZE // 2 + 1)
        distance = surface(left, 0).depth[row, row]
        expected = -BASELINE / distance / torch.pi * SIZE
        # at 1.5 pixels from the axis cosine and higher orders of baseline / distance change it by a few percent
        torch.testing.assert_close(moved.pixels[0, 0, row, row], expected, rtol=0.06, atol=0)
        assert (moved.pixels[0, 0][2:-2, 2:-2] < 0).all()


def test_the_side_by_side_film_is_the_left_eye_beside_the_right(worlds):
    scene = worlds[0]
    film180 = film_vr180(scene, baseline=BASELINE, size=SIZE)
    assert film180.shape == (FRAMES, 3, SIZE, 2 * SIZE)
    left = scene.vr180(SIZE)
    assert torch.equal(film180[..., :SIZE], film(left))
    assert torch.equal(film180[1, ..., SIZE:], color(left.right_eye(BASELINE), 1))
    assert not torch.equal(film180[..., :SIZE], film180[..., SIZE:])
    assert torch.equal(film_vr180(scene, baseline=0.0, size=SIZE)[..., SIZE:], film180[..., :SIZE])


def test_everything_is_observed_through_a_half_sphere(worlds):
    half = worlds[1].vr180(SIZE)
    seen = observe(half, samples=1)
    assert torch.equal(seen.depth[1], surface(half, 1).depth)
    assert torch.equal(seen.video, film(half, samples=1))
    assert seen.forward.pixels.shape == (FRAMES - 1, 2, SIZE, SIZE)
