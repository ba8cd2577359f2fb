"""Truth of rectified crops: rows agree, disparity is that of depth, tracks ride on what they were started on."""

from dataclasses import replace

import pytest
import stereo_beds
import torch

from turnaround.geometry.projection import intrinsics, pixel_grid, project
from turnaround.scenes.observe import bodies_at, surface
from turnaround.scenes.stereo_truth import CropTruth
from turnaround.types import PerspectiveLens

SIZE, FRAME = 40, 3
LENS = PerspectiveLens(intrinsics=intrinsics(SIZE, SIZE, horizontal_fov_deg=60.0).double(), height=SIZE, width=SIZE)


def rectifying(left_from_right):
    """Both eyes' x axis along the line between them; z as near as may be to the left eye's."""
    x = torch.nn.functional.normalize(left_from_right[:3, 3], dim=0)
    z = torch.tensor([0.0, 0.0, 1.0]).double()
    z = torch.nn.functional.normalize(z - (z @ x) * x, dim=0)
    left = torch.stack([x, torch.linalg.cross(z, x), z], dim=-1)
    return torch.stack([left, left_from_right[:3, :3].T @ left])


def truth(seed, *, rectified=rectifying):
    video = stereo_beds.sampler(frames=(6, 6))(seed)
    shot = video.scene(0)
    turned = rectified(video.rig.left_from_right)
    return CropTruth(shot=shot, rig=video.rig, eye_from_rectified=turned, lens=LENS)


def as_filmed(left_from_right):
    return torch.eye(3).double().repeat(2, 1, 1)


def grid():
    return pixel_grid(SIZE, SIZE, like=torch.zeros((), dtype=torch.float64)).reshape(-1, 2)


@pytest.fixture(scope="module")
def crops():
    return [truth(seed) for seed in range(3)]


def test_rows_agree_and_disparity_is_that_of_depth(crops):
    for crop in crops:
        disparity, seen = crop.disparity(FRAME)
        expected = LENS.intrinsics[0, 0] * 0.063 / crop.depth(FRAME).double()
        torch.testing.assert_close(disparity[0].double(), expected, rtol=0, atol=1e-4)  # float32 of up to 40 pixels
        assert disparity[1].abs().max() < 1e-5
        assert disparity[0].min() > 0
        assert seen.double().mean() > 0.7


def test_a_wrong_rectification_shows_in_the_rows():
    """Without rectification, rows differ as the true rig says: where the right eye sees the points of the left."""
    crop = truth(0, rectified=as_filmed)
    disparity, _ = crop.disparity(FRAME)
    assert disparity[1].abs().max() > 0.1  # up to 1.5 degrees of 60 degrees in 40 pixels is 1 pixel
    points = crop.tracks(grid(), frame=FRAME).world[FRAME].double()
    camera = crop.rig.right_eye(crop.shot).camera.world_from_cam[FRAME]
    local = (points - camera[:3, 3]) @ camera[:3, :3]
    y = local[:, 1] / local[:, 2] * LENS.intrinsics[1, 1] + SIZE / 2
    torch.testing.assert_close(disparity[1].flatten().double(), grid()[:, 1] - y, rtol=0, atol=1e-4)


def test_the_crop_stands_where_the_eye_stands_and_sees_the_same_surfaces(crops):
    for crop in crops:
        left = crop.left.camera
        torch.testing.assert_close(left.world_from_cam[:, :3, 3], crop.shot.camera.world_from_cam[:, :3, 3])
        baseline = crop.right.camera.world_from_cam[FRAME, :3, 3] - left.world_from_cam[FRAME, :3, 3]
        along = baseline @ left.world_from_cam[FRAME, :3, :3]
        torch.testing.assert_close(along, torch.tensor([0.063, 0, 0], dtype=torch.float64), rtol=0, atol=1e-12)
        assert bodies_at(crop.left, grid(), frame=FRAME).reshape(SIZE, SIZE).equal(surface(crop.left, FRAME).ids)


def test_tracks_of_still_things_stand_still_and_moving_ones_are_told(crops):
    moved = 0
    for crop in crops:
        tracks, moving = crop.tracks(grid(), frame=FRAME), crop.moving(grid(), frame=FRAME)
        assert tracks.world.shape == (6, SIZE * SIZE, 3)
        assert tracks.visible[FRAME].all()
        travel = (tracks.world - tracks.world[0]).norm(dim=-1).amax(0)
        assert (travel[~moving] == 0).all()
        assert (travel[moving] > 0).all()  # no pixel's centre meets the axis about which a body turns
        moved += int(moving.sum())
        pixels, _ = project(tracks.world[5:].double(), crop.left.camera.at(5))
        seen = tracks.visible[5]
        torch.testing.assert_close(tracks.pixels[5, seen].double(), pixels[0, seen], rtol=0, atol=1e-3)
    assert moved > 20


def test_disparity_is_of_one_moment_although_bodies_move(crops):
    """The right eye's film half a second later would say something else."""
    crop = crops[0]
    later = replace(crop.shot, world=replace(crop.shot.world, seconds_per_frame=0.5))
    now, _ = crop.disparity(0)
    same, _ = replace(crop, shot=later).disparity(0)
    assert torch.equal(now, same), "frame 0 is at time 0 whatever the clock"
    disparity, _ = replace(crop, shot=later).disparity(1)
    assert disparity[1].abs().max() < 1e-5
