import math

import pytest
import torch

from turnaround.metrics.base import TemporalMetric
from turnaround.metrics.temporal import (
    MultiFrameConsistency,
    TemporalAlignmentError,
    TemporalAlignmentErrorPublished,
    splat_last,
    splat_nearest,
)
from turnaround.types import Pinhole

TAE = TemporalAlignmentError(tolerance=0.02)
TAE_VDA = TemporalAlignmentErrorPublished()
MFC = MultiFrameConsistency(tolerance=0.02)
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


def test_last_splat_keeps_the_highest_index_also_from_behind_and_leaves_zero_elsewhere():
    pixels = torch.tensor([[0.1, 0.9], [0.9, 0.1], [1.5, 0.5], [1.4, 0.4], [-0.1, 0.5], [0.5, 2.0]])
    z = torch.tensor([2.0, 3.0, 4.0, -1.0, 1.0, 1.0])
    assert splat_last(pixels, z, 2, 2).tolist() == [[3.0, -1.0], [0.0, 0.0]]


@pytest.mark.parametrize("metric", [TAE_VDA, MFC], ids=lambda metric: metric.name)
def test_plane_is_consistent_from_the_side_and_when_approached(metric):
    assert isinstance(metric, TemporalMetric)
    assert metric(plane(), plane(), everywhere(plane()), SIDEWAYS).value == pytest.approx(0, abs=1e-10)
    depth = DEPTH - torch.arange(3.0)[:, None, None].expand(3, HEIGHT, WIDTH)
    # the poses are float32
    assert metric(depth, depth, everywhere(depth), moving_camera((0.0, 0.0, 1.0))).value == pytest.approx(0, abs=1e-4)


def test_names_of_the_temporal_metrics():
    assert [metric.name for metric in (TAE, TAE_VDA, MFC)] == ["tae", "tae_vda", "mfc"]


def test_per_frame_scale_scores_the_same_without_truth_where_nothing_is_hidden():
    scale = torch.tensor([1.0, 1.1, 1.32])
    depth = plane() * scale[:, None, None]
    still = moving_camera((0.0, 0.0, 0.0))
    expected = 100 / 4 * (0.1 / 1.1 + 0.1 / 1.0 + 0.22 / 1.32 + 0.22 / 1.1)
    # the scales are float32
    assert TAE_VDA(depth, plane(), everywhere(plane()), still).value == pytest.approx(expected, rel=1e-5)
    assert MFC(depth, plane(), everywhere(plane()), still).value == pytest.approx(DEPTH * (0.1 + 0.22) / 2, rel=1e-5)


def test_published_variant_lets_hidden_points_win_and_looks_at_no_truth():
    depth = plane(2)
    depth[0, :, 3] = 2.5  # moves by four pixels and leaves the image
    depth[0, :, 4] = 2.5  # moves by four pixels to column 0, where column 2 brings 5: the higher index, the 2.5, wins
    camera = moving_camera((1.0, 0.0, 0.0), frames=2)
    # forward: columns 0, 3, 4, 5 get something (0 from column 4, 3 to 5 from 5 to 7); backward: column k gets k - 2
    forward = (abs(2.5 - 5) / 5 + 0 + 0 + 0) / 4
    backward = (0 + abs(5 - 2.5) / 2.5 + abs(5 - 2.5) / 2.5 + 0 + 0 + 0) / 6
    assert TAE_VDA(depth, depth, ~everywhere(depth), camera).value == pytest.approx(100 / 2 * (forward + backward))

    far_last = plane(2)
    far_last[0, :, 7] = 10.0  # moves by one pixel, to column 6
    far_last[0, :, 6] = 2.5  # moves by four, to column 2, where column 4 brings 5
    strict = TemporalAlignmentError(tolerance=0.02)(far_last, far_last, everywhere(far_last), camera)
    assert strict.value == pytest.approx(0)  # the truth shows neither in both frames
    assert TAE_VDA(far_last, far_last, everywhere(far_last), camera).value > 0


def test_published_variant_takes_zero_for_a_direction_that_meets_nothing():
    average = TAE_VDA(plane(), plane(), everywhere(plane()), moving_camera((100.0, 0.0, 0.0)))
    assert (average.sum, average.count) == (0.0, 4)


def test_mfc_counts_only_what_the_truth_shows_in_both_frames():
    truth, depth = plane(2), plane(2)
    truth[1, :2] = 2.0  # something came in front
    depth[0, :2] = 7.0
    depth[1, 5] = 5.5
    value = MFC(depth, truth, everywhere(truth), moving_camera((0.0, 0.0, 0.0), frames=2)).value
    assert value == pytest.approx(0.5 / 4)
    nothing = MFC(depth, truth, ~everywhere(truth), moving_camera((0.0, 0.0, 0.0), frames=2))
    assert math.isnan(nothing.value)


@pytest.mark.parametrize("metric", [TAE_VDA, MFC], ids=lambda metric: metric.name)
def test_a_constant_map_is_perfect_only_when_the_camera_keeps_to_its_image_plane(metric):
    constant = plane() + 2
    assert metric(constant, plane(), everywhere(plane()), SIDEWAYS).value == pytest.approx(0, abs=1e-10)
    truth = DEPTH - torch.arange(3.0)[:, None, None].expand(3, HEIGHT, WIDTH)
    assert metric(constant, truth, everywhere(truth), moving_camera((0.0, 0.0, 1.0))).value > 0.5


@pytest.mark.parametrize("metric", [TAE_VDA, MFC], ids=lambda metric: metric.name)
def test_one_frame_has_no_value(metric):
    still = moving_camera((0.0, 0.0, 0.0), frames=1)
    assert math.isnan(metric(plane(1), plane(1), everywhere(plane(1)), still).value)


def test_a_point_from_behind_blanks_its_pixel_in_the_published_variant():
    # The camera steps 5 metres on: what stood at 4 is 1 metre behind it now, what stood at 10 is at 5.
    depth = torch.full((2, HEIGHT, WIDTH), 10.0)
    depth[0] = 4.0
    forward = TAE_VDA(depth, depth, everywhere(depth), moving_camera((0.0, 0.0, 5.0), frames=2))
    backward = abs(15 - 4) / 4  # the second frame's 10 are 15 metres from the first camera
    assert (forward.sum, forward.count) == (pytest.approx(100 * backward), 2)
