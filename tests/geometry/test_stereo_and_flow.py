import pytest
import torch

from turnaround.geometry.flow import backward_warp, static_flow
from turnaround.geometry.projection import intrinsics, pixel_grid, project, unproject
from turnaround.geometry.se3 import rigid, rotation_about
from turnaround.geometry.stereo import depth_from_disparity, disparity_from_depth, right_camera
from turnaround.types import Equirectangular180, Pinhole

HEIGHT, WIDTH = 10, 16
K = intrinsics(HEIGHT, WIDTH, horizontal_fov_deg=60.0).double()


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def camera(poses):
    return Pinhole(world_from_cam=poses, intrinsics=K.expand(len(poses), 3, 3).clone(), height=HEIGHT, width=WIDTH)


@pytest.fixture
def depth():
    return 1 + 5 * random(3, HEIGHT, WIDTH).abs()


@pytest.fixture
def rig():
    return camera(rigid(rotation_about(random(3, 3), random(3, seed=1)), random(3, 3, seed=2)))


def test_right_eye_stands_along_the_left_eyes_x_axis(rig):
    right = right_camera(rig, 0.3)
    torch.testing.assert_close(
        right.world_from_cam[:, :3, 3], rig.world_from_cam[:, :3, 3] + 0.3 * rig.world_from_cam[:, :3, 0]
    )
    torch.testing.assert_close(right.world_from_cam[:, :3, :3], rig.world_from_cam[:, :3, :3])
    assert torch.equal(right.intrinsics, rig.intrinsics)


def test_right_eye_of_a_half_sphere_keeps_its_kind(rig):
    eye = Equirectangular180(world_from_cam=rig.world_from_cam, height=4, width=4)
    right = right_camera(eye, 0.065)
    assert isinstance(right, Equirectangular180)
    assert torch.equal(right.world_from_cam, right_camera(rig, 0.065).world_from_cam)


def test_points_stand_left_by_their_disparity_in_the_right_eye(rig, depth):
    points = unproject(depth, rig).flatten(1, 2)
    seen, z = project(points, right_camera(rig, 0.4))
    grid = pixel_grid(HEIGHT, WIDTH, like=depth)
    disparity = disparity_from_depth(depth, rig.intrinsics, 0.4)
    expected = torch.stack([grid[..., 0] - disparity, grid[..., 1].expand_as(disparity)], dim=-1)
    torch.testing.assert_close(seen, expected.flatten(1, 2), rtol=0, atol=1e-9)
    torch.testing.assert_close(z, depth.flatten(1, 2))
    assert (disparity > 0).all()


def test_disparity_and_depth_are_each_others_inverse(rig, depth):
    disparity = disparity_from_depth(depth, rig.intrinsics, 0.1)
    torch.testing.assert_close(depth_from_disparity(disparity, rig.intrinsics, 0.1), depth)
    zero = torch.zeros_like(depth)
    assert depth_from_disparity(zero, rig.intrinsics, 0.1).isposinf().all()
    assert (disparity_from_depth(zero + torch.inf, rig.intrinsics, 0.1) == 0).all()


def test_nothing_flows_past_a_camera_at_rest(rig, depth):
    still = camera(rig.world_from_cam[:1].expand(3, 4, 4))
    torch.testing.assert_close(static_flow(depth, still), torch.zeros(2, 2, HEIGHT, WIDTH).double(), rtol=0, atol=1e-10)


def test_flow_of_a_sideways_step_is_minus_the_disparity(depth):
    poses = torch.eye(4).double().repeat(3, 1, 1)
    poses[:, 0, 3] = torch.tensor([0.0, 0.2, 0.5])
    flow = static_flow(depth, camera(poses))
    steps = torch.tensor([0.2, 0.3]).double()[:, None, None]
    torch.testing.assert_close(flow[:, 0], -K[0, 0] * steps / depth[:2])
    torch.testing.assert_close(flow[:, 1], torch.zeros(2, HEIGHT, WIDTH).double(), rtol=0, atol=1e-10)


def test_flow_of_a_turn_does_not_know_depth(depth):
    turn = rotation_about(torch.tensor([[0.3, 1.0, -0.2]] * 3).double(), torch.tensor([0.0, 0.05, 0.02]).double())
    cameras = camera(rigid(turn, torch.zeros(3, 3).double()))
    torch.testing.assert_close(static_flow(depth, cameras), static_flow(depth * 7 + 1, cameras))
    homography = K @ turn[1].T @ turn[0] @ torch.linalg.inv(K)
    grid = pixel_grid(HEIGHT, WIDTH, like=depth)
    ahead = torch.cat([grid, torch.ones(HEIGHT, WIDTH, 1).double()], dim=-1) @ homography.T
    expected = ahead[..., :2] / ahead[..., 2:] - grid
    torch.testing.assert_close(static_flow(depth, cameras)[0], expected.movedim(-1, 0))


def test_warping_by_nothing_changes_nothing():
    image = random(2, 3, HEIGHT, WIDTH)
    torch.testing.assert_close(backward_warp(image, torch.zeros(2, 2, HEIGHT, WIDTH).double()), image)


def test_warping_by_whole_pixels_looks_them_up_and_repeats_the_border():
    image = random(1, 3, HEIGHT, WIDTH)
    flow = torch.tensor([2.0, -3.0]).double()[None, :, None, None].expand(1, 2, HEIGHT, WIDTH)
    rows = (torch.arange(HEIGHT) - 3).clamp(0)
    columns = (torch.arange(WIDTH) + 2).clamp(max=WIDTH - 1)
    torch.testing.assert_close(backward_warp(image, flow), image[:, :, rows][..., columns])


def test_warping_is_bilinear():
    grid = pixel_grid(HEIGHT, WIDTH, like=torch.zeros(()).double())
    ramp = (3 * grid[..., 0] - 2 * grid[..., 1])[None, None]
    flow = (random(1, 2, HEIGHT, WIDTH) * 0.4).clamp(-0.5, 0.5)
    warped = backward_warp(ramp, flow)
    expected = ramp + 3 * flow[:, :1] - 2 * flow[:, 1:]
    torch.testing.assert_close(warped[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])
