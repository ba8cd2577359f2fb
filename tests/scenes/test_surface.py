"""Depth, normals and ids: surfaces are where the bodies are, and the nearest is seen."""

import torch
from hand_made_worlds import body, looking_at, wall
from observed_worlds import FRAMES, HEIGHT, WIDTH, points_of, turn

from turnaround.geometry.projection import pixel_grid, project
from turnaround.render.shapes import Shape
from turnaround.scenes.observe import surface


def on_surface(body, points):
    """How far points [n, 3] of the body's own frame are from its surface, in rough metres; 0 is on it."""
    x, y, z = points.T
    u, v, w = (points / body.size).T
    match body.shape:
        case Shape.GROUND:
            return y
        case Shape.BOX | Shape.ROOM:
            return (torch.stack([u, v, w]).abs().amax(dim=0) - 1) * body.size.min()
        case Shape.ELLIPSOID | Shape.DOME:
            return ((u * u + v * v + w * w).sqrt() - 1) * body.size.min()
        case Shape.CYLINDER:
            return (torch.maximum((u * u + w * w).sqrt(), v.abs()) - 1) * body.size.min()
        case Shape.CONE:
            return torch.maximum((u * u + w * w).sqrt() - (1 + v) / 2, v - 1) * body.size.min()
        case Shape.CAPSULE:
            beyond = y - y.clamp(-body.size[1], body.size[1])
            return (x * x + beyond * beyond + z * z).sqrt() - body.size[0]


def test_unprojected_depth_lies_on_the_bodies_named_by_the_ids(all_worlds):
    for scene, observation in all_worlds:
        points = points_of(observation, scene)
        for frame in range(FRAMES):
            ids, time = observation.ids[frame].flatten(), frame * scene.world.seconds_per_frame
            for number in ids.unique().tolist():
                body = scene.world.bodies[number]
                centre = body.motion.position + time * body.motion.velocity
                local = (points[frame, ids == number] - centre) @ turn(body, time)
                # depth is rounded to float32: 1e-6 of 20 metres, and more along grazing rays
                assert on_surface(body, local).abs().max() < 5e-5, (scene.name, body.shape)


def test_normals_are_unit_and_face_the_camera(all_worlds):
    for scene, observation in all_worlds:
        eye = scene.camera.world_from_cam[:, None, :3, 3]
        towards = eye - points_of(observation, scene)
        normals = observation.normals.double().flatten(2).mT
        torch.testing.assert_close(normals.norm(dim=-1), torch.ones(FRAMES, HEIGHT * WIDTH).double())
        assert ((normals * towards).sum(dim=-1) > 0).all()


def test_projection_undoes_unprojection_of_the_depth(all_worlds):
    grid = pixel_grid(HEIGHT, WIDTH, like=torch.zeros((), dtype=torch.float64)).reshape(1, -1, 2)
    for scene, observation in all_worlds:
        pixels, z = project(points_of(observation, scene), scene.camera)
        torch.testing.assert_close(pixels, grid.expand(FRAMES, -1, 2), rtol=0, atol=1e-9)
        torch.testing.assert_close(z, observation.depth.double().flatten(1))


def test_a_wall_is_as_far_as_it_is():
    seen = surface(looking_at(wall(distance=4)), 0)
    assert (seen.depth == 4).all()  # along z, not along the ray
    assert (seen.normals == torch.tensor([0.0, 0, -1])[:, None, None]).all()
    assert (seen.ids == 0).all()


def test_of_two_bodies_the_nearer_is_seen():
    bodies = [
        *wall(distance=4),
        body(Shape.BOX, (0.5, 0.5, 0.5), (0, 0, 2.5)),
        body(Shape.BOX, (1, 1, 0.1), (0, 0, 3.5)),
    ]
    seen = surface(looking_at(bodies), 0)
    assert seen.ids[HEIGHT // 2, WIDTH // 2] == 1
    assert seen.depth[HEIGHT // 2, WIDTH // 2] == 2
    assert seen.ids[HEIGHT // 2, WIDTH // 2 + 8] == 2  # the near front ends 8 pixels from the middle, the far one 9.4
    assert seen.ids[HEIGHT // 2, WIDTH // 2 + 9] == 0
    assert seen.ids[0, 0] == 0
