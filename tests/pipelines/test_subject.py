"""Subjects are rectangles, so their masks are known; pictures and mask files are written to disk and read back."""

import pytest
import torch

from turnaround.io.image import write_image
from turnaround.io.picture import Picture
from turnaround.pipelines.orbit.subject import (
    Automatic,
    FromAlpha,
    FromDepth,
    FromFile,
    Keep,
    Plain,
    Transparent,
    pivot,
    radius,
)
from turnaround.types import InputError, Pinhole

HEIGHT, WIDTH = 40, 60


def rectangle(top, bottom, left, right):
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


MIDDLE = rectangle(12, 30, 20, 38)


def picture(alpha=None):
    image = torch.rand(3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    return Picture(image=image, alpha=alpha, focal=None)


def scene(mask, *, near=2.0, far=8.0):
    return torch.where(mask, near, far)


def test_alpha_counts_from_half_opacity_on():
    alpha = torch.where(MIDDLE, 0.5, 0.49)
    assert torch.equal(FromAlpha().mask(picture(alpha), scene(~MIDDLE)), MIDDLE)


@pytest.mark.parametrize("alpha", [None, torch.zeros(HEIGHT, WIDTH)])
def test_alpha_that_is_missing_or_empty_is_refused(alpha):
    with pytest.raises(InputError, match="give"):
        FromAlpha().mask(picture(alpha), scene(MIDDLE))


def test_a_mask_file_may_be_larger_in_the_same_shape(tmp_path):
    path = tmp_path / "mask.png"
    large = MIDDLE.float().expand(3, -1, -1).repeat_interleave(3, 1).repeat_interleave(3, 2)
    write_image(path, large)
    assert torch.equal(FromFile(str(path)).mask(picture(), scene(~MIDDLE)), MIDDLE)
    write_image(path, MIDDLE.float().expand(3, -1, -1))
    assert torch.equal(FromFile(str(path)).mask(picture(), scene(~MIDDLE)), MIDDLE)


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (torch.zeros(3, HEIGHT, WIDTH), "none"),
        (torch.ones(3, HEIGHT, WIDTH - 1), "59 x 40"),
        (torch.ones(3, WIDTH, HEIGHT), "40 x 60"),
        (torch.ones(3, 20, 30), "30 x 20"),
    ],
)
def test_a_mask_file_that_is_empty_or_of_another_size_is_refused(tmp_path, image, found):
    write_image(tmp_path / "mask.png", image)
    with pytest.raises(InputError, match=f"mask.png: .*found {found}"):
        FromFile(str(tmp_path / "mask.png")).mask(picture(), scene(MIDDLE))


def test_a_mask_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        FromFile(str(tmp_path / "mask.png")).mask(picture(), scene(MIDDLE))


def test_depth_finds_what_is_nearer_and_closes_its_holes():
    depth = scene(MIDDLE)
    depth[18:20, 25:28] = 8.0
    assert torch.equal(FromDepth().mask(picture(), depth), MIDDLE)


def test_of_equal_things_the_central_one_is_taken_and_of_central_ones_the_larger():
    aside, beside = rectangle(12, 30, 2, 16), rectangle(26, 30, 40, 44)
    assert torch.equal(FromDepth().mask(picture(), scene(MIDDLE | aside)), MIDDLE)
    assert torch.equal(FromDepth().mask(picture(), scene(MIDDLE | beside)), MIDDLE)


def test_a_level_floor_is_not_the_subject_though_it_is_nearer():
    rows = torch.arange(HEIGHT)[:, None].expand(HEIGHT, WIDTH)
    floor = torch.where(rows > 10, 160 / (rows - 10).clamp(min=1), 20.0).clamp(max=20.0)
    depth = torch.where(MIDDLE, floor[29, 0], floor)  # upright, on the floor at row 29
    assert depth[MIDDLE].min() > depth.min()
    found = FromDepth().mask(picture(), depth)
    # near the foot the subject is hardly nearer than the floor beside it: the threshold of two modes takes some rows
    assert not (found & ~MIDDLE).any()
    assert torch.equal(found[:22], MIDDLE[:22])
    assert found.sum() > 0.6 * MIDDLE.sum()


def test_sky_and_unknown_pixels_are_background():
    depth = scene(MIDDLE)
    depth[:8] = torch.inf
    depth[0:40, 0:3] = torch.nan
    depth[10, 50] = -1.0
    assert torch.equal(FromDepth().mask(picture(), depth), MIDDLE)


@pytest.mark.parametrize("depth", [3.0, torch.nan, torch.inf])
def test_depth_of_which_nothing_stands_out_is_refused(depth):
    with pytest.raises(InputError, match="nearer than the rest"):
        FromDepth().mask(picture(), torch.full((HEIGHT, WIDTH), depth))


def test_automatic_takes_alpha_only_where_it_says_something():
    other = rectangle(2, 20, 20, 30)
    depth = scene(MIDDLE)
    assert torch.equal(Automatic().mask(picture(other.float()), depth), other)
    assert torch.equal(Automatic().mask(picture(torch.ones(HEIGHT, WIDTH)), depth), MIDDLE)
    assert torch.equal(Automatic().mask(picture(), depth), MIDDLE)


def test_the_pivot_is_at_the_median_of_known_depths_in_the_middle_of_the_subject():
    k = torch.tensor([[50.0, 0, WIDTH / 2], [0, 50, HEIGHT / 2], [0, 0, 1]])
    camera = Pinhole(world_from_cam=torch.eye(4)[None], intrinsics=k[None], height=HEIGHT, width=WIDTH)
    place = 3 * torch.tensor([-1.0 / 50, 1.0 / 50, 1.0], dtype=torch.float64)  # the middle is (29, 21), at 3 m
    depth = torch.full((HEIGHT, WIDTH), 100.0)
    depth[MIDDLE] = torch.cat([torch.full((100,), 2.0), torch.full((124,), 3.0), torch.full((100,), 7.0)])
    torch.testing.assert_close(pivot(depth, MIDDLE, camera), place)
    depth[12, 20:38] = torch.nan
    depth[13, 20:38] = torch.inf
    torch.testing.assert_close(pivot(depth, MIDDLE, camera), place)
    with pytest.raises(InputError, match="known depth"):
        pivot(torch.full_like(depth, torch.nan), MIDDLE, camera)


def test_a_ball_around_the_pivot_holds_a_flat_subject():
    k = torch.tensor([[50.0, 0, WIDTH / 2], [0, 50, HEIGHT / 2], [0, 0, 1]])
    camera = Pinhole(world_from_cam=torch.eye(4)[None], intrinsics=k[None], height=HEIGHT, width=WIDTH)
    depth = scene(MIDDLE, near=2.0)
    found = radius(depth, MIDDLE, camera, pivot(depth, MIDDLE, camera))
    corner = 2.0 / 50 * 8.5 * 2**0.5  # of an 18 x 18 pixel square, from its middle, at 2 m
    assert corner < found <= 1.1 * corner  # the ball has a tenth of room, less what 2 % of the pixels reach beyond


def test_backgrounds_leave_the_subject_bit_for_bit():
    image = picture().image
    for background, rest in (
        (Keep(), image),
        (Plain(color=[1, 0.5, 0.0]), torch.tensor([1, 0.5, 0])[:, None, None]),
        (Transparent(), torch.tensor(0.0)),
    ):
        assert torch.equal(background.apply(image, MIDDLE), torch.where(MIDDLE, image, rest))


@pytest.mark.parametrize("color", [[1, 1], [0, 0, 256], [0.5, 0.5, float("nan")]])
def test_what_is_no_colour_is_refused(color):
    with pytest.raises(InputError, match="three numbers"):
        Plain(color=color)
