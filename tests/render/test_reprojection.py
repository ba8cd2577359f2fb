import dataclasses

import pytest
import torch
from warped_views import (
    COLUMNS,
    EDGES,
    HEIGHT,
    MOVES,
    ROWS,
    WIDTH,
    beside,
    box_before_wall,
    exact_holes,
    noise,
    sampled,
    seen_of_two_planes,
    two_planes,
    view_of,
)

from turnaround.geometry.stereo import view_of_disparity
from turnaround.render.engine import forward_splat
from turnaround.render.reprojection import Lookup, backward_warp, double_reprojection, warp_back
from turnaround.scenes.observe import surface
from turnaround.types import InputError, View

LOOKUP = Lookup(least_area=0.3, depth_tolerance=0.02)


def right_of_two_planes(near, far):
    """The left view, the right camera, the right picture's exact depth: the far plane's where the left sees none."""
    view, right = two_planes(near, far)
    seen = seen_of_two_planes(near, far)
    depth = torch.where(seen < 0, WIDTH / far, view.depth.flatten()[seen.clamp(min=0)])
    return view, right, depth, seen


def shown_twice(near, far):
    """Left pixels that the right camera sees: the far plane's are hidden where the near one lands."""
    seen = seen_of_two_planes(near, far)
    mask = torch.zeros(HEIGHT * WIDTH, dtype=torch.bool)
    mask[seen[seen >= 0]] = True
    return mask.reshape(HEIGHT, WIDTH)


@pytest.mark.parametrize(("near", "far"), [(6, 2), (6.5, 2), (6.25, 2.75)])
def test_looked_up_holes_of_two_planes_are_where_the_disparities_say(near, far):
    view, right, depth, seen = right_of_two_planes(near, far)
    warped = backward_warp(view, right, depth, lookup=LOOKUP)
    assert torch.equal(warped.hole, seen < 0)
    assert torch.equal(warped.source, seen)
    assert torch.equal(warped.depth[~warped.hole], depth[~warped.hole])
    assert warped.depth[warped.hole].isnan().all()
    assert (warped.image[:, warped.hole] == 0).all()


def test_looked_up_colours_are_bilinear_on_one_surface():
    view, right, depth, _ = right_of_two_planes(6.25, 2)
    warped = backward_warp(view, right, depth, lookup=LOOKUP)
    inner = (slice(None), slice(5, 14), slice(6, 14))  # left columns 12 to 19 and a quarter
    expected = 0.75 * view.image[:, 5:14, 12:20] + 0.25 * view.image[:, 5:14, 13:21]
    torch.testing.assert_close(warped.image[inner], expected, rtol=0, atol=1e-5)  # float32 depths
    last = (slice(None), slice(5, 14), 14)  # column 20 of the near plane, beside which lies the far one
    assert torch.equal(warped.image[last], view.image[:, 5:14, 20])


@pytest.mark.parametrize("move", MOVES)
def test_looked_up_holes_are_what_the_oracle_says_up_to_a_pixel_at_edges(move):
    scene = box_before_wall(move)
    truth = surface(scene, 1)
    warped = backward_warp(view_of(scene), scene.camera.at(1), truth.depth, lookup=LOOKUP)
    exact = exact_holes(scene, source=0, target=1)
    border = beside(exact) | beside(truth.ids == 1)
    wrong = warped.hole != exact
    assert not (wrong & ~border).any()
    assert wrong.sum() <= border.sum() / 4  # the depth test takes the nearest pixel: half a pixel at one of two sides


def test_what_is_stretched_is_a_hole():
    """A ramp of disparities: 1 - slope pixels of the view for each of the target, by the derivative of x + d(x)."""
    for slope, hole in ((0.5, False), (0.8, True)):
        ramp = 20 - slope * torch.arange(24.0)
        view, right = view_of_disparity(noise(3, 4, 24), torch.full((4, 24), 0.5))
        depth = (24 / ramp).expand(4, 24).contiguous()
        warped = backward_warp(view, right, depth, lookup=dataclasses.replace(LOOKUP, depth_tolerance=1e9))
        inside = (torch.arange(24) + 0.5 + ramp < 24).expand(4, 24)
        assert inside.any()
        assert torch.equal(warped.hole, torch.full_like(inside, True) if hole else ~inside)


def test_a_camera_that_goes_nearer_stretches_nothing():
    scene = box_before_wall("towards")
    warped = backward_warp(
        view_of(scene), scene.camera.at(1), surface(scene, 1).depth, lookup=Lookup(least_area=0.9, depth_tolerance=0.02)
    )
    assert not warped.hole[~beside(surface(scene, 1).ids == 1)].any()  # magnified 1.2 and 1.6 times


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_camera_that_stays_loses_nothing(seed):
    view = view_of(sampled(seed))
    for warped in (
        backward_warp(view, view.camera, view.depth, lookup=LOOKUP),
        double_reprojection(view, view.camera, edges=EDGES, lookup=LOOKUP),
        warp_back(view, view.camera, edges=EDGES),
    ):
        assert torch.equal(warped.image, view.image)
        assert torch.equal(warped.depth, view.depth)
        assert torch.equal(warped.source.flatten(), torch.arange(view.depth.numel()))


def test_there_and_back_leaves_what_the_other_camera_sees():
    view, right = two_planes(6, 2)
    for warped in (
        double_reprojection(view, right, edges=EDGES, lookup=LOOKUP),
        warp_back(view, right, edges=EDGES),
    ):
        seen = shown_twice(6, 2)
        assert torch.equal(~warped.hole, seen)
        # whole disparities: each pixel comes back to where it was
        assert torch.equal(warped.source[seen], torch.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)[seen])
        assert torch.equal(warped.image[:, seen], view.image[:, seen])
        torch.testing.assert_close(warped.depth[seen], view.depth[seen])
    hidden = ~shown_twice(6, 2)
    assert hidden[ROWS, COLUMNS.start - 4 : COLUMNS.start].all()  # the far plane behind the near one's landing
    assert hidden.sum() == 9 * 4 + HEIGHT * 2  # and the columns that leave the picture


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_survives_is_what_both_cameras_see(seed):
    """Against the oracle, at whole-world scale: pixels away from edges agree."""
    scene = sampled(seed)
    view, camera = view_of(scene), scene.camera.at(3)
    exact = exact_holes(scene, source=3, target=0)
    edges = beside(exact, 2) | beside_edges(surface(scene, 0).ids)
    for warped in (
        double_reprojection(view, camera, edges=EDGES, lookup=LOOKUP),
        warp_back(view, camera, edges=EDGES),
    ):
        wrong = (warped.hole != exact) & ~edges
        assert wrong.float().mean() < 0.02  # surfaces seen at a grazing angle, beyond the limits of stretch
        error = (warped.image - view.image)[:, ~warped.hole & ~edges].abs().mean()
        assert error < (view.image[..., 1:] - view.image[..., :-1]).abs().mean()  # as if moved by a pixel


def beside_edges(ids):
    """Pixels within one of a border between bodies."""
    return torch.stack([beside(ids == body) for body in ids.unique()]).any(dim=0)


def test_sources_lead_to_the_view_itself():
    """A picture that holds its own pixels' numbers comes back with the numbers that `source` states."""
    scene = sampled(2)
    view, camera = view_of(scene), scene.camera.at(3)
    for warped in (
        double_reprojection(view, camera, edges=EDGES, lookup=LOOKUP),
        warp_back(view, camera, edges=EDGES),
    ):
        seen = ~warped.hole
        assert (warped.source[~seen] == -1).all()
        width = view.depth.shape[1]
        rows, columns = warped.source // width, warped.source % width
        here = torch.meshgrid(*(torch.arange(size) for size in view.depth.shape), indexing="ij")
        apart = torch.maximum((rows - here[0]).abs(), (columns - here[1]).abs())[seen]
        assert (apart <= 2).float().mean() > 0.99  # each lookup moves by up to one pixel


def test_gradients_of_lookups_flow_to_the_image():
    view, right, depth, _ = right_of_two_planes(6, 2)
    image = view.image.clone().requires_grad_()
    warped = backward_warp(dataclasses.replace(view, image=image), right, depth, lookup=LOOKUP)
    warped.image.sum().backward()
    assert image.grad is not None
    # whole disparities: each left pixel that is seen gives its colour once
    torch.testing.assert_close(image.grad, shown_twice(6, 2).float().expand(3, -1, -1), rtol=0, atol=1e-5)
    survived = double_reprojection(dataclasses.replace(view, image=image), right, edges=EDGES, lookup=LOOKUP)
    assert survived.image.requires_grad


def test_depths_that_are_unknown_are_holes():
    view, right, depth, seen = right_of_two_planes(6, 2)
    blind = depth.clone()
    blind[3, 4] = torch.nan
    holes = backward_warp(view, right, blind, lookup=LOOKUP).hole
    assert torch.equal(
        holes != (seen < 0), torch.zeros_like(holes).index_put((torch.tensor(3), torch.tensor(4)), torch.tensor(True))
    )
    own = view.depth.clone()
    own.flatten()[seen[3, 4]] = torch.nan
    assert backward_warp(dataclasses.replace(view, depth=own), right, depth, lookup=LOOKUP).hole[3, 4]


def test_a_depth_of_another_size_is_refused():
    view, right, depth, _ = right_of_two_planes(6, 2)
    with pytest.raises(InputError, match=r"depth: expected \(20, 32\)"):
        backward_warp(view, right, depth[:-1], lookup=LOOKUP)


def test_a_warped_view_is_a_view():
    """Where a splat saw something, it sees the same from where it stands."""
    view, right = two_planes(6, 2)
    there = forward_splat(view, right, edges=EDGES)
    again = forward_splat(View(image=there.image, depth=there.depth, camera=right), right, edges=EDGES)
    assert torch.equal(again.hole, there.hole)
    assert torch.equal(again.image, there.image)
