import pytest
import torch

from turnaround.viz.color import Colormap, colorize

# End colours as published with the maps (8 bit RGB); OpenCV's tables round within one level of them.
ENDS = {
    Colormap.INFERNO: ([0, 0, 4], [252, 255, 164]),
    Colormap.TURBO: ([48, 18, 59], [122, 4, 3]),
    Colormap.VIRIDIS: ([68, 1, 84], [253, 231, 37]),
}


@pytest.mark.parametrize("colormap", list(Colormap))
def test_ends_are_the_published_colours_in_rgb_order(colormap):
    colors = colorize(torch.tensor([[0.0, 1.0]]), colormap)
    assert colors.shape == (3, 1, 2)
    torch.testing.assert_close(255 * colors[:, 0].T, torch.tensor(ENDS[colormap]).float(), atol=1.01, rtol=0)


def test_nearest_of_256_steps():
    levels = torch.arange(256) / 255
    assert torch.equal(colorize(levels[None] + 0.4 / 255), colorize(levels[None]))
    assert len(torch.unique(colorize(levels[None])[:, 0], dim=1).T) == 256


def test_outside_values_take_the_ends_and_nan_is_grey():
    values = torch.tensor([[-3.0, 0.0, 1.0, 7.0, torch.inf, torch.nan]])
    colors = colorize(values)[:, 0].T
    assert torch.equal(colors[0], colors[1])
    assert torch.equal(colors[3], colors[2])
    assert torch.equal(colors[4], colors[2])
    assert torch.equal(colors[5], torch.full((3,), 0.5))


def test_leading_axes_are_kept():
    values = torch.rand(2, 5, 3, 4)
    colors = colorize(values, Colormap.TURBO)
    assert colors.shape == (2, 5, 3, 3, 4)
    assert torch.equal(colors[1, 4], colorize(values[1, 4], Colormap.TURBO))
