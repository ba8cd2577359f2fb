import pytest
import torch

from turnaround.geometry.holes import fill_from_behind


def row(colors, disparity, hole):
    """One frame of one row: the same colour in three channels, and disparity."""
    values = torch.tensor([colors] * 3 + [disparity], dtype=torch.float32)[:, None]
    return values[None, None], torch.tensor(hole, dtype=torch.bool)[None, None, None]


def test_a_hole_takes_what_lies_behind():
    colors, disparity, hole = [0.9] + [0.0] * 6 + [0.2], [1.0] + [0.0] * 6 + [0.25], [0] + [1] * 6 + [0]
    pictures, hole = row(colors, disparity, hole)
    filled = fill_from_behind(pictures, hole)[0, 0, 0, 0]
    assert (filled[2:7] < (0.9 + 0.2) / 2).all()  # all but the pixel that shares a block of 2 with the near side
    plain = fill_from_behind(pictures[:, :, :3], hole)[0, 0, 0, 0]
    assert (plain[1:4] > (0.9 + 0.2) / 2).all()  # without depth the near side goes on half-way


def test_known_pixels_stay_bit_for_bit_and_holes_are_not_read():
    pictures = torch.rand(2, 3, 4, 7, 9, generator=torch.Generator().manual_seed(0))
    hole = torch.rand(2, 3, 7, 9, generator=torch.Generator().manual_seed(1)) < 0.4
    filled = fill_from_behind(pictures, hole)
    spread = hole[:, :, None].expand_as(pictures)
    assert torch.equal(filled[~spread], pictures[~spread])
    assert torch.equal(fill_from_behind(pictures.masked_fill(spread, torch.nan), hole), filled)


def test_a_plain_surface_goes_on():
    pictures = torch.full((1, 1, 4, 8, 8), 0.3)
    hole = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    hole[..., 2:6, 2:6] = True
    assert fill_from_behind(pictures, hole).numpy() == pytest.approx(0.3, abs=1e-6)


def test_a_frame_without_a_known_pixel_is_0():
    hole = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    assert torch.equal(fill_from_behind(torch.rand(1, 1, 4, 4, 4), hole), torch.zeros(1, 1, 4, 4, 4))
