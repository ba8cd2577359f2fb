"""The right eye sees what disparity says."""

import dataclasses

import torch
from observed_worlds import HEIGHT, WIDTH, interior

from turnaround.geometry.projection import pixel_grid
from turnaround.geometry.stereo import depth_from_disparity, disparity_from_depth, right_camera
from turnaround.scenes.observe import flow, surface

BASELINE = 0.2


def rig(scene):
    """A still two-frame scene whose first frame is the left eye and whose second is the right."""
    left = scene.camera.at(0)
    right = right_camera(left, BASELINE)
    both = dataclasses.replace(
        left,
        world_from_cam=torch.cat([left.world_from_cam, right.world_from_cam]),
        intrinsics=left.intrinsics.expand(2, 3, 3),
    )
    return dataclasses.replace(scene, camera=both)


def test_the_right_eye_sees_points_left_by_their_disparity(still):
    for scene, observation in still.values():
        eyes = rig(scene)
        disparity = disparity_from_depth(observation.depth[:1], scene.camera.intrinsics[:1].float(), BASELINE)
        moved = flow(eyes, 0, 1)
        torch.testing.assert_close(moved.pixels[0, 0], -disparity[0], rtol=1e-5, atol=1e-5)
        assert moved.pixels[0, 1].abs().max() < 1e-5

        x = pixel_grid(HEIGHT, WIDTH, like=disparity)[..., 0] - disparity[0]
        pixels = torch.stack([x, pixel_grid(HEIGHT, WIDTH, like=disparity)[..., 1]], dim=-1).reshape(-1, 2)
        right = surface(eyes, 1)
        inner, ids = interior(right.ids, pixels)
        kept = inner & moved.visible.flatten()
        assert kept.float().mean() > 0.3
        # a pole can pass between pixel centres
        assert (ids[kept] == observation.ids[0].flatten()[kept]).float().mean() > 0.99


def test_disparity_of_the_truth_gives_the_truth_back(still):
    for scene, observation in still.values():
        k = scene.camera.intrinsics.float()
        disparity = disparity_from_depth(observation.depth, k, BASELINE)
        torch.testing.assert_close(depth_from_disparity(disparity, k, BASELINE), observation.depth)


def test_the_right_eye_is_seen_from_the_left_with_the_opposite_disparity(still):
    for scene, _ in still.values():
        eyes = rig(scene)
        back, right = flow(eyes, 1, 0), surface(eyes, 1)
        disparity = disparity_from_depth(right.depth[None], scene.camera.intrinsics[:1].float(), BASELINE)
        torch.testing.assert_close(back.pixels[0, 0], disparity[0], rtol=1e-5, atol=1e-5)
