import pytest
import torch

from turnaround.losses.image import Regions, absolute_error, gradient_error, weighted_mean

REGIONS = Regions(hole=1.0, ring=0.5, known=0.1, width=1)


def one_hole():
    hole = torch.zeros(1, 1, 5, 5, dtype=torch.bool)
    hole[..., 2, 2] = True
    return hole


def test_regions_count_as_stated():
    valid = torch.ones(1, 1, 5, 5, dtype=torch.bool)
    valid[..., 0, 0] = valid[..., 2, 3] = False
    weights = REGIONS.weights(one_hole(), valid)[0, 0]
    expected = torch.full((5, 5), 0.1)
    expected[1:4, 1:4] = 0.5
    expected[2, 2] = 1.0
    expected[0, 0] = expected[2, 3] = 0.0
    torch.testing.assert_close(weights, expected)


def test_means_are_over_weights_and_channels():
    values = torch.stack([torch.full((2, 2), 3.0), torch.tensor([[1.0, 5.0], [9.0, 9.0]])])[None, None]
    weights = torch.tensor([[1.0, 3.0], [0.0, 0.0]])[None, None]
    assert weighted_mean(values, weights).item() == pytest.approx((3 + 1 + 3 * (3 + 5)) / 8)
    assert weighted_mean(values, torch.zeros(1, 1, 2, 2)).item() == 0


def test_absolute_and_gradient_errors_by_hand():
    target, weights = torch.zeros(1, 1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    step = torch.zeros(1, 1, 1, 4, 4)
    step[..., 2:] = 1.0
    assert absolute_error(step, target, weights).item() == pytest.approx(0.5)
    # One of three columns of differences is 1 along rows, none along columns; half of those two pixels apart, and none
    assert gradient_error(step, target, weights, scales=1).item() == pytest.approx((1 / 3 + 0) / 2)
    assert gradient_error(step, target, weights, scales=2).item() == pytest.approx((1 / 3 + 1) / 4)


def test_a_constant_offset_has_no_gradient_error():
    target = torch.rand(1, 1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    # float32 differences of sums
    assert gradient_error(target + 0.25, target, torch.ones(1, 1, 8, 8), scales=3).item() == pytest.approx(0, abs=1e-6)


def test_each_video_has_a_mean_of_its_own():
    values = torch.tensor([1.0, 3.0])[:, None, None, None, None].expand(2, 1, 3, 4, 4)
    weights = torch.tensor([0.5, 2.0])[:, None, None, None].expand(2, 1, 4, 4)
    torch.testing.assert_close(weighted_mean(values, weights), torch.tensor([1.0, 3.0]))
    target = torch.zeros_like(values)
    torch.testing.assert_close(absolute_error(values, target, weights), torch.tensor([1.0, 3.0]))
    assert gradient_error(values, target, weights, scales=2).tolist() == [0.0, 0.0]
