"""Tracks ride on their bodies, continue the flow, and are lost from view where they should be."""

import torch
from hand_made_worlds import body, looking_at, wall
from observed_worlds import FRAMES, HEIGHT, WIDTH, carry, landings, points_of, vector

from turnaround.geometry.projection import pixel_grid, project
from turnaround.render.shapes import Shape
from turnaround.scenes.observe import track


def some_pixels(count=60):
    return torch.rand(count, 2, generator=torch.Generator().manual_seed(0)).double() * vector(WIDTH, HEIGHT)


def test_tracks_of_a_still_world_stand_still_and_project_to_their_pixels(still):
    for scene, _ in still.values():
        tracks = track(scene, some_pixels(), frame=1)
        assert (tracks.world == tracks.world[0]).all()
        pixels, z = project(tracks.world.double(), scene.camera)
        near = z > 0.1
        torch.testing.assert_close(tracks.pixels[near].double(), pixels[near], rtol=1e-4, atol=1e-3)  # world: float32
        torch.testing.assert_close(tracks.pixels[1].double(), some_pixels(), rtol=0, atol=1e-4)


def test_tracks_are_visible_where_they_start(all_worlds):
    for scene, _ in all_worlds:
        assert track(scene, some_pixels(), frame=1).visible[1].all()


def test_tracks_continue_the_flow(moving):
    grid = pixel_grid(HEIGHT, WIDTH, like=torch.zeros((), dtype=torch.float64)).reshape(-1, 2)
    for scene, observation in moving.values():
        for frame in range(FRAMES - 1):
            _, target, pixels, visible = landings(scene, observation, "forward", frame)
            tracks = track(scene, grid, frame=frame)
            torch.testing.assert_close(tracks.pixels[target].double(), pixels, rtol=1e-5, atol=1e-5)
            assert torch.equal(tracks.visible[target], visible)


def test_tracks_ride_on_their_bodies(moving):
    grid = pixel_grid(HEIGHT, WIDTH, like=torch.zeros((), dtype=torch.float64)).reshape(-1, 2)
    for scene, observation in moving.values():
        ids, points = observation.ids[0].flatten(), points_of(observation, scene)[0]
        tracks = track(scene, grid, frame=0)
        for frame in range(FRAMES):
            expected = carry(scene, points, ids, 0, frame)
            torch.testing.assert_close(tracks.world[frame].double(), expected, rtol=1e-5, atol=1e-5)


def test_tracks_are_lost_outside_the_image_and_behind_the_camera():
    """A camera that steps aside and then far ahead loses a point of the wall first to the side, then behind it."""
    poses = torch.eye(4).double().repeat(4, 1, 1)
    poses[1, 0, 3], poses[2, 2, 3], poses[3, 0, 3] = 9, 5, 0.1
    scene = looking_at(wall(distance=4), poses=poses)
    tracks = track(scene, vector(16, 12)[None], frame=0)
    assert tracks.visible[:, 0].tolist() == [True, False, False, True]
    assert tracks.pixels[1, 0, 0] < 0


def test_a_passing_body_hides_a_point_and_uncovers_it_again():
    bodies = [*wall(distance=4), body(Shape.BOX, (0.2, 0.2, 0.2), (-1, 0, 2), velocity=(1, 0, 0))]
    scene = looking_at(bodies, poses=torch.eye(4).double().repeat(3, 1, 1))
    tracks = track(scene, vector(16, 12)[None], frame=0)
    assert tracks.visible[:, 0].tolist() == [True, False, True]
    assert (tracks.pixels[:, 0] == tracks.pixels[0, 0]).all()
