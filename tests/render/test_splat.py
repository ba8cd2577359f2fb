"""Both forward splats against closed forms and the oracle, and the soft splat; see also `test_fast_splat`."""

import dataclasses
import math

import pytest
import torch
from warped_views import (
    EDGES,
    HEIGHT,
    MOVES,
    WIDTH,
    beside,
    box_before_wall,
    exact_holes,
    noise,
    pose,
    sampled,
    seen_of_two_planes,
    two_planes,
    view_of,
)

from turnaround.geometry.stereo import view_of_disparity
from turnaround.render import engine, fast_splat, splat
from turnaround.render.elements import Edges, pixel_map, positions
from turnaround.scenes.observe import surface
from turnaround.types import InputError, Pinhole, View

BOTH = pytest.mark.parametrize("forward_splat", [splat.forward_splat, fast_splat.forward_splat], ids=["torch", "numba"])


def square_camera(size, *, focal, world_from_cam=None):
    k = torch.tensor([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]]).double()
    return Pinhole(
        world_from_cam=(pose() if world_from_cam is None else world_from_cam)[None],
        intrinsics=k[None],
        height=size,
        width=size,
    )


def plane(size, *, distance=2.0, channels=3):
    depth = torch.full((size, size), distance)
    return View(image=noise(channels, size, size), depth=depth, camera=square_camera(size, focal=float(size)))


@BOTH
@pytest.mark.parametrize(("near", "far"), [(6, 2), (9, 1), (6.5, 2.5), (6.5, 2), (5.25, 1.5), (7.9, 0.1)])
def test_holes_of_two_planes_are_where_the_disparities_say(forward_splat, near, far):
    view, right = two_planes(near, far)
    warped = forward_splat(view, right, edges=EDGES)
    expected = seen_of_two_planes(near, far)
    assert torch.equal(warped.source, expected)
    assert torch.equal(warped.hole, expected < 0)
    assert torch.equal(warped.depth.isnan(), warped.hole)
    assert (warped.image[:, warped.hole] == 0).all()


@BOTH
def test_whole_disparities_move_colours_and_depths_unchanged(forward_splat):
    view, right = two_planes(6, 2)
    warped = forward_splat(view, right, edges=EDGES)
    seen, source = ~warped.hole, warped.source[~warped.hole]
    assert torch.equal(warped.image[:, seen], view.image.flatten(1)[:, source])
    assert torch.equal(warped.depth[seen], view.depth.flatten()[source])


@BOTH
def test_half_disparities_mix_neighbours_of_one_surface_in_halves(forward_splat):
    """At the centre of a right pixel lies the border of two left ones, of which the right one is the source."""
    view, right = two_planes(6.5, 2.5)
    warped = forward_splat(view, right, edges=EDGES)
    inner = (slice(None), slice(5, 14), slice(6, 14))  # of the near plane: left columns 13 to 20 and those before
    expected = (view.image[:, 5:14, 13:21] + view.image[:, 5:14, 12:20]) / 2
    torch.testing.assert_close(warped.image[inner], expected)
    first = (slice(None), slice(5, 14), 5)  # the near plane's first column has only the far plane beside it
    assert torch.equal(warped.image[first], view.image[:, 5:14, 12])


@BOTH
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_camera_that_stays_sees_the_view_bit_for_bit(forward_splat, seed):
    scene = sampled(seed)
    view = view_of(scene)
    single = Pinhole(
        world_from_cam=view.camera.world_from_cam.float(),  # orthonormal to 1e-7 only
        intrinsics=view.camera.intrinsics.float(),
        height=view.camera.height,
        width=view.camera.width,
    )
    for camera in (view.camera, single):
        warped = forward_splat(dataclasses.replace(view, camera=camera), camera, edges=EDGES)
        assert torch.equal(warped.image, view.image)
        assert torch.equal(warped.depth, view.depth)
        assert torch.equal(warped.source.flatten(), torch.arange(view.depth.numel()))
        assert not warped.hole.any()


@BOTH
@pytest.mark.parametrize("move", MOVES)
def test_holes_are_what_the_oracle_says_up_to_a_pixel_at_their_borders(forward_splat, move):
    """Ray casting tells which points of the moved camera's pixels the first camera sees."""
    scene = box_before_wall(move)
    warped = forward_splat(view_of(scene), scene.camera.at(1), edges=EDGES)
    exact = exact_holes(scene, source=0, target=1)
    wrong = warped.hole != exact
    assert not (wrong & ~beside(exact)).any()
    # an outline lies anywhere between two pixel centres, in the view and in the target: at most half of the pixels
    # on both sides of a border can fall on its wrong side
    assert wrong.sum() <= beside(exact).sum() / 2
    assert move == "towards" or exact.sum() > 500


@BOTH
@pytest.mark.parametrize("seed", range(4))
def test_holes_of_sampled_worlds_are_the_oracles(forward_splat, seed):
    scene = sampled(seed, height=96, width=128)
    warped = forward_splat(view_of(scene), scene.camera.at(3), edges=EDGES)
    exact = exact_holes(scene, source=0, target=3)
    ids = surface(scene, 3).ids
    edges = torch.stack([beside(exact), *(beside(ids == body) for body in ids.unique())]).any(dim=0)
    assert (exact & ~edges).sum() > 30
    assert not (exact & ~warped.hole & ~edges).any()
    # what is seen at a grazing angle grows by more than `stretch` or recedes by more than `depth_ratio` per pixel
    assert (warped.hole & ~exact & ~edges).float().mean() < 0.02


@BOTH
@pytest.mark.parametrize("move", MOVES)
def test_no_background_shows_through_foreground(forward_splat, move):
    scene = box_before_wall(move)
    ids = [surface(scene, frame).ids for frame in (0, 1)]
    box = ids[1] == 1
    warped = forward_splat(view_of(scene), scene.camera.at(1), edges=EDGES)
    shown = torch.where(warped.hole, -1, ids[0].flatten()[warped.source.clamp(min=0)])
    inside = box & ~beside(box)
    assert inside.sum() > 800
    assert (shown[inside] == 1).all()


@BOTH
def test_depths_of_a_slanted_plane_are_those_of_the_plane(forward_splat):
    """1 / z is linear over the picture of a plane, and so are its bilinear mixtures."""
    scene = box_before_wall("around")
    truth = surface(scene, 1)
    warped = forward_splat(view_of(scene), scene.camera.at(1), edges=EDGES)
    inner = ~warped.hole & ~beside(truth.ids == 1) & ~beside(warped.hole)
    # positions are rounded to 2^-12 pixels: 1e-6 of the depth where it grows by 1 % per pixel
    torch.testing.assert_close(warped.depth[inner], truth.depth[inner], rtol=1e-5, atol=0)


@BOTH
def test_magnified_surfaces_stay_closed_up_to_the_stretch_and_are_cut_beyond(forward_splat):
    view = plane(16)
    for nearer, holes in ((1.5, False), (1.7, True)):  # 4 times and 6.7 times as large
        camera = square_camera(16, focal=16.0, world_from_cam=pose(shift=(0.0, 0.0, nearer)))
        warped = forward_splat(view, camera, edges=Edges(depth_ratio=0.05, stretch=4.0))
        assert warped.hole.any() == holes


@BOTH
def test_boxes_of_a_rolled_plane_are_the_bounds_of_its_pixels_and_ties_go_to_the_lowest(forward_splat):
    """By hand: turned by 25 degrees, a pixel reaches (cos + sin) / 2 along both axes; all depths are the same."""
    size, angle = 6, math.radians(25)
    view = plane(size)
    camera = square_camera(size, focal=6.0, world_from_cam=pose(axis=(0.0, 0.0, 1.0), degrees=25.0))
    warped = forward_splat(view, camera, edges=EDGES)
    reach = (math.cos(angle) + math.sin(angle)) / 2
    row, column = torch.meshgrid(torch.arange(size) + 0.5 - 3, torch.arange(size) + 0.5 - 3, indexing="ij")
    u = (math.cos(angle) * column + math.sin(angle) * row).flatten() + 3
    v = (-math.sin(angle) * column + math.cos(angle) * row).flatten() + 3
    centre = torch.arange(size) + 0.5
    covers = ((centre[:, None, None] - v).abs() < reach) & ((centre[None, :, None] - u).abs() < reach)
    assert (covers.sum(dim=-1) > 1).sum() > 10
    lowest = torch.where(covers, torch.arange(size * size), size * size).amin(dim=-1)
    assert torch.equal(warped.source, torch.where(lowest == size * size, -1, lowest))


@BOTH
def test_rolled_colours_are_bilinear_at_the_place_in_the_view(forward_splat):
    """A picture that is linear in x and y stays so, whichever of the covering pixels wins."""
    size = 16
    x, y = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="xy")
    view = dataclasses.replace(plane(size), image=torch.stack([x, y]))
    camera = square_camera(size, focal=float(size), world_from_cam=pose(axis=(0.0, 0.0, 1.0), degrees=30.0))
    warped = forward_splat(view, camera, edges=EDGES)
    u, v, _ = positions(torch.full((size, size), 2.0).double(), pixel_map(camera, view.camera))
    inner = ~warped.hole & (u > 1) & (u < size - 1) & (v > 1) & (v < size - 1)
    assert inner.sum() > 100
    # rounded to 2^-12 pixels
    torch.testing.assert_close(warped.image[:, inner], torch.stack([u, v])[:, inner].float(), rtol=0, atol=1e-3)


@BOTH
def test_a_surface_seen_from_behind_hides_and_is_a_hole(forward_splat):
    """The camera stands behind the plane and looks back at it."""
    view = plane(16, distance=2.0)
    camera = square_camera(16, focal=16.0, world_from_cam=pose(shift=(0.0, 0.0, 4.0), degrees=180.0))
    assert forward_splat(view, camera, edges=EDGES).hole.all()


@BOTH
def test_unknown_depths_and_points_behind_the_camera_are_no_elements(forward_splat):
    view = plane(8)
    for unknown in (torch.nan, 0.0, -1.0, torch.inf):
        depth = view.depth.clone()
        depth[2, 3] = unknown
        warped = forward_splat(dataclasses.replace(view, depth=depth), view.camera, edges=EDGES)
        assert warped.hole.nonzero().tolist() == [[2, 3]]
    beyond = square_camera(8, focal=8.0, world_from_cam=pose(shift=(0.0, 0.0, 2.5)))
    warped = forward_splat(view, beyond, edges=EDGES)
    assert warped.hole.all()
    assert (warped.source == -1).all()


@BOTH
def test_targets_of_another_size(forward_splat):
    """A camera of twice the focal length and size shows each pixel as 2 x 2; one of half takes one of 2 x 2."""
    view = plane(8)
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    large = forward_splat(view, square_camera(16, focal=16.0), edges=EDGES)
    assert torch.equal(large.source, rows // 2 * 8 + columns // 2)
    small = forward_splat(view, square_camera(4, focal=4.0), edges=EDGES)
    # the centre lies on the corner of four source pixels, of which the half-open boxes give it to the last
    assert torch.equal(small.source, (rows * 2 + 1)[:4, :4] * 8 + (columns * 2 + 1)[:4, :4])
    torch.testing.assert_close(small.image, torch.nn.functional.avg_pool2d(view.image, 2))


@BOTH
def test_what_does_not_belong_together_is_refused(forward_splat):
    view = plane(8)
    twice = torch.cat([view.camera.world_from_cam] * 2)
    moving = dataclasses.replace(view.camera, world_from_cam=twice, intrinsics=view.camera.intrinsics.expand(2, 3, 3))
    with pytest.raises(InputError, match=r"view\.camera: expected a camera of \(8, 8\)"):
        forward_splat(dataclasses.replace(view, camera=square_camera(9, focal=8.0)), view.camera, edges=EDGES)
    with pytest.raises(InputError, match="expected one frame, found 2"):
        forward_splat(view, moving, edges=EDGES)


def test_the_gradient_of_the_image_is_the_transpose():
    view, right = two_planes(6, 2)
    image = view.image.clone().requires_grad_()
    warped = engine.forward_splat(dataclasses.replace(view, image=image), right, edges=EDGES)
    weights = noise(3, HEIGHT, WIDTH, seed=1)
    (warped.image * weights).sum().backward()
    expected = torch.zeros(3, HEIGHT * WIDTH)
    seen = ~warped.hole
    expected[:, warped.source[seen]] = weights[:, seen]  # whole disparities: each is seen once
    assert image.grad is not None
    assert torch.equal(image.grad.flatten(1), expected)


def test_a_soft_splat_of_whole_disparities_is_the_hard_one():
    view, right = two_planes(6, 2)
    soft = splat.soft_splat(view, right, sharpness=200.0)
    hard = splat.forward_splat(view, right, edges=EDGES)
    assert torch.equal(soft.hole, hard.hole)
    assert torch.equal(soft.source, hard.source)
    # exp(-200 * (1 - 1 / 3)) is less than float32 resolves
    torch.testing.assert_close(soft.image, hard.image)
    torch.testing.assert_close(soft.depth, hard.depth, equal_nan=True)


def test_soft_weights_are_bilinear_times_the_exponential_of_nearness():
    """Two pixels by hand: disparities 1.5 and 2.75 of columns 2 and 3 both reach column 0, with shares 1/2 and 3/4."""
    disparity = torch.tensor([[torch.nan, torch.nan, 1.5, 2.75]])
    view, right = view_of_disparity(torch.tensor([[[0.0, 0.0, 0.25, 1.0]]]), disparity)
    warped = splat.soft_splat(view, right, sharpness=3.0)
    far, near = 0.5 * math.exp(3 * 1.5 / 2.75), 0.75 * math.exp(3.0)
    assert warped.image[0, 0, 0].item() == pytest.approx((0.25 * far + near) / (far + near), abs=1e-6)
    assert warped.depth[0, 0].item() == pytest.approx((4 / 1.5 * far + 4 / 2.75 * near) / (far + near), rel=1e-6)
    assert warped.source.tolist() == [[3, 3 if 0.25 * math.exp(3.0) > 0.5 * math.exp(3 * 1.5 / 2.75) else 2, -1, -1]]
    assert warped.hole.tolist() == [[False, False, True, True]]


@pytest.mark.parametrize("sharpness", [0.0, 1.0, 1000.0])
def test_soft_weights_neither_overflow_nor_vanish(sharpness):
    scene = sampled(2)
    warped = splat.soft_splat(view_of(scene), scene.camera.at(3), sharpness=sharpness)
    assert warped.image.isfinite().all()
    assert torch.equal(warped.depth.isnan(), warped.hole)
    assert (warped.source[~warped.hole] >= 0).all()


def test_soft_gradients_are_those_of_finite_differences():
    depth = 1 + noise(3, 4).double()
    view = plane(4, channels=2)
    camera = Pinhole(world_from_cam=view.camera.world_from_cam, intrinsics=view.camera.intrinsics, height=3, width=4)
    moved = dataclasses.replace(camera, world_from_cam=pose(shift=(0.13, 0.07, 0.05), degrees=3.0)[None])

    def splatted(image, depth):
        warped = splat.soft_splat(View(image=image, depth=depth, camera=camera), moved, sharpness=2.0)
        return warped.image, warped.depth.nan_to_num()

    image = noise(2, 3, 4, seed=1).double().requires_grad_()
    assert torch.autograd.gradcheck(splatted, (image, depth.requires_grad_()), eps=1e-7, atol=1e-5)


def test_soft_splats_see_no_unknown_depth():
    view = plane(8)
    depth = view.depth.clone()
    depth[2, 3] = torch.nan
    warped = splat.soft_splat(dataclasses.replace(view, depth=depth), view.camera, sharpness=10.0)
    assert warped.hole.nonzero().tolist() == [[2, 3]]
    torch.testing.assert_close(warped.image[:, ~warped.hole], view.image[:, ~warped.hole])


def test_soft_gradients_are_finite_where_points_lie_at_the_camera_or_behind_it():
    view = plane(8)
    depth = view.depth.clone()
    depth[:, 4:] = 4.0
    depth[0, 0], depth[0, 1] = 1.0, torch.nan
    depth.requires_grad_()
    camera = square_camera(8, focal=8.0, world_from_cam=pose(shift=(0.0, 0.0, 2.0)))
    warped = splat.soft_splat(dataclasses.replace(view, depth=depth), camera, sharpness=10.0)
    assert not warped.hole.all()
    (warped.image.sum() + warped.depth.nansum()).backward()
    assert depth.grad is not None
    assert depth.grad.isfinite().all()
    assert depth.grad[:, 4:].abs().sum() > 0
