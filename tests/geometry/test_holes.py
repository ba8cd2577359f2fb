import pytest
import torch

from turnaround.geometry.holes import fill_holes


def filled(values: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Of one frame or one clip."""
    shape = (1,) * (4 - values.ndim) + tuple(values.shape)
    return fill_holes(values.view(shape), known.view(shape)).view(values.shape)


def with_hole(height: int, width: int, rows: slice, columns: slice) -> torch.Tensor:
    known = torch.ones(height, width, dtype=torch.bool)
    known[rows, columns] = False
    return known


def test_a_block_takes_the_mean_of_its_known_pixels():
    found = filled(torch.tensor([[1.0, 2.0], [6.0, 77.0]]), torch.tensor([[True, True], [True, False]]))
    assert found.tolist() == [[1.0, 2.0], [6.0, 3.0]]


def test_a_gap_is_bridged_by_the_interpolation_of_its_sides():
    """By hand: blocks of two are 0 and 4, with centres 2 pixels apart; a quarter and three quarters of the way lie the
    unknown pixels."""
    found = filled(torch.tensor([[0.0, 9.0, 9.0, 4.0]]), torch.tensor([[True, False, False, True]]))
    assert found.tolist() == [[0.0, 1.0, 3.0, 4.0]]


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 13), (1, 5)])
def test_a_constant_stays_one(height, width):
    known = torch.rand(height, width, generator=torch.Generator().manual_seed(0)) < 0.3
    found = filled(torch.where(known, 0.7, torch.nan), known)
    torch.testing.assert_close(found, torch.full((height, width), 0.7), rtol=0, atol=1e-6)


def test_a_ramp_goes_on_through_a_hole():
    """The means of blocks that are partly known lie off their centres, by less than a pixel in all."""
    ramp = (torch.arange(32.0)[:, None] + 0.5 * torch.arange(32.0)).contiguous()
    found = filled(ramp, with_hole(32, 32, slice(10, 18), slice(12, 20)))
    assert (found - ramp).abs().max() < 1.5, "what a step down and to the right adds"
    small = filled(ramp, with_hole(32, 32, slice(16, 17), slice(15, 16)))
    assert (small - ramp).abs().max() < 0.5, "what a step to the right adds"


def test_known_pixels_stay_bit_for_bit_and_the_rest_within_their_range():
    generator = torch.Generator().manual_seed(1)
    values = torch.rand(2, 3, 21, 34, generator=generator)
    known = torch.rand(2, 3, 21, 34, generator=generator) < 0.4
    found = fill_holes(torch.where(known, values, torch.inf), known)
    assert torch.equal(found[known], values[known])
    assert found.min() >= values[known].min() - 1e-6
    assert found.max() <= values[known].max() + 1e-6


def test_clips_and_frames_are_filled_apart():
    generator = torch.Generator().manual_seed(2)
    values = torch.rand(2, 3, 9, 9, generator=generator)
    known = torch.rand(2, 3, 9, 9, generator=generator) < 0.5
    alone = filled(values[1, 2], known[1, 2])
    assert torch.equal(fill_holes(values, known)[1, 2], alone)


def test_an_unknown_frame_takes_the_nearest_in_time_of_two_the_earlier():
    values = torch.arange(6.0)[:, None, None].expand(6, 4, 4).contiguous()
    known = torch.zeros(6, 4, 4, dtype=torch.bool)
    known[1, 0, 0] = known[5, 2, 2] = True
    assert filled(values, known)[:, 3, 3].tolist() == [1, 1, 1, 1, 5, 5]


def test_a_clip_of_which_nothing_is_known_is_zero():
    assert not filled(torch.full((2, 4, 4), torch.nan), torch.zeros(2, 4, 4, dtype=torch.bool)).any()
