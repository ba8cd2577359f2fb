"""Lenses: hand-computed pixels, agreement with what was there, and there and back again."""

import math
from functools import partial

import pytest
import torch

from turnaround.geometry.lenses import fisheye_lens, half_sphere_lens, lens_pixels, lens_rays, perspective_lens
from turnaround.geometry.projection import equirectangular_rays, pixel_grid
from turnaround.types import (
    EquirectangularLens,
    FisheyeLens,
    InputError,
    MeshLens,
    PerspectiveLens,
    SampledEquirectangularLens,
)

close = partial(torch.testing.assert_close, rtol=0.0, atol=1e-9)  # float64 over a few hundred pixels


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def ray(yaw, tilt):
    """By the definition of `EquirectangularLens`, in degrees."""
    yaw, tilt = math.radians(yaw), math.radians(tilt)
    return vector(math.sin(yaw) * math.cos(tilt), math.sin(tilt), math.cos(yaw) * math.cos(tilt))


def part(kind):
    return kind(start_yaw=-60.0, end_yaw=40.0, start_tilt=-30.0, end_tilt=50.0, height=81, width=101)


def grid_mesh(rows=12, columns=16):
    """Of part of a half sphere of radius 2, as players have it, with y up in the picture: an equirectangular one."""
    lens = EquirectangularLens(start_yaw=-80.0, end_yaw=80.0, start_tilt=-70.0, end_tilt=70.0, height=48, width=64)
    y, x = torch.meshgrid(
        torch.linspace(0, 48, rows + 1, dtype=torch.float64),
        torch.linspace(0, 64, columns + 1, dtype=torch.float64),
        indexing="ij",
    )
    pixels = torch.stack([x, y], dim=-1).reshape(-1, 2)
    corner = (torch.arange(rows)[:, None] * (columns + 1) + torch.arange(columns)).reshape(-1)
    below = corner + columns + 1
    upper = torch.stack([corner, below, corner + 1], dim=-1)
    lower = torch.stack([corner + 1, below, below + 1], dim=-1)
    triangles = torch.cat([upper, lower])
    return lens, MeshLens(points=2 * lens_rays(lens, pixels), pixels=pixels, triangles=triangles, height=48, width=64)


LENSES = {
    "perspective": PerspectiveLens(
        intrinsics=torch.tensor([[70.0, 0, 31], [0, 60.0, 25], [0, 0, 1]], dtype=torch.float64), height=48, width=64
    ),
    "fisheye": fisheye_lens(64, 200.0),
    "equirectangular": part(EquirectangularLens),
    "sampled": part(SampledEquirectangularLens),
    "mesh": grid_mesh()[1],
}


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_there_and_back_again(lens):
    pixels = pixel_grid(lens.height, lens.width, like=vector(0))
    rays = lens_rays(lens, pixels)
    close(rays.norm(dim=-1), torch.ones(lens.height, lens.width, dtype=torch.float64))
    close(lens_pixels(lens, 3 * rays), pixels)


def test_focal_lengths_are_those_of_stereo4d():
    assert float(perspective_lens(512, 60.0).intrinsics[0, 0]) == pytest.approx(443.405, abs=5e-4)
    assert fisheye_lens(1024, 140.0).focal == pytest.approx(419.08, abs=5e-3)


def test_perspective_pixels_by_hand():
    lens = LENSES["perspective"]
    close(lens_pixels(lens, vector(1, -0.5, 2)), vector(31 + 35, 25 - 15))
    assert lens_pixels(lens, torch.stack([vector(0, 0, -1), vector(1, 0, 0)])).isnan().all()


def test_fisheye_pixels_by_hand():
    lens = FisheyeLens(focal=10.0, height=40, width=60)
    close(lens_pixels(lens, vector(0, 0, 5)), vector(30, 20))
    close(lens_pixels(lens, vector(0, 2, 0)), vector(30, 20 + 10 * math.pi / 2))
    close(lens_pixels(lens, vector(-1, 0, -1)), vector(30 - 10 * 3 * math.pi / 4, 20))
    close(lens_pixels(lens, vector(0, 0, -1)), vector(30 + 10 * math.pi, 20))
    assert lens_rays(lens, vector(30 + 10 * 3.2, 20)).isnan().all()


def test_a_half_sphere_is_the_camera_of_vr180():
    pixels = pixel_grid(6, 10, like=vector(0))
    rays = lens_rays(half_sphere_lens(6, 10), pixels)
    close(rays, equirectangular_rays(pixels, 6, 10))


def test_bounds_lie_on_the_border_or_on_the_outermost_centres():
    for kind, first, last in (
        (EquirectangularLens, vector(0, 0), vector(101, 81)),
        (SampledEquirectangularLens, vector(0.5, 0.5), vector(100.5, 80.5)),
    ):
        lens = part(kind)
        close(lens_pixels(lens, ray(-60, -30)), first)
        close(lens_pixels(lens, ray(40, 50)), last)
        close(lens_rays(lens, first), ray(-60, -30))
    outside = lens_pixels(part(EquirectangularLens), torch.stack([ray(-61, 0), ray(41, 0), ray(0, 51)]))
    close(outside, torch.stack([vector(-1.01, 30.375), vector(102.01, 30.375), vector(60.6, 82.0125)]))


def test_what_lies_behind_is_found_by_the_nearest_turn():
    lens = EquirectangularLens(start_yaw=100.0, end_yaw=260.0, start_tilt=-45.0, end_tilt=45.0, height=90, width=160)
    close(lens_pixels(lens, ray(-170, 0)), vector(90, 45))  # 190 degrees
    poles = half_sphere_lens(10, 10)
    assert lens_rays(poles, torch.stack([vector(5, -0.1), vector(5, 10.1)])).isnan().all()


def test_a_mesh_is_exact_at_its_vertices_and_flat_between():
    lens, mesh = grid_mesh()
    close(lens_rays(mesh, mesh.pixels), lens_rays(lens, mesh.pixels))
    corners = mesh.triangles[7]
    middle = mesh.points[corners].mean(0)
    close(lens_pixels(mesh, middle), mesh.pixels[corners].mean(0))
    close(lens_rays(mesh, mesh.pixels[corners].mean(0)), middle / middle.norm())
    assert lens_pixels(mesh, torch.stack([ray(81, 0), ray(0, -71), ray(180, 0)])).isnan().all()
    assert lens_rays(mesh, torch.stack([vector(-0.1, 3), vector(3, 48.1)])).isnan().all()


def test_a_fine_mesh_of_the_whole_sphere_is_the_lens_it_was_made_from():
    lens = EquirectangularLens(start_yaw=-180.0, end_yaw=180.0, start_tilt=-90.0, end_tilt=90.0, height=48, width=64)
    _, mesh = grid_mesh(48, 64)
    mesh = MeshLens(
        points=lens_rays(lens, mesh.pixels), pixels=mesh.pixels, triangles=mesh.triangles, height=48, width=64
    )
    pixels = pixel_grid(48, 64, like=vector(0))[1:-1]  # at the poles triangles have no area
    # flat triangles of 5.6 degrees: the middle of an edge lies as far off as a chord's from its arc, 0.0012 radians
    # across the view, and a third of that of a pixel's 0.098 along it
    close(lens_rays(mesh, pixels), lens_rays(lens, pixels), rtol=0.0, atol=3e-3)
    assert lens_pixels(mesh, lens_rays(lens, pixels)).isfinite().all()


def test_a_mesh_that_would_take_all_memory_is_refused():
    mesh = MeshLens(
        points=torch.eye(3, dtype=torch.float64),
        pixels=torch.tensor([[0.0, 0], [8, 0], [0, 8]], dtype=torch.float64),
        triangles=torch.tensor([[0, 1, 2]]).expand(5000, 3),  # of 64 x 64 cells each, above 2^24 in all
        height=8,
        width=8,
    )
    with pytest.raises(InputError, match="found 5000 which are too large"):
        lens_rays(mesh, vector(1, 1))


def test_no_pixels_and_single_precision():
    mesh = LENSES["mesh"]
    assert lens_rays(mesh, torch.zeros(0, 2)).shape == (0, 3)
    for lens in LENSES.values():
        assert lens_pixels(lens, torch.tensor([[0.1, 0.1, 1.0]])).dtype == torch.float32
        assert lens_rays(lens, torch.tensor([[20.0, 20.0]])).dtype == torch.float32
