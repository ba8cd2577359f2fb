"""Medians that are counted by hand, and steps that move to where the picture has them."""

import math

import torch

from turnaround.geometry.depth_edges import weighted_median

PLAIN = torch.zeros(3, 3, 3)


def test_of_one_colour_it_is_the_median():
    values = torch.tensor([[1.0, 2, 3], [4, 100, 6], [7, 8, 9]])
    found = weighted_median(values, PLAIN, taps=1, stride=1, spread=0.1)
    assert found[1, 1] == 6  # 1 2 3 4 [6] 7 8 9 100
    # over the edge the picture goes on as at it: the corner has itself four times, and both neighbours twice
    assert found[0, 0] == 2  # 1 1 1 1 [2] 2 4 4 100


def test_other_colours_count_for_nothing_where_they_are_far():
    values = torch.tensor([[1.0, 2, 3], [4, 100, 6], [7, 8, 9]])
    guide = torch.ones(3, 3, 3)
    guide[:, 0], guide[:, 1, 1] = 0.0, 0.0
    found = weighted_median(values, guide, taps=1, stride=1, spread=0.01)
    assert found[1, 1] == 2  # of 1, 2, 3, 100 the lower of both in the middle


def test_weights_by_hand():
    """At a squared distance of 2 ln 2 a colour counts half: 10 and 8 once, 1 to 7 half. Of 5.5 in all, 1 to 5 hold 2.5
    and 1 to 6 hold 3."""
    values = torch.tensor([[1.0, 2, 3], [4, 10, 5], [6, 7, 8]])
    guide = torch.zeros(3, 3, 3)
    guide[0] = math.sqrt(2 * math.log(2))
    guide[0, 1, 1] = guide[0, 2, 2] = 0.0
    assert weighted_median(values, guide, taps=1, stride=1, spread=1.0)[1, 1] == 6
    assert weighted_median(values, PLAIN, taps=1, stride=1, spread=1.0)[1, 1] == 5
    # at twice the spread they count 2^(-1/4) = 0.84: of 7.89 in all, 1 to 4 hold 3.36 and 1 to 5 hold 4.20
    assert weighted_median(values, guide, taps=1, stride=1, spread=2.0)[1, 1] == 5


def test_taps_are_a_stride_apart():
    values = torch.zeros(9, 9)
    values[1::3, 1::3] = 1.0
    found = weighted_median(values, torch.zeros(3, 9, 9), taps=1, stride=3, spread=0.1)
    # the middle has nine of them; the sides have six, for three taps lie over the edge; the corners four
    cross = torch.zeros(9, 9)
    cross[4, 1::3] = cross[1::3, 4] = 1.0
    assert torch.equal(found, cross)
    assert (weighted_median(values, torch.zeros(3, 9, 9), taps=1, stride=1, spread=0.1) == 0).all()


def test_a_constant_stays_bit_for_bit():
    generator = torch.Generator().manual_seed(0)
    values, guide = torch.full((20, 30), 1 / 3), torch.rand(3, 20, 30, generator=generator)
    assert torch.equal(weighted_median(values, guide, taps=3, stride=2, spread=0.2), values)


def test_a_step_moves_to_the_step_in_colour():
    guide, blurred = torch.zeros(3, 16, 40), torch.full((16, 40), 1.0)
    guide[:, :, 24:] = 1.0
    for step in (22, 26):  # two pixels off to either side: of a side's colour most taps are right
        blurred[:, :step], blurred[:, step:] = 1.0, 0.2
        found = weighted_median(blurred, guide, taps=4, stride=1, spread=0.1)
        assert (found[:, :24] == 1.0).all()
        assert (found[:, 24:] == blurred[0, -1]).all()


def test_only_values_that_are_there_come_out():
    generator = torch.Generator().manual_seed(0)
    values, guide = torch.rand(20, 30, generator=generator), torch.rand(3, 20, 30, generator=generator)
    found = weighted_median(values, guide, taps=2, stride=1, spread=0.3)
    assert torch.isin(found, values).all()
    assert not torch.equal(found, values)
