"""Each test alone removes exactly the pixels that it should."""

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from turnaround.geometry.pixel_tests import PixelTests, PublishedGradient, SlopeGradient, left_right_residual
from turnaround.geometry.stereo import depth_deviation
from turnaround.run.build import build_value

HEIGHT, WIDTH = 6, 12
FOCAL, BASELINE = 100.0, 0.1  # so that depth is 10 / disparity
NONE = {"unmatched": 0.0, "left_right": 0.0, "vertical": 0.0, "farthest": 0.0, "gradient": 0.0}


def limits(**changed):
    numbers = {"left_right": 1.0, "vertical": 1.0, "farthest": 20.0, "gradient": 0.03} | changed
    return PixelTests(**numbers | {"gradient": PublishedGradient(limit=numbers["gradient"])})


def flat(disparity=2.0):
    """A plane at one depth: both flows."""
    forth, back = torch.zeros(2, HEIGHT, WIDTH), torch.zeros(2, HEIGHT, WIDTH)
    forth[0], back[0] = -disparity, disparity
    return forth, back


def measured(forth, back, **changed):
    return limits(**changed)(forth, back, focal=FOCAL, baseline=BASELINE)


def lost(depth):
    return sorted(map(tuple, depth.isnan().nonzero().tolist()))


EDGE = [(row, column) for row in range(HEIGHT) for column in (0, 1)]  # what leaves the right picture at disparity 2


def test_a_plane_keeps_all_that_both_eyes_see():
    found = measured(*flat(), gradient=9.0)
    assert lost(found.depth) == EDGE
    assert (found.depth[:, 2:] == 5).all()  # 100 x 0.1 / 2
    assert (found.left_right[:, 2:] == 0).all()
    assert found.left_right[:, :2].isnan().all()
    assert found.removed == NONE | {"left_right": 2 / WIDTH}


def test_what_does_not_come_back_goes():
    forth, back = flat()
    back[0, 3, 5] = 3.25  # where column 7 leads
    found = measured(forth, back, gradient=9.0)
    assert lost(found.depth) == sorted([*EDGE, (3, 7)])
    assert found.left_right[3, 7] == 1.25
    assert found.removed == NONE | {"left_right": (len(EDGE) + 1) / (HEIGHT * WIDTH)}
    back[0, 3, 5] = 3.0  # at the limit
    assert lost(measured(forth, back, gradient=9.0).depth) == EDGE


def test_the_cycle_is_a_length_in_both_directions():
    forth, back = flat()
    forth[1, 2, 6], back[:, 2, 4] = 0.0, torch.tensor([2.75, 0.75])
    assert left_right_residual(forth, back)[2, 6] == pytest.approx(0.75 * 2**0.5)


def test_between_columns_the_flow_back_is_interpolated_among_what_is_known():
    forth, back = flat()
    forth[0, 2, 6] = -2.25  # leads to 3.75: a quarter of column 3, three of column 4
    back[0, 2, 3:5] = torch.tensor([1.0, 3.0])
    assert left_right_residual(forth, back)[2, 6] == pytest.approx(0.25)  # 2.5 - 2.25
    back[0, 2, 3] = torch.nan
    assert left_right_residual(forth, back)[2, 6] == pytest.approx(0.75)  # column 4 alone
    back[0, 2, 3:5] = torch.tensor([1.0, torch.nan])
    assert left_right_residual(forth, back)[2, 6].isnan()  # a quarter of the weight is not enough


def test_what_leads_above_or_below_goes():
    forth, back = flat()
    forth[1, 2, 8], forth[1, 4, 8], back[1] = 1.25, -1.0, 0.0
    found = measured(forth, back, left_right=9.0, gradient=9.0)
    assert lost(found.depth) == sorted([*EDGE, (2, 8)])
    assert found.vertical[2, 8] == 1.25
    assert found.removed == NONE | {"left_right": 2 / WIDTH, "vertical": 1 / (HEIGHT * WIDTH)}


def test_what_is_far_or_beyond_the_horizon_goes():
    forth, back = flat()
    forth[0, 1:5, 9] = torch.tensor([-0.25, 0.0, 1.0, -0.5])  # 40 m, without end, behind, 20 m
    found = measured(forth, back, left_right=9.0, gradient=99.0)
    assert lost(found.depth) == sorted([*EDGE, (1, 9), (2, 9), (3, 9)])
    assert found.depth[4, 9] == 20
    assert found.removed == NONE | {"left_right": 2 / WIDTH, "farthest": 3 / (HEIGHT * WIDTH)}


def test_what_was_not_matched_has_no_depth():
    forth, back = flat()
    forth[:, 0, 5], back[:, 5, 5] = torch.nan, torch.nan
    found = measured(forth, back, gradient=9.0)
    assert lost(found.depth) == sorted([*EDGE, (0, 5), (5, 7)])
    assert found.removed["unmatched"] == 1 / (HEIGHT * WIDTH)


def test_flying_pixels_are_where_neighbours_differ():
    depth = torch.full((5, 7), 10.0)
    depth[:, 4:] = 10.25  # less than 3 %
    assert not PublishedGradient(limit=0.03).steep(depth).any()
    depth[:, 4:] = 10.5
    expected = torch.zeros(5, 7, dtype=torch.bool)
    expected[:, 3:5] = True  # the columns on either side of the step
    assert torch.equal(PublishedGradient(limit=0.03).steep(depth), expected)
    assert torch.equal(PublishedGradient(limit=0.03).steep(depth.T), expected.T)


def test_around_what_has_no_depth_it_goes_too():
    depth = torch.full((5, 5), 10.0)
    depth[2, 2] = torch.nan
    expected = torch.zeros(5, 5, dtype=torch.bool)
    expected[[1, 3, 2, 2], [2, 2, 1, 3]] = True
    assert torch.equal(PublishedGradient(limit=0.03).steep(depth), expected)


def test_a_slope_is_measured_to_either_side_as_far_as_that_is_known():
    depth = torch.full((5, 7), 10.0)
    depth[:, 4:] = 10.5
    depth[2, 2] = torch.nan
    expected = torch.zeros(5, 7, dtype=torch.bool)
    expected[:, 3:5] = True  # the columns on either side of the step; not what lies around the gap
    assert torch.equal(SlopeGradient(limit=0.03, window=1).steep(depth), expected)
    assert torch.equal(SlopeGradient(limit=0.03, window=1).steep(depth.T), expected.T)
    assert not SlopeGradient(limit=0.06, window=1).steep(depth).any()
    ramp = 10 * 1.02 ** torch.arange(7).expand(5, 7).float()
    assert not SlopeGradient(limit=0.03, window=1).steep(ramp).any()  # two pixels on it differs by 4 %
    assert PublishedGradient(limit=0.03).steep(ramp)[:, 1:-1].all()


def test_noise_of_matching_is_no_slope_and_a_step_is_one():
    noise = 1 + 0.03 * torch.randn(60, 80, generator=torch.Generator().manual_seed(0))
    smoothed = SlopeGradient(limit=0.03, window=5)
    assert float(smoothed.steep(10 / noise).float().mean()) < 0.02  # of 25 pixels the mean changes by 0.8 % a pixel
    assert float(SlopeGradient(limit=0.03, window=1).steep(10 / noise).float().mean()) > 0.5
    step = torch.where(torch.arange(80) < 40, 10.0, 20.0).expand(60, 80) / noise
    steep = smoothed.steep(step)
    assert steep[:, 39:41].float().mean() > 0.95
    assert steep[:, 37:43].float().mean() > 0.5


def test_the_gradient_comes_last_and_counts_what_the_others_left():
    found = measured(*flat())
    assert lost(found.depth) == sorted([*EDGE, *((row, 2) for row in range(HEIGHT))])
    assert found.removed == NONE | {"left_right": 2 / WIDTH, "gradient": 1 / WIDTH}


def test_shares_of_all_tests_and_of_what_is_left_are_everything():
    random = torch.Generator().manual_seed(0)
    forth, back = flat()
    forth, back = (flow + 0.7 * torch.randn(flow.shape, generator=random) for flow in (forth, back))
    found = measured(forth, back, vertical=0.5)
    # sums of shares of 72 pixels, to float64
    assert sum(found.removed.values()) + float(found.depth.isfinite().double().mean()) == pytest.approx(1, abs=1e-12)
    assert all(found.removed[name] > 0 for name in ("left_right", "vertical", "gradient"))


def test_the_official_numbers():
    path = Path(__file__).parents[2] / "configs" / "pixel_tests" / "official.yaml"
    assert build_value(OmegaConf.to_container(OmegaConf.load(path)), "pixel_tests") == limits()


def test_deviation_of_depth_is_that_of_its_formula():
    # 5 m at 60 degrees and 512 pixels, eyes 63 mm apart, a tenth of a pixel: the 0.09 m that is often quoted
    found = depth_deviation(torch.tensor([5.0, 10.0]), focal=443.405, baseline=0.063, pixels=0.1)
    torch.testing.assert_close(found, torch.tensor([0.089495, 0.357980]), rtol=1e-5, atol=0)
    depth, step = 5.0, 1e-4
    disparity = 443.405 * 0.063 / depth
    moved = 443.405 * 0.063 / (disparity - step)
    # the formula is the derivative: a step this small leaves an error of step / disparity, 2e-5
    found = depth_deviation(torch.tensor(depth).double(), focal=443.405, baseline=0.063, pixels=step)
    assert float(found) == pytest.approx(moved - depth, rel=1e-4)
