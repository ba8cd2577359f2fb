import torch

from turnaround.geometry.holes import FILLINGS, fill_from_behind, fill_from_sides, fill_view, fillings, sides

N = torch.nan


def row(*values):
    return torch.tensor([[values]])


def test_the_farther_of_both_sides_comes_first():
    hole = row(False, True, True, False, True, False)
    far, near = sides(hole, row(2.0, N, N, 5.0, N, 3.0))
    assert far.tolist() == [[[0, 3, 3, 3, 3, 5]]]
    assert near.tolist() == [[[0, 0, 0, 3, 5, 5]]]


def test_of_equally_far_sides_the_nearer_in_the_row_then_the_left_comes_first():
    hole = row(False, True, True, True, False)
    for depth in (row(2.0, N, N, N, 2.0), row(N, N, N, N, 3.0)):
        far, near = sides(hole, depth)
        assert far.tolist() == [[[0, 0, 0, 4, 4]]]
        assert near.tolist() == [[[0, 4, 4, 0, 4]]]


def test_the_only_side_is_both_and_none_is_minus_one():
    far, near = sides(torch.tensor([[True, False, True], [True, True, True]]), torch.ones(2, 3))
    assert far.tolist() == near.tolist() == [[1, 1, 1], [-1, -1, -1]]


def test_pictures_take_whole_pixels_and_never_read_a_hole():
    pictures = torch.rand(2, 1, 4, 5, 7, generator=torch.Generator().manual_seed(0))
    hole = torch.rand(2, 1, 5, 7, generator=torch.Generator().manual_seed(1)) < 0.6
    hole[0, 0, 2], hole[1, 0, :, 3] = True, True
    spoilt = pictures.masked_fill(hole[:, :, None], torch.nan)
    for dim, whole in ((-1, hole.all(-1, keepdim=True)), (-2, hole.all(-2, keepdim=True))):
        far, near, reached = fill_from_sides(spoilt, hole, dim=dim)
        assert torch.equal(reached, ~whole.expand_as(hole))
        for filled in (far, near):
            assert torch.equal(filled.masked_fill(hole[:, :, None], 0.0), pictures.masked_fill(hole[:, :, None], 0.0))
            assert (filled[whole.expand_as(hole)[:, :, None].expand_as(filled)] == 0).all()
        assert (far[:, :, 3] <= near[:, :, 3]).all()  # less disparity is farther


def test_without_disparity_the_nearer_side_comes_first():
    pictures = torch.tensor([0.1, 0.0, 0.0, 0.9]).expand(1, 1, 3, 1, 4)
    far, near, _ = fill_from_sides(pictures, torch.tensor([[[[False, True, True, False]]]]), dim=-1)
    torch.testing.assert_close(far[0, 0, 0, 0], torch.tensor([0.1, 0.1, 0.9, 0.9]), rtol=0, atol=0)
    torch.testing.assert_close(near[0, 0, 0, 0], torch.tensor([0.1, 0.9, 0.1, 0.9]), rtol=0, atol=0)


def test_fillings_are_as_the_first_where_no_side_is_known():
    pictures = torch.rand(1, 2, 4, 6, 6, generator=torch.Generator().manual_seed(2))
    hole = torch.zeros(1, 2, 6, 6, dtype=torch.bool)
    hole[:, 0, 2], hole[:, 1, :, 4] = True, True
    seen = pictures.masked_fill(hole[:, :, None], 0.0)
    found = fillings(seen, hole)
    assert len(found) == FILLINGS
    behind = fill_from_behind(seen, hole)
    assert torch.equal(found[0], behind)
    assert torch.equal(found[1, :, 0], behind[:, 0])  # its row is open from side to side
    assert torch.equal(found[3, :, 1], behind[:, 1])
    assert not torch.equal(found[3, :, 0], behind[:, 0])


def test_a_view_is_filled_with_what_lies_behind_and_nothing_farther_than_is_known():
    image, depth = torch.full((3, 8, 12), 0.2), torch.full((8, 12), 2.0)
    image[:, :, 6:], depth[:, 6:] = 0.8, 6.0
    hole = torch.zeros(8, 12, dtype=torch.bool)
    hole[2:6, 4:8] = True
    filled, found = fill_view(image.masked_fill(hole, torch.nan), depth.masked_fill(hole, torch.nan), hole)
    assert torch.equal(filled[:, ~hole], image[:, ~hole])
    assert torch.equal(found[~hole], depth[~hole])
    assert found[hole].amin() > 2.0
    assert found[hole].amax() <= 6.0
    # the wall is three times as far, so a pixel of it weighs 3^4 times as much
    assert (filled[:, hole] > 0.7).float().mean() > 0.5


def test_a_view_without_holes_stays_and_one_of_nothing_else_is_black():
    image, depth = torch.rand(3, 4, 6), torch.rand(4, 6)
    whole, nothing = torch.zeros(4, 6, dtype=torch.bool), torch.ones(4, 6, dtype=torch.bool)
    assert all(torch.equal(a, b) for a, b in zip(fill_view(image, depth, whole), (image, depth), strict=True))
    filled, found = fill_view(image, depth, nothing)
    assert (filled == 0).all()
    assert (found == 1).all()
