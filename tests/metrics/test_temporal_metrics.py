import math

import pytest
import torch

from turnaround.metrics.base import TemporalMetric
from turnaround.metrics.temporal import TemporalAlignmentError, splat_nearest
from turnaround.types import Pinhole

TAE = TemporalAlignmentError(tolerance=0.02)
FRAMES, HEIGHT, WIDTH, FOCAL, DEPTH = 3, 6, 8, 10.0, 5.0


def moving_camera(step, frames=FRAMES):
    """A camera that moves by `step` metres (x, y, z) per frame and always looks along z."""
    poses = torch.eye(4).repeat(frames, 1, 1)
    poses[:, :3, 3] = torch.arange(float(frames))[:, None] * torch.tensor(step)
    k = torch.tensor([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    return Pinhole(world_from_cam=poses, intrinsics=k.repeat(frames, 1, 1), height=HEIGHT, width=WIDTH)


SIDEWAYS = moving_camera((1.0, 0.0, 0.0))  # FOCAL * 1 / DEPTH = 2 pixels per frame


def plane(frames=FRAMES):
    return torch.full((frames, HEIGHT, WIDTH), DEPTH)


def everywhere(maps):
    return torch.ones_like(maps, dtype=torch.bool)


def test_plane_seen_by_a_sideways_camera_is_consistent():
    average = TAE(plane(), plane(), everywhere(plane()), SIDEWAYS)
    assert average.count == 2 * (FRAMES - 1)
    assert average.value == pytest.approx(0, abs=1e-10)
    assert isinstance(TAE, TemporalMetric)


def test_plane_approached_by_the_camera_is_consistent_and_raw_depth_is_not_compared():
    depth = DEPTH - torch.arange(3.0)[:, None, None].expand(3, HEIGHT, WIDTH)
    assert TAE(depth, depth, everywhere(depth), moving_camera((0.0, 0.0, 1.0))).value == pytest.approx(0, abs=1e-4)


def test_per_frame_scale_gives_the_hand_computed_value():
    scale = torch.tensor([1.0, 1.1, 1.32])
    expected = 100 / 4 * (0.1 / 1.1 + 0.1 / 1.0 + 0.22 / 1.32 + 0.22 / 1.1)
    value = TAE(plane() * scale[:, None, None], plane(), everywhere(plane()), SIDEWAYS).value
    assert value == pytest.approx(expected, rel=1e-5)  # the scales are float32


def test_unknown_truth_of_either_frame_does_not_count():
    depth, valid = plane(2), everywhere(plane(2))
    depth[1, 0] = 7.0
    valid[1, 0] = False
    assert TAE(depth, plane(2), valid, moving_camera((0.0, 0.0, 0.0), frames=2)).value == 0


def test_only_surface_seen_in_both_frames_counts():
    depth = plane(2)
    depth[0, :, 7] = 10.0  # moves by one pixel, into column 6, instead of two
    depth[1, :, 6:] = 99.0  # never seen from frame 0: the camera moved on
    # Backward, column 5 (depth 5) meets the 10 of column 7, in one of the six columns that both frames see.
    value = TAE(depth, plane(2), everywhere(depth), moving_camera((1.0, 0.0, 0.0), frames=2)).value
    assert value == pytest.approx(100 / 2 * abs(5 - 10) / 10 / 6)


def test_moving_surface_does_not_count_even_where_it_covers_what_is_still():
    truth = plane(2)
    truth[0, :, 4] = 2.5  # carried to column 0 of frame 1, in front of what column 2 brings there; but it left
    assert TAE(truth, truth, everywhere(truth), moving_camera((1.0, 0.0, 0.0), frames=2)).value == pytest.approx(0)


def test_hidden_surface_does_not_count():
    truth = plane(2)
    truth[1, :2] = 2.0  # something came in front
    depth = truth.clone()
    depth[0, :2] = 7.0
    assert TAE(depth, truth, everywhere(truth), moving_camera((0.0, 0.0, 0.0), frames=2)).value == 0


def test_nothing_to_compare_has_no_value():
    one = plane(1)
    assert math.isnan(TAE(one, one, everywhere(one), moving_camera((1.0, 0.0, 0.0), frames=1)).value)
    assert math.isnan(TAE(plane(), plane(), ~everywhere(plane()), SIDEWAYS).value)
    away = moving_camera((100.0, 0.0, 0.0))
    assert TAE(plane(), plane(), everywhere(plane()), away).count == 0


def test_splat_keeps_the_nearest_point_of_a_pixel():
    pixels = torch.tensor([[0.1, 0.9], [0.9, 0.1], [1.5, 0.5], [0.5, 1.5], [-0.1, 0.5], [0.5, 2.0], [1.5, 1.5]])
    z = torch.tensor([3.0, 2.0, 4.0, -1.0, 1.0, 1.0, 5.0])
    keep = torch.tensor([1, 1, 1, 1, 1, 1, 0]).bool()
    splat = splat_nearest(pixels, z, keep, 2, 2)
    assert splat.tolist() == [[2.0, 4.0], [math.inf, math.inf]]
