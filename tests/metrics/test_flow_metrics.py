import math

import pytest
import torch

from turnaround.metrics.base import FlowMetric
from turnaround.metrics.flow import OpticalWarpingError, RelativeTemporalConsistency
from turnaround.types import Flow

OPW, RTC = OpticalWarpingError(), RelativeTemporalConsistency()
HEIGHT, WIDTH = 4, 6


def random_maps(frames, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 1 + torch.rand(frames, HEIGHT, WIDTH, generator=generator, dtype=torch.float64)


def everywhere(maps):
    return torch.ones_like(maps, dtype=torch.bool)


def grey(frames, level=0.5):
    return torch.full((frames, 3, HEIGHT, WIDTH), level)


def constant_flow(frames, x=0.0, y=0.0):
    pixels = torch.tensor([x, y])[None, :, None, None].repeat(frames - 1, 1, HEIGHT, WIDTH)
    return Flow(pixels=pixels, visible=torch.ones(frames - 1, HEIGHT, WIDTH, dtype=torch.bool))


def score(metric, depth, video=None, flow=None, valid=None):
    video = grey(len(depth)) if video is None else video
    flow = flow or constant_flow(len(depth))
    return metric(depth, depth, everywhere(depth) if valid is None else valid, video, flow)


def test_they_are_flow_metrics_with_the_names_of_the_tables():
    assert isinstance(OPW, FlowMetric)
    assert isinstance(RTC, FlowMetric)
    assert [OPW.name, RTC.name, RelativeTemporalConsistency(threshold=1.1).name] == ["opw", "rtc", "rtc_1.1"]


def test_a_still_scene_is_perfect():
    depth = random_maps(1).expand(3, -1, -1)
    assert (score(OPW, depth).value, score(OPW, depth).count) == (0, 2)
    assert (score(RTC, depth).value, score(RTC, depth).count) == (1, 2)


def test_backward_flow_of_frame_i_leads_to_the_frame_before():
    before = random_maps(1)[0]
    depth = torch.stack([before, before.roll(1, dims=1)])  # all moves right by one pixel
    depth[1, :, 0] = before[:, 0]  # what comes in equals the border, which the warp repeats
    video = depth[:, None].expand(-1, 3, -1, -1).float() / 2
    flow = constant_flow(2, x=-1.0)
    # grid_sample in float64 rounds at 1e-16 of the coordinates
    assert score(OPW, depth, video, flow).value == pytest.approx(0, abs=1e-12)
    assert score(RTC, depth, video, flow).value == pytest.approx(1, abs=1e-12)
    assert score(OPW, depth, video, constant_flow(2, x=1.0)).value > 0.1


def test_opw_hand_computed():
    depth = torch.zeros(2, 1, 3, dtype=torch.float64)
    depth[0, 0] = torch.tensor([1.0, 2.0, 6.0])  # minus median: -1, 0, 4; over 5/3: -0.6, 0, 2.4
    depth[1, 0] = torch.tensor([1.0, 2.0, 3.0])  # -1, 0, 1; over 2/3: -1.5, 0, 1.5
    video = torch.full((2, 3, 1, 3), 0.5)
    video[1, 0, 0, 0] += 0.1  # in one of three colours
    flow = Flow(pixels=torch.zeros(1, 2, 1, 3), visible=torch.zeros(1, 1, 3, dtype=torch.bool))
    weight = 2 + math.exp(-50 * 0.1**2)
    expected = 10 * (weight * 0.9 + 0 + 3 * 0.9) / 3
    assert score(OPW, depth, video, flow).value == pytest.approx(expected, rel=1e-6)  # the video is float32


def test_opw_sees_neither_scale_nor_shift_of_a_frame_and_asks_no_truth():
    depth = random_maps(2)
    changed = torch.stack([depth[0], 3 * depth[1] + 7])
    assert score(OPW, changed).value == pytest.approx(score(OPW, depth).value, rel=1e-12)
    assert score(OPW, depth, valid=~everywhere(depth)) == score(OPW, depth)


def test_rtc_is_the_weighted_share_of_close_ratios():
    depth = torch.ones(2, HEIGHT, WIDTH, dtype=torch.float64)
    depth[1, 0] = 1.25  # not below the threshold
    depth[1, 1] = 0.81  # 1 / 0.81 is
    depth[1, 2, 0] = 0.5
    video = grey(2)
    video[1, :, 0] += torch.tensor([0.03, 0.04, 0.0])[:, None]  # norm 0.05
    weight = math.exp(-50 * 0.05)
    expected = (3 * WIDTH - 1) / (WIDTH * weight + 3 * WIDTH)
    assert score(RTC, depth, video).value == pytest.approx(expected, rel=1e-5)  # the video is float32
    loose = RelativeTemporalConsistency(threshold=3.0)
    assert score(loose, depth, video).value == pytest.approx(1)


def test_rtc_does_not_see_a_common_factor_and_leaves_out_far_flow_and_unknown_truth():
    depth = random_maps(2)
    assert score(RTC, 9 * depth) == score(RTC, depth)
    depth[1, 0] = 99.0
    valid = everywhere(depth)
    valid[1, 0] = False
    flow = constant_flow(2)
    flow.pixels[0, 0, 1] = -260.0  # the border, whose depth may be anything
    depth[1, 1] = 99.0
    depth[1, 2:] = depth[0, 2:]
    assert score(RTC, depth, flow=flow, valid=valid).value == 1
    assert score(RTC, depth, valid=valid).value == pytest.approx(2 / 3)


def test_a_constant_map_is_perfect_under_both():
    truth = random_maps(3)
    video = torch.rand(3, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    constant, flow = torch.full_like(truth, 4.0), constant_flow(3, x=0.3, y=-0.6)
    assert OPW(constant, truth, everywhere(truth), video, flow).value == pytest.approx(0, abs=1e-6)
    assert RTC(constant, truth, everywhere(truth), video, flow).value == pytest.approx(1)
    assert OPW(truth, truth, everywhere(truth), video, flow).value > 0.1


def test_nothing_to_compare_has_no_value():
    one = random_maps(1)
    for metric in (OPW, RTC):
        assert math.isnan(score(metric, one).value)
    depth = random_maps(3)
    valid = everywhere(depth)
    valid[1] = False
    assert score(RTC, depth, valid=valid).count == 1


def test_flow_of_another_number_of_frames_is_refused():
    with pytest.raises(ValueError, match="zip"):
        score(OPW, random_maps(3), flow=constant_flow(2))
