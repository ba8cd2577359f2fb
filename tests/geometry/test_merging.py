import numpy as np
import pytest
import torch
from inpainting import camera

from turnaround.geometry.holes import distance_into
from turnaround.geometry.merging import (
    fit_to_known,
    in_free_space,
    join_surroundings,
    out_of_free_space,
)
from turnaround.types import View

HEIGHT, WIDTH = 24, 32


def ramp():
    """Inverse depth of a slanted plane."""
    return torch.linspace(0.2, 1.0, WIDTH).expand(HEIGHT, WIDTH).contiguous()


def test_an_affine_estimate_becomes_what_is_known():
    known = ramp()
    mask = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    mask[:, 12:20] = False
    fitted = fit_to_known(0.3 * known + 2.0, torch.where(mask, known, 0.0), mask, least=0.1)
    assert fitted.residual < 1e-5
    torch.testing.assert_close(fitted.inverse_depth, known, atol=1e-5, rtol=0)
    assert torch.equal(fitted.inverse_depth[mask], known[mask])


def test_what_the_fit_leaves_is_spread_as_a_smooth_factor():
    known = torch.full((HEIGHT, WIDTH), 0.5)
    mask = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    mask[:, 8:] = False
    estimate = ramp()
    # only the first columns are known and constant: the scale is 0, the rest takes their median
    fitted = fit_to_known(estimate, torch.where(mask, known, 0.0), mask, least=0.1)
    torch.testing.assert_close(fitted.inverse_depth, known, atol=1e-6, rtol=0)


def test_an_estimate_that_runs_against_what_is_known_is_not_believed():
    known = ramp()
    mask = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    mask[:, 12:20] = False
    fitted = fit_to_known(-known, torch.where(mask, known, 0.0), mask, least=0.1)
    assert fitted.residual > 0.2
    # the smooth factors, at most 1.5, are all that is left of the relief
    assert fitted.inverse_depth[~mask].amax() <= 1.5 * known.median() + 1e-6


def test_too_little_known_leaves_all_as_far_as_the_farthest():
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    mask[0, :3] = True
    fitted = fit_to_known(ramp(), torch.where(mask, 0.7, 0.0), mask, least=0.1)
    assert fitted.residual == float("inf")
    assert (fitted.inverse_depth[~mask] == 0.1).all()


def wall(distance):
    only = camera(HEIGHT, WIDTH)
    return View(image=torch.zeros(3, HEIGHT, WIDTH), depth=torch.full((HEIGHT, WIDTH), distance), camera=only)


def test_points_before_what_a_view_shows_stand_in_free_space():
    depth = torch.full((HEIGHT, WIDTH), 2.0)
    depth[0, 0], depth[0, 1] = torch.nan, 4.1
    free = in_free_space(depth, camera(HEIGHT, WIDTH), [wall(4.0)], tolerance=0.05)
    assert free.sum() == HEIGHT * WIDTH - 2
    assert not free[0, :2].any()  # no point, and one behind what is shown
    assert not in_free_space(torch.full_like(depth, 3.9), camera(HEIGHT, WIDTH), [wall(4.0)], tolerance=0.05).any()


@pytest.mark.parametrize(("factors", "expected", "left"), [((1.0, 1.5, 2.0), 4.0, 0), ((1.0, 1.5), 3.0, 1)])
def test_points_in_free_space_move_back_until_they_do_not(factors, expected, left):
    depth = torch.full((HEIGHT, WIDTH), 2.0)
    moved, stuck = out_of_free_space(
        depth, camera(HEIGHT, WIDTH), [wall(4.0)], tolerance=0.05, factors=factors, reach=2
    )
    assert (moved == expected).all()
    assert stuck.float().mean() == left


def test_a_surface_moves_as_a_whole():
    depth = torch.full((HEIGHT, WIDTH), 4.0)
    depth[10, 16] = 2.0
    moved, stuck = out_of_free_space(
        depth, camera(HEIGHT, WIDTH), [wall(4.0)], tolerance=0.05, factors=(1.0, 2.0), reach=3
    )
    assert not stuck.any()
    assert moved[10, 16] == 4.0
    assert (moved[10, 10:23] >= 4.0).all()
    # factor 2 in columns 13 to 19, of which the mean over 7 columns has 6
    assert moved[10, 15].item() == pytest.approx(4 * 13 / 7)
    assert moved[0, 0] == 4.0


def test_distances_into_a_hole_by_hand():
    hole = torch.zeros(9, 9, dtype=torch.bool)
    hole[2:7, 2:7] = True
    found = distance_into(hole)
    assert (found[~hole] == 0).all()
    assert found[4, 2:7].tolist() == [1, 2, 3, 2, 1]
    assert found[2:7, 4].tolist() == [1, 2, 3, 2, 1]
    only = torch.ones(9, 9, dtype=torch.bool)
    only[0, 0] = False
    assert distance_into(only)[8, 8].item() == pytest.approx(8 * 2**0.5)


def test_distances_are_the_same_bits_in_any_call():
    """As they are not by every library: of blocks as these, a transform may depend on what memory it is given."""
    random = np.random.default_rng(0)
    hole = torch.from_numpy(np.kron(random.random((8, 12)) < 0.55, np.ones((8, 8))) > 0)
    first = distance_into(hole)
    for _ in range(100):
        _ = [np.zeros(size, np.uint8) for size in random.integers(1, 60000, 3)]
        assert torch.equal(distance_into(hole), first)


def left_known(columns=8):
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    mask[:, :columns] = True
    return mask


def test_what_is_known_goes_on_and_gives_way_to_what_lies_around():
    mask, around = left_known(), torch.full((HEIGHT, WIDTH), 0.5)
    found = join_surroundings(torch.where(mask, 0.1, 0.0), mask, around, 4.0)
    halves = 0.5 ** (torch.arange(1, WIDTH - 7) / 4)  # half of it after four pixels
    # means of one value in float32
    torch.testing.assert_close(found[:, 8:], (0.5 - 0.4 * halves).expand(HEIGHT, -1), atol=1e-5, rtol=0)
    assert found[3, 11].item() == pytest.approx(0.3, abs=1e-5)
    assert (found[mask] == torch.tensor(0.1)).all()


def test_what_goes_on_is_no_nearer_than_what_lies_around():
    mask = left_known()
    around = torch.linspace(0.1, 0.2, WIDTH).expand(HEIGHT, WIDTH)
    found = join_surroundings(torch.where(mask, 0.5, 0.0), mask, around, 1e9)
    assert (found[mask] == 0.5).all()
    torch.testing.assert_close(found[~mask], torch.full_like(found[~mask], 0.2))


def test_the_farther_of_both_sides_goes_on():
    mask = left_known()
    mask[:, 16:] = True
    known = torch.where(torch.arange(WIDTH) < 12, 0.1, 0.4).expand(HEIGHT, WIDTH)
    found = join_surroundings(known.where(mask, 0.0), mask, torch.full((HEIGHT, WIDTH), 0.4), 1e9)
    assert torch.equal(found[mask], known[mask])
    # four times as near counts 256 times less: up to the middle, where the mean of both sides is 0.25, it is 0.13
    assert (found[:, 8:12] < 0.15).all()
    assert (found[:, 8:12] >= 0.1 - 1e-6).all()


def test_where_nothing_is_known_all_is_what_lies_around():
    around = ramp()
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    assert torch.equal(join_surroundings(torch.zeros(HEIGHT, WIDTH), mask, around, 4.0), around)
