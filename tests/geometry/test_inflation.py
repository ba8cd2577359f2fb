"""A disc that faces the camera gets the back of a ball."""

import math

import torch
from picture_cameras import HEIGHT, WIDTH, level, picture_camera

from turnaround.geometry.inflation import inflated_back, mirrored
from turnaround.geometry.projection import pixel_grid, project, unproject
from turnaround.render.elements import Edges
from turnaround.render.splat import forward_splat
from turnaround.types import View

RADIUS, METRES = 16.0, 2.0
EDGES = Edges(depth_ratio=0.2, stretch=3.0)


def disc():
    away = (pixel_grid(HEIGHT, WIDTH, like=torch.zeros(())) - torch.tensor([WIDTH / 2, HEIGHT / 2])).norm(dim=-1)
    image = torch.stack([torch.linspace(0, 1, WIDTH).expand(HEIGHT, WIDTH)] * 3)
    depth = torch.full((HEIGHT, WIDTH), METRES, dtype=torch.float64)
    return View(image=image, depth=depth, camera=level()), away <= RADIUS


def test_a_disc_becomes_as_thick_as_it_is_wide():
    front, mask = disc()
    back = inflated_back(front, mask, roundness=1.0)
    thickness = back.depth.flip(-1) - METRES
    wide = 2 * RADIUS * METRES / float(front.camera.intrinsics[0, 0, 0])
    assert torch.equal(thickness.isfinite(), mask)
    assert math.isclose(float(thickness[mask].max()), wide, rel_tol=0.05)  # whole pixels: the radius is 16 +- 0.7
    rim = thickness[HEIGHT // 2][mask[HEIGHT // 2]][0]
    assert 0 < float(rim) < 0.5 * wide  # one pixel inside a circle of 16 it is 0.35 of that
    half = inflated_back(front, mask, roundness=0.5).depth.flip(-1) - METRES
    torch.testing.assert_close(half[mask], thickness[mask] / 2)


def test_points_are_where_the_plain_camera_has_them():
    front, mask = disc()
    back = inflated_back(front, mask, roundness=1.0)
    points = unproject(back.depth[None], back.camera)[0]
    pixels, z = project(points[mask.flip(-1)][None], front.camera)
    torch.testing.assert_close(z[0], back.depth[mask.flip(-1)])
    torch.testing.assert_close(pixels[0], pixel_grid(HEIGHT, WIDTH, like=z).flip(1)[mask.flip(-1)])
    again = mirrored(mirrored(front.camera))
    assert torch.equal(again.intrinsics, front.camera.intrinsics)


def test_the_back_is_seen_from_behind_and_not_from_before():
    front, mask = disc()
    back = inflated_back(front, mask, roundness=1.0)
    back = View(image=back.image, depth=back.depth.float(), camera=back.camera)
    behind = picture_camera(yaw=180.0, eye=(0.0, 0.0, 2 * METRES + 0.5))
    assert forward_splat(back, front.camera, edges=EDGES).hole.all()
    seen = forward_splat(back, behind, edges=EDGES)
    assert not seen.hole[HEIGHT // 2 - 6 : HEIGHT // 2 + 6, WIDTH // 2 - 6 : WIDTH // 2 + 6].any()
    row = seen.image[0, HEIGHT // 2][~seen.hole[HEIGHT // 2]]
    assert (row.diff() < 0).all()  # what is on the left from before is on the right from behind
