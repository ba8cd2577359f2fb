"""The nearest point wins its pixel, and each pixel gets the point that lies in it."""

import torch

from turnaround.geometry.point_maps import nearest_points


def test_each_pixel_shows_the_nearest_of_its_points():
    pixels = torch.tensor([[0.1, 0.9], [2.5, 1.5], [0.9, 0.1], [2.0, 1.0], [1.5, 0.5]])
    z = torch.tensor([2.0, 5.0, 1.0, 4.0, 3.0])
    shown = nearest_points(pixels, z, height=2, width=3)
    assert shown.tolist() == [[2, 4, -1], [-1, -1, 3]]


def test_of_equally_near_points_the_first_is_shown():
    shown = nearest_points(torch.full((3, 2), 0.5), torch.tensor([2.0, 1.0, 1.0]), height=1, width=1)
    assert shown.tolist() == [[1]]


def test_what_is_behind_outside_or_unknown_is_nowhere():
    pixels = torch.tensor([[0.5, 0.5], [-0.1, 0.5], [2.0, 0.5], [torch.nan, 0.5], [1.5, 1.0]])
    z = torch.tensor([-1.0, 1.0, 1.0, 1.0, torch.nan])
    assert nearest_points(pixels, z, height=1, width=2).tolist() == [[-1, -1]]
    assert nearest_points(torch.zeros(0, 2), torch.zeros(0), height=1, width=2).tolist() == [[-1, -1]]


def test_many_points_land_as_a_slow_search_says():
    generator = torch.Generator().manual_seed(0)
    pixels, z = torch.rand(400, 2, generator=generator) * 9 - 1, torch.rand(400, generator=generator)
    shown = nearest_points(pixels, z, height=6, width=7)
    for row in range(6):
        for column in range(7):
            inside = ((pixels.floor() == torch.tensor([column, row])).all(1)).nonzero().squeeze(1)
            expected = int(inside[z[inside].argmin()]) if len(inside) else -1
            assert shown[row, column] == expected
