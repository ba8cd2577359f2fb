"""What the stages of mining give each other."""

import pytest
import torch

from turnaround.geometry.lenses import half_sphere_lens, perspective_lens
from turnaround.pipelines.mine.clip_files import HALF_SPHERE, bounds
from turnaround.pipelines.mine.clip_stages import (
    Matched,
    as_video,
    longest_run,
    packed_crops,
    packed_poses,
    unpacked_poses,
)
from turnaround.pipelines.mine.miner import Looking
from turnaround.pipelines.mine.points import Points
from turnaround.pipelines.mine.poses import stated_poses
from turnaround.types import EquirectangularLens, FisheyeLens, RigPoses

LOOKING = Looking(preview=96, preview_fov_deg=90.0, fisheye=128, fisheye_fov_deg=140.0)


@pytest.mark.parametrize(
    ("found", "run"),
    [
        ([1, 1, 1], range(3)),
        ([0, 1, 1, 0, 1], range(1, 3)),
        ([1, 0, 1, 1], range(2, 4)),
        ([1, 1, 0, 1, 1], range(2)),
        ([0, 0], range(0)),
    ],
)
def test_the_longest_run_of_found_frames(found, run):
    assert longest_run(torch.tensor(found, dtype=torch.bool)) == run


def test_poses_and_crops_come_back_as_they_were():
    poses = torch.eye(4, dtype=torch.float64).repeat(3, 1, 1)
    poses[1] = torch.nan
    rig = RigPoses(
        world_from_left=poses,
        left_from_right=torch.eye(4, dtype=torch.float64),
        points=torch.rand(5, 3, dtype=torch.float64),
        residual=0.25,
        observations=77,
    )
    back = unpacked_poses(packed_poses(rig))
    torch.testing.assert_close(back.world_from_left, poses, equal_nan=True)
    assert torch.equal(back.points, rig.points)
    assert (back.residual, back.observations) == (0.25, 77)
    eyes = [(torch.full((3, 2, 2), n / 255), torch.full((3, 2, 2), n / 51)) for n in range(3)]
    packed = packed_crops(eyes)
    assert torch.equal(as_video(packed["left"])[:, 0, 0, 0], torch.tensor([0, 1 / 255, 2 / 255]))
    assert packed["right"][2].unique().tolist() == [10]


def test_matching_and_points_come_back_as_they_were():
    depth = torch.rand(2, 3, 4)
    depth[0, 0] = torch.nan
    seen = Matched(depth=depth, left_right=depth / 8, vertical=depth / 4, removed={"gradient": 0.1, "vertical": 0.2})
    back = Matched.unpacked(seen.packed())
    torch.testing.assert_close(back.depth, depth, equal_nan=True)
    torch.testing.assert_close(back.vertical, depth / 4, equal_nan=True, rtol=1e-3, atol=0)  # 11 bits
    assert back.removed == seen.removed
    each = torch.rand(7)
    points = Points(
        world=torch.rand(2, 7, 3),
        lifted=torch.rand(2, 7, 3),
        pixels=torch.rand(2, 7, 2),
        sigma=each,
        left_right=each,
        vertical=each,
        motion=each,
        static_residual=each,
        dropped={"across a boundary": 3, "short": 0},
    )
    again = Points.unpacked(points.packed())
    assert again.dropped == points.dropped
    assert torch.equal(again.world, points.world)
    assert again.count == 7


def test_films_are_looked_at_through_wide_lenses_and_perspective_ones_through_their_own():
    eye = half_sphere_lens(256, 256)
    assert LOOKING.small(eye).width == LOOKING.small(eye).height == 96
    assert isinstance(LOOKING.wide(eye), FisheyeLens)
    lens = perspective_lens(384, 80.0)
    assert LOOKING.wide(lens) is lens
    small = LOOKING.small(lens)
    assert (small.width, small.height) == (96, 96)
    torch.testing.assert_close(small.intrinsics[:2], lens.intrinsics[:2] / 4)


def test_bounds_of_what_filmed():
    lens = EquirectangularLens(start_yaw=-60.0, end_yaw=70.0, start_tilt=-50.0, end_tilt=55.0, height=4, width=4)
    assert bounds(lens) == (-60.0, 70.0, -50.0, 55.0)
    assert bounds(perspective_lens(4, 60.0)) == HALF_SPHERE


def test_stated_poses_are_those_of_a_rectified_rig():
    rig = stated_poses(torch.eye(4).repeat(2, 1, 1), 0.54)
    assert rig.left_from_right[:3, 3].tolist() == [0.54, 0.0, 0.0]
    assert torch.equal(rig.left_from_right[:3, :3], torch.eye(3, dtype=torch.float64))
    assert rig.found.all()
