"""Fillings that learned nothing: known pixels stay, holes take what the rule says."""

import pytest
import torch

from turnaround.evaluation.classical import BackgroundStretch, OpenCvInpainter
from turnaround.types import Inpainter, InputError, PartialVideo

METHODS = [
    OpenCvInpainter(algorithm="telea", radius=3.0),
    OpenCvInpainter(algorithm="navier_stokes", radius=3.0),
    BackgroundStretch(),
]
NAN = torch.nan


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_known_pixels_are_kept_bit_for_bit_and_holes_are_filled(method):
    generator = torch.Generator().manual_seed(0)
    hole = torch.rand(3, 12, 16, generator=generator) < 0.3
    hole[2] = True
    video = torch.where(hole[:, None], 0.0, 0.2 + 0.7 * torch.rand(3, 3, 12, 16, generator=generator))
    assert isinstance(method, Inpainter)
    filled = method.fill(PartialVideo(video=video, hole=hole), seed=0).video
    known = ~hole[:, None].expand_as(video)
    assert torch.equal(filled[known], video[known])
    assert (filled[:2] > 0.1).all(), "no known colour is below 0.2"
    assert (filled[2] == 0).all(), "of which nothing is known"
    assert not list(method.weights)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_one_colour_is_continued(method):
    hole = torch.zeros(1, 12, 16, dtype=torch.bool)
    hole[:, 3:9, 4:10] = True
    colour = torch.tensor([51.0, 102, 204])[:, None, None] / 255  # steps of 8 bits
    video = torch.where(hole[:, None], 0.0, colour.expand(1, 3, 12, 16))
    filled = method.fill(PartialVideo(video=video, hole=hole), seed=0).video
    assert (filled - colour).abs().max() <= 2.01 / 255  # Telea's rounds down, of what it rounded down


def stretch(row: list[float], depth: list[float] | None = None) -> list[float]:
    """A row of grey values, NaN in holes, filled."""
    grey = torch.tensor(row)
    video = grey.nan_to_num(0).view(1, 1, 1, -1).repeat(1, 3, 1, 1)
    values = None if depth is None else torch.tensor(depth).view(1, 1, -1)
    partial = PartialVideo(video=video, hole=grey.isnan().view(1, 1, -1), depth=values)
    return [round(value, 6) for value in BackgroundStretch().fill(partial, seed=0).video[0, 0, 0].tolist()]


def test_the_farther_neighbour_is_stretched():
    row = [0.1, NAN, NAN, NAN, 0.9]
    assert stretch(row, [2.0, NAN, NAN, NAN, 5.0]) == [0.1, 0.9, 0.9, 0.9, 0.9]
    assert stretch(row, [5.0, NAN, NAN, NAN, 2.0]) == [0.1, 0.1, 0.1, 0.1, 0.9]
    assert stretch(row, [2.0, NAN, NAN, NAN, 2.0]) == [0.1, 0.1, 0.1, 0.9, 0.9]
    assert stretch(row) == stretch(row, [2.0, NAN, NAN, NAN, NAN]) == [0.1, 0.1, 0.1, 0.9, 0.9]
    assert stretch([NAN, NAN, 0.5, NAN], [NAN, NAN, 3.0, NAN]) == [0.5, 0.5, 0.5, 0.5]


def test_empty_rows_take_the_nearest_row():
    column = torch.tensor([NAN, 0.2, NAN, NAN, NAN, 0.8])
    hole = column.isnan()[None, :, None].repeat(1, 1, 3)
    hole[:, 1, 0] = True
    video = torch.where(hole[:, None], 0, column.nan_to_num(0)[None, None, :, None].repeat(1, 3, 1, 3))
    filled = BackgroundStretch().fill(PartialVideo(video=video, hole=hole), seed=0).video
    expected = torch.tensor([0.2, 0.2, 0.2, 0.2, 0.8, 0.8])  # row 3 is two from both, row 4 nearer to 5
    torch.testing.assert_close(filled[0, 0], expected[:, None].repeat(1, 3), rtol=0, atol=0)


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(InputError, match="one of telea, navier_stokes"):
        OpenCvInpainter(algorithm="patches", radius=3.0)
    with pytest.raises(InputError, match="radius 0"):
        OpenCvInpainter(algorithm="telea", radius=0.0)
