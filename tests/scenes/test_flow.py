"""Flow and its visibility say what depth, cameras, bodies and tracks say."""

import pytest
import torch
from hand_made_worlds import looking_at, wall
from observed_worlds import FRAMES, HEIGHT, WIDTH, all_landings, carry, interior, landings, lookup, points_of

from turnaround.geometry.flow import static_flow
from turnaround.geometry.projection import in_image, pixel_grid, project
from turnaround.scenes.observe import observe, track


def test_flow_of_a_still_world_is_that_of_its_depth_and_cameras(still):
    for scene, observation in still.values():
        expected = static_flow(observation.depth.double(), scene.camera)
        # depth in float32 moves a point by 1e-7 of its parallax, the flow itself is float32: far below 1e-4 pixels
        torch.testing.assert_close(observation.forward.pixels.double(), expected, rtol=1e-6, atol=1e-4)


def test_flow_carries_points_with_their_bodies(all_worlds):
    moved_most = 0.0
    for scene, observation, source, target, pixels, _ in all_landings(all_worlds):
        points = points_of(observation, scene)[source]
        there = carry(scene, points, observation.ids[source].flatten(), source, target)
        expected, z = project(there[None], scene.camera.at(target))
        front = z[0] > 0.1  # nearer or behind, a pixel means little
        torch.testing.assert_close(pixels[front], expected[0, front], rtol=1e-6, atol=1e-4)
        moved_most = max(moved_most, float((there - points).norm(dim=1).max()))
    assert moved_most > 0.2  # the moving worlds do move: metres in half a second


@pytest.fixture(scope="module")
def met(all_worlds):
    """All landings, each with the tracks of what a ray through the landing position meets."""
    landed = list(all_landings(all_worlds))
    return [(*landing, track(landing[0], landing[4], frame=landing[3])) for landing in landed]


def test_flow_there_and_back_returns(met):
    """Exactly: the point seen at the landing position, carried back, is at the pixel it came from."""
    errors = []
    for _, _, source, _, pixels, visible, tracks in met:
        grid = pixel_grid(HEIGHT, WIDTH, like=pixels).reshape(-1, 2)
        errors.append((tracks.pixels[source].double() - grid)[visible].norm(dim=-1))
    error = torch.cat(errors)
    assert error.quantile(0.99) < 1e-3  # the landing is rounded to float32: 1e-6 pixels, stretched by grazing views
    # `sees` forgives what hides a point by less than a thousandth of the way, and a rounding can cross a silhouette
    assert (error > 0.01).float().mean() < 0.003


def test_visible_is_what_a_ray_through_the_landing_position_meets(met):
    for scene, observation, source, target, pixels, visible, tracks in met:
        camera = scene.camera.at(target)
        points = carry(scene, points_of(observation, scene)[source], observation.ids[source].flatten(), source, target)
        z = project(points[None], camera)[1][0]
        inside = in_image(pixels, HEIGHT, WIDTH) & (z > 0)
        nearest = project(tracks.world[target, None].double(), camera)[1][0]
        assert visible[inside & (z < nearest * (1 + 1e-6))].all(), scene.name
        assert not visible[inside & (z > nearest * (1 + 2e-3))].any(), scene.name
        assert not visible[~inside].any()


def test_forward_flow_and_sampled_backward_flow_cancel(all_worlds):
    """As a network would use it: the backward flow is sampled bilinearly, which is exact to a fraction of a pixel."""
    for scene, observation in all_worlds:
        for frame in range(FRAMES - 1):
            _, target, pixels, visible = landings(scene, observation, "forward", frame)
            smooth, _ = interior(observation.ids[target], pixels)
            kept = visible & smooth
            back = lookup(observation.backward.pixels[frame], pixels[kept])
            error = (observation.forward.pixels[frame].flatten(1).T[kept] + back).norm(dim=-1)
            assert kept.float().mean() > 0.3
            assert error.median() < 0.01
            assert error.quantile(0.98) < 0.25, scene.name


def test_what_is_called_visible_agrees_with_the_depth_of_the_other_frame(all_worlds):
    """From the outputs alone: as near as the surface seen there is visible, clearly behind it is not.

    Inverse depth is sampled: it is linear across a plane. A pole can pass between pixel centres, hence the shares.
    """
    near, far = [], []
    for scene, observation, source, target, pixels, visible in all_landings(all_worlds):
        points = carry(scene, points_of(observation, scene)[source], observation.ids[source].flatten(), source, target)
        z = project(points[None], scene.camera.at(target))[1][0]
        smooth, _ = interior(observation.ids[target], pixels)
        smooth &= z > 0
        behind = z * lookup(1 / observation.depth[target][None], pixels)[:, 0]  # 1 on the surface, more behind it
        near.append(visible[smooth & (behind < 1.0005)])
        far.append(visible[smooth & (behind > 1.1)])
    near, far = torch.cat(near), torch.cat(far)
    assert len(near) > 4000
    assert len(far) > 100
    assert near.float().mean() > 0.998
    assert far.float().mean() < 0.01


def test_nothing_outside_the_image_or_behind_the_camera_is_visible(all_worlds):
    outside = 0
    for scene, observation, source, target, pixels, visible in all_landings(all_worlds):
        points = carry(scene, points_of(observation, scene)[source], observation.ids[source].flatten(), source, target)
        z = project(points[None], scene.camera.at(target))[1][0]
        gone = ~in_image(pixels, HEIGHT, WIDTH) | (z <= 0)
        assert not visible[gone].any()
        outside += int(gone.sum())
    assert outside > 100


def test_visible_pixels_land_on_the_body_they_left(all_worlds):
    """Of bodies that are no poles or boards: these can pass between pixel centres."""
    same = []
    for scene, observation, source, target, pixels, visible in all_landings(all_worlds):
        stout = torch.tensor([body.shape.is_shell or float(body.size.min()) > 0.1 for body in scene.world.bodies])
        ids = observation.ids[source].flatten()
        inner, there = interior(observation.ids[target], pixels)
        kept = visible & inner & stout[ids]
        same.append(ids[kept] == there[kept])
    assert len(torch.cat(same)) > 4000
    assert torch.cat(same).float().mean() > 0.999  # a corner can, too


def test_one_frame_has_no_flow():
    seen = observe(looking_at(wall(distance=4)), samples=1)
    assert seen.forward.pixels.shape == (0, 2, HEIGHT, WIDTH)
    assert seen.backward.visible.shape == (0, HEIGHT, WIDTH)
