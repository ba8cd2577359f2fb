import math

import pytest
import torch

from turnaround.geometry.projection import (
    camera_rays,
    equirectangular_rays,
    in_image,
    intrinsics,
    pinhole_rays,
    pixel_grid,
    project,
    project_equirectangular,
    unproject,
)
from turnaround.geometry.se3 import rigid, rotation_about
from turnaround.types import Equirectangular180, Pinhole

HEIGHT, WIDTH, FRAMES = 12, 20, 3


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def poses():
    return rigid(rotation_about(random(FRAMES, 3), random(FRAMES, seed=1)), random(FRAMES, 3, seed=2))


@pytest.fixture
def pinhole(poses):
    k = torch.stack([intrinsics(HEIGHT, WIDTH, horizontal_fov_deg=fov).double() for fov in (40.0, 60.0, 95.0)])
    k[:, :2, 2] += random(FRAMES, 2, seed=3)  # the principal point need not be in the middle
    k[:, 1, 1] *= 1.1
    return Pinhole(world_from_cam=poses, intrinsics=k, height=HEIGHT, width=WIDTH)


@pytest.fixture
def half_sphere(poses):
    return Equirectangular180(world_from_cam=poses, height=HEIGHT, width=WIDTH)


def test_pixel_centres_lie_at_one_half():
    grid = pixel_grid(2, 3, like=torch.zeros((), dtype=torch.float64))
    assert grid.dtype == torch.float64
    assert grid.tolist() == [[[0.5, 0.5], [1.5, 0.5], [2.5, 0.5]], [[0.5, 1.5], [1.5, 1.5], [2.5, 1.5]]]


@pytest.mark.parametrize("fov", [30.0, 60.0, 120.0])
def test_the_image_spans_the_field_of_view(fov):
    k = intrinsics(HEIGHT, WIDTH, horizontal_fov_deg=fov).double()
    edges = pinhole_rays(torch.tensor([[0.0, HEIGHT / 2], [WIDTH, HEIGHT / 2]]).double(), k)
    cosine = torch.nn.functional.cosine_similarity(edges[0], edges[1], dim=0)
    assert math.degrees(math.acos(cosine)) == pytest.approx(fov, abs=1e-4)  # K is made in float32
    assert k[0, 0] == k[1, 1]
    assert pinhole_rays(torch.tensor([WIDTH / 2, HEIGHT / 2]).double(), k).tolist() == [0, 0, 1]


def test_projection_undoes_unprojection(pinhole):
    depth = 0.2 + 9 * random(FRAMES, HEIGHT, WIDTH).abs()
    pixels, z = project(unproject(depth, pinhole).flatten(1, 2), pinhole)
    grid = pixel_grid(HEIGHT, WIDTH, like=depth).reshape(-1, 2)
    torch.testing.assert_close(pixels, grid.expand(FRAMES, -1, 2), rtol=0, atol=1e-9)  # float64, tens of pixels
    torch.testing.assert_close(z, depth.flatten(1, 2), rtol=1e-9, atol=0)


def test_depth_is_along_z(pinhole):
    flat = torch.full((FRAMES, HEIGHT, WIDTH), 3.0, dtype=torch.float64)
    forward, eye = pinhole.world_from_cam[:, :3, 2], pinhole.world_from_cam[:, :3, 3]
    along = torch.einsum("thwc,tc->thw", unproject(flat, pinhole) - eye[:, None, None], forward)
    torch.testing.assert_close(along, flat)


def test_projection_by_hand():
    k = torch.tensor([[[100.0, 0, 32], [0, 50, 24], [0, 0, 1]]])
    camera = Pinhole(world_from_cam=torch.eye(4)[None], intrinsics=k, height=48, width=64)
    pixels, z = project(torch.tensor([[[1.0, -2, 10], [0.5, 0.5, 5], [1, 1, -2]]]), camera)
    assert pixels[0, :2].tolist() == [[42, 14], [42, 29]]
    assert z[0].tolist() == [10, 5, -2]  # behind the camera: only z says so


def test_projection_at_the_eye_itself_stays_finite(pinhole):
    pixels, z = project(pinhole.world_from_cam[:, None, :3, 3], pinhole)
    assert pixels.isfinite().all()
    torch.testing.assert_close(z, torch.zeros_like(z))


def test_half_sphere_rays_have_length_one():
    rays = equirectangular_rays(pixel_grid(HEIGHT, WIDTH, like=torch.zeros(()).double()), HEIGHT, WIDTH)
    torch.testing.assert_close(rays.norm(dim=-1), torch.ones(HEIGHT, WIDTH).double())
    assert (rays[..., 2] > 0).all()


@pytest.mark.parametrize(
    ("pixel", "direction"),
    [
        ((WIDTH / 2, HEIGHT / 2), (0, 0, 1)),
        ((WIDTH, HEIGHT / 2), (1, 0, 0)),
        ((0, HEIGHT / 2), (-1, 0, 0)),
        ((WIDTH / 2, 0), (0, -1, 0)),  # up is -y
        ((WIDTH / 2, HEIGHT), (0, 1, 0)),
        ((WIDTH * 3 / 4, HEIGHT / 2), (math.sqrt(0.5), 0, math.sqrt(0.5))),
        ((WIDTH / 2, HEIGHT / 4), (0, -math.sqrt(0.5), math.sqrt(0.5))),
    ],
)
def test_half_sphere_directions(pixel, direction):
    ray = equirectangular_rays(torch.tensor(pixel, dtype=torch.float64), HEIGHT, WIDTH)
    assert ray.tolist() == pytest.approx(direction, abs=1e-12)


def test_half_sphere_projection_undoes_its_rays(half_sphere):
    grid = pixel_grid(HEIGHT, WIDTH, like=torch.zeros(()).double())
    distance = 0.2 + 9 * random(FRAMES, HEIGHT, WIDTH).abs()
    rays = torch.stack([camera_rays(half_sphere, frame, grid) for frame in range(FRAMES)])
    pose = half_sphere.world_from_cam
    points = torch.einsum("tij,thwj->thwi", pose[:, :3, :3], rays * distance[..., None]) + pose[:, None, None, :3, 3]
    pixels, found = project_equirectangular(points.flatten(1, 2), half_sphere)
    torch.testing.assert_close(pixels, grid.reshape(-1, 2).expand(FRAMES, -1, 2), rtol=0, atol=1e-9)
    torch.testing.assert_close(found, distance.flatten(1, 2), rtol=1e-9, atol=0)


def test_what_is_behind_a_half_sphere_lies_outside_its_image():
    camera = Equirectangular180(world_from_cam=torch.eye(4).double()[None], height=HEIGHT, width=WIDTH)
    points = random(1, 400, 3)
    pixels, distance = project_equirectangular(points, camera)
    assert torch.equal(in_image(pixels, HEIGHT, WIDTH), points[..., 2] > 0)
    torch.testing.assert_close(distance, points.norm(dim=-1))


def test_camera_rays_times_depth_is_the_point(pinhole):
    grid = pixel_grid(HEIGHT, WIDTH, like=torch.zeros(()).double())
    for frame in range(FRAMES):
        rays = camera_rays(pinhole, frame, grid)
        assert (rays[..., 2] == 1).all()
        torch.testing.assert_close(
            rays @ pinhole.intrinsics[frame].T, torch.cat([grid, torch.ones(HEIGHT, WIDTH, 1).double()], -1)
        )


def test_the_image_holds_its_first_border_and_not_its_last():
    pixels = torch.tensor([[0.0, 0.0], [19.999, 11.999], [20, 5], [5, 12], [-1e-6, 5], [5, -1e-6], [torch.nan, 5]])
    assert in_image(pixels, HEIGHT, WIDTH).tolist() == [True, True, False, False, False, False, False]
