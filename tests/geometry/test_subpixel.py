import numpy as np
import pytest
from textured_pairs import pair

from turnaround.geometry.subpixel import evened, settled

SETTINGS = {"window": 9, "steadiness": 0.01, "steps": 3}


def pictures(*arguments):
    left, right, truth = pair(*arguments)
    return evened(left[0].numpy()), evened(right[0].numpy()), truth.numpy()


def inner(values):
    return values[..., 12:-12, 20:-20]


def test_whole_pixels_become_fractions():
    left, right, truth = pictures(6.0, 0.04)
    flow = settled(left, right, -truth.round(), **SETTINGS)
    error = abs(inner(-flow[0] - truth))
    # rounding alone has a median of a quarter; what is left is that of linear interpolation between pixels
    assert np.median(error) < 0.06
    assert np.median(abs(inner(flow[1]))) < 0.06  # of slopes that run aslant as much again


def test_a_vertical_offset_is_found():
    left, right, truth = pictures(6.0, 0.0, 0.5)
    flow = settled(left, right, -truth, **SETTINGS)
    assert np.median(inner(flow[1])) == pytest.approx(0.5, abs=0.05)  # three steps do not go all the way


def test_equal_pictures_stay_where_they_are():
    left, _, truth = pictures(0.0)
    assert abs(settled(left, left, -truth, **SETTINGS)).max() == 0


def test_what_is_not_known_stays_so_and_tells_its_neighbours_nothing():
    left, right, truth = pictures(6.0)
    given = -truth
    given[30:50, 60:90] = np.nan
    wrong = left.copy()
    wrong[30:50, 60:90] = 5.0  # would pull at its neighbours
    flow, spoiled = (settled(picture, right, given, **SETTINGS) for picture in (left, wrong))
    assert np.isnan(flow[:, 30:50, 60:90]).all()
    assert np.isfinite(flow[:, :30]).all()
    np.testing.assert_array_equal(flow, spoiled)


def test_brightness_and_contrast_are_evened():
    left, _, _ = pair(0.0)
    picture = left[0].numpy()
    # 0.02 of contrast is taken for noise, beside one of about 0.1: a darker eye keeps 98 % of it
    np.testing.assert_allclose(evened(0.8 * picture + 0.1), evened(picture), atol=0.1)
    assert abs(evened(np.full((40, 40), 0.3, np.float32))).max() < 1e-3  # float32 rounding over the noise
