import pytest
import torch

from turnaround.viz.layout import border, hcat, label, vcat


def test_hcat_places_pictures_left_to_right_with_a_gap():
    left, right = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 6)
    row = hcat([left, right], gap=2, shade=0.25)
    assert row.shape == (2, 3, 4, 13)
    assert torch.equal(row[..., :5], left)
    assert torch.equal(row[..., 5:7], torch.full((2, 3, 4, 2), 0.25))
    assert torch.equal(row[..., 7:], right)


def test_vcat_places_pictures_top_to_bottom_with_a_gap():
    top, bottom = torch.rand(3, 4, 5), torch.rand(3, 2, 5)
    column = vcat([top, bottom], gap=1)
    assert column.shape == (3, 7, 5)
    assert torch.equal(column[:, :4], top)
    assert torch.equal(column[:, 4], torch.ones(3, 5))
    assert torch.equal(column[:, 5:], bottom)


def test_one_picture_has_no_gap():
    picture = torch.rand(3, 4, 5)
    assert torch.equal(hcat([picture], gap=3), picture)


@pytest.mark.parametrize("shape", [(3, 4, 5), (7, 3, 4, 5), (2, 7, 3, 4, 5)])
def test_border_surrounds_and_keeps_the_inside(shape):
    picture = torch.rand(shape) / 2
    framed = border(picture, width=2, shade=1.0)
    assert framed.shape == (*shape[:-2], 8, 9)
    assert torch.equal(framed[..., 2:-2, 2:-2], picture)
    assert framed.sum().item() == pytest.approx(picture.sum().item() + (72 - 20) * picture[..., 0, 0].numel(), rel=1e-6)


def test_label_adds_a_strip_with_the_text_and_keeps_the_picture():
    video = torch.rand(2, 3, 8, 120)
    labelled = label(video, "input", height=20)
    assert labelled.shape == (2, 3, 28, 120)
    assert torch.equal(labelled[..., 20:, :], video)
    strip = labelled[..., :20, :]
    assert torch.equal(strip[0], strip[1])
    assert strip.max() > 0.5
    assert not torch.equal(strip, label(video, "depth", height=20)[..., :20, :])


def test_long_text_shrinks_to_the_width():
    strip = label(torch.zeros(3, 4, 90), "a label that is much longer than ninety pixels")[0, :24]
    inked = strip.amax(dim=0).nonzero().flatten()
    # Inside the margins of a quarter strip height (6 pixels; antialiasing may bleed by one), and not cut off half way.
    assert 5 <= inked.min() < 10
    assert 45 < inked.max() <= 84


def test_no_text_leaves_the_strip_black():
    assert label(torch.ones(3, 4, 9), "")[:, :24].max() == 0
