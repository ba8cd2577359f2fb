"""The range of values over which depth is shown: of a stream that is never held."""

import pytest
import torch

from turnaround.pipelines.depth import Normalised, ValueSample


def test_outliers_do_not_set_the_range():
    values = torch.linspace(0, 1, 100_000)
    values[0], values[-1] = -1e6, 1e6
    sample = ValueSample()
    sample.add(values.view(100, 1000))
    low, high = sample.robust_range()
    assert (low, high) == pytest.approx((0.001, 0.999), abs=1e-5)  # the step between two values


def test_rare_values_on_a_plain_ground_still_set_the_range():
    values = torch.zeros(100, 100)
    values[3, 4], values[5, 6] = 2.0, -1.0  # 0.01 % each, beyond the percentiles
    sample = ValueSample()
    sample.add(values)
    assert sample.robust_range() == (-1.0, 2.0)


def test_a_long_stream_is_sampled_uniformly_within_the_limit():
    sample = ValueSample(limit=4096)
    for start in torch.arange(0, 200):  # 204 800 values, ascending: a sample of one end only would be far off
        sample.add(torch.linspace(start / 200, (start + 1) / 200, 1024).view(32, 32))
        assert sample.values.numel() <= 4096
    assert sample.values.numel() > 1024
    # Of n >= 1024 uniform values the mean has a deviation of 1 / sqrt(12 n) <= 0.009, a quarter 0.014; four times that.
    assert sample.values.mean().item() == pytest.approx(0.5, abs=0.036)
    assert sample.values.quantile(0.25).item() == pytest.approx(0.25, abs=0.056)
    assert (sample.minimum, sample.maximum) == (0, 1)


def test_small_ranges_on_large_offsets_keep_their_digits():
    raw = torch.tensor([[1000.0, 1000.0625, 1000.125]])  # exact in float32
    assert Normalised.spanning(1000.0, 1000.125)(raw).tolist() == [[0.0, 0.5, 1.0]]
