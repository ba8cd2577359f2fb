from dataclasses import replace

import pytest
import torch
from inpainting import camera

from turnaround.geometry.se3 import rigid
from turnaround.render.cache import Surfaces, is_in_sight, render
from turnaround.render.elements import Edges
from turnaround.render.engine import forward_splat
from turnaround.types import KeyView, Provenance, SceneCache, View

HEIGHT, WIDTH = 16, 24
SURFACES = Surfaces(edges=Edges(depth_ratio=0.1, stretch=3.0), tolerance=0.05, company=0, window=0.0, density=0.0)


def moved(x, z=0.0):
    pose = rigid(torch.eye(3), torch.tensor([x, 0.0, z]))[None]
    return replace(camera(HEIGHT, WIDTH), world_from_cam=pose)


def key(depth, color, step, at=None, label=Provenance.OBSERVED, confidence=1.0):
    depth = torch.full((HEIGHT, WIDTH), depth) if isinstance(depth, float) else depth
    image = torch.full((3, HEIGHT, WIDTH), color) if isinstance(color, float) else color
    return KeyView(
        view=View(image=image, depth=depth, camera=at or camera(HEIGHT, WIDTH)),
        label=torch.full((HEIGHT, WIDTH), int(label), dtype=torch.uint8),
        confidence=torch.full((HEIGHT, WIDTH), confidence),
        step=step,
    )


def test_the_own_camera_gives_its_view_bit_for_bit():
    generator = torch.Generator().manual_seed(0)
    depth = 2 + 3 * torch.rand(HEIGHT, WIDTH, generator=generator)  # edges everywhere
    first = key(depth, torch.rand(3, HEIGHT, WIDTH, generator=generator), 0)
    before = key(1.0, 0.5, 1, label=Provenance.GENERATED)  # stands in free space, and is not believed
    lonely = replace(SURFACES, company=8)
    seen = render(SceneCache(views=(first, before)), camera(HEIGHT, WIDTH), lonely)
    assert torch.equal(seen.image, first.view.image)
    assert torch.equal(seen.depth, depth)
    assert not seen.hole.any()
    assert (seen.label == 0).all()
    assert (seen.step == 0).all()


def test_the_nearest_surface_is_seen_and_of_one_surface_the_first_view():
    far, near, same = key(4.0, 0.1, 0), key(2.0, 0.7, 1, at=moved(0.01)), key(2.02, 0.9, 2, at=moved(0.01))
    seen = render(SceneCache(views=(far, near, same)), moved(-0.01), SURFACES)
    inner = (slice(2, -2), slice(2, -2))
    assert (seen.step[inner] == 1).all()
    assert (seen.image[0][inner] == 0.7).all()
    assert torch.equal(render(SceneCache(views=(far, same, near)), moved(-0.01), SURFACES).step, seen.step)


def test_what_lies_behind_shows_where_the_front_moves_away():
    depth = torch.full((HEIGHT, WIDTH), 2.0)
    depth[:, : WIDTH // 2] = torch.nan
    front = key(depth, 0.7, 0)
    back = key(6.0, 0.2, 1, label=Provenance.GENERATED, confidence=0.25)
    seen = render(SceneCache(views=(front,), behind=(back,)), moved(-0.5), SURFACES)
    shown = seen.step == 1
    assert shown.any()
    assert (seen.step == 0).any()
    assert (seen.label[shown] == int(Provenance.GENERATED)).all()
    assert (seen.confidence[shown] == 0.25).all()
    hidden = seen.depth[seen.step == 0]
    assert (hidden < 3).all()


def test_holes_are_of_no_view():
    seen = render(SceneCache(views=(key(2.0, 0.5, 0),)), moved(1.0), SURFACES)
    assert seen.hole.any()
    assert not seen.hole.all()
    assert (seen.image[:, seen.hole] == 0).all()
    assert seen.depth[seen.hole].isnan().all()
    assert (seen.label[seen.hole] == int(Provenance.GENERATED)).all()
    assert (seen.confidence[seen.hole] == 0).all()
    assert (seen.step[seen.hole] == -1).all()


def test_lonely_pixels_are_left_out():
    depth = torch.full((HEIGHT, WIDTH), torch.nan)
    depth[4, 4] = depth[8:12, 8:12] = 2.0
    cache = SceneCache(views=(key(depth, 0.5, 0),))
    away = moved(1e-3)
    assert not render(cache, away, SURFACES).hole[4, 4]
    seen = render(cache, away, replace(SURFACES, company=3))
    assert seen.hole[4, 4]
    assert not seen.hole[8:12, 8:11].any()  # a corner of the square has three


def test_what_is_sparse_is_left_out_and_what_is_dense_stays():
    depth = torch.full((HEIGHT, WIDTH), torch.nan)
    depth[5:10:2, 5:10:2] = 2.0  # nine pixels: of the 25 around each four, six or all nine
    depth[4:12, 14:22] = 2.0  # of those around its corners nine are known, around those beside the corners twelve
    cache = SceneCache(views=(key(depth, 0.5, 0),))
    filtered = replace(SURFACES, window=2 / HEIGHT)
    known = depth > 0
    assert torch.equal(~render(cache, moved(1e-3), replace(filtered, density=0.15)).hole, known)
    dense = known.clone()
    dense[:, :12] = False
    dense[4:12:7, 14:22:7] = False
    seen = render(cache, moved(1e-3), replace(filtered, density=0.4))
    assert torch.equal(~seen.hole, dense)
    assert (seen.image[:, seen.hole] == 0).all()
    # the view's own camera sees all of it
    assert torch.equal(~render(cache, camera(HEIGHT, WIDTH), replace(filtered, density=0.4)).hole, known)


def test_over_the_edge_of_the_picture_a_surface_goes_on():
    cache = SceneCache(views=(key(2.0, 0.5, 0),))
    assert not render(cache, moved(1e-3), replace(SURFACES, window=5 / HEIGHT, density=1.0)).hole.any()


def test_each_view_is_dense_or_sparse_by_itself():
    """Two halves of a chessboard make a whole picture, and yet are both sparse."""
    odd = (torch.arange(HEIGHT)[:, None] + torch.arange(WIDTH)) % 2 == 1
    parts = [key(torch.where(which, 2.0, torch.nan), 0.5, step) for step, which in enumerate((odd, ~odd))]
    cache = SceneCache(views=tuple(parts))
    assert not render(cache, moved(1e-3), replace(SURFACES, window=1 / HEIGHT, density=0.1)).hole.any()
    assert render(cache, moved(1e-3), replace(SURFACES, window=1 / HEIGHT, density=0.8)).hole.all()


def behind_the_camera():
    """A camera at the same place that looks the other way."""
    return replace(camera(HEIGHT, WIDTH), world_from_cam=torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0]))[None])


def assert_same(one, other):
    for name in ("image", "depth", "hole", "label", "confidence", "step"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=0, atol=0, equal_nan=True)


def test_a_view_behind_the_camera_changes_nothing():
    generator = torch.Generator().manual_seed(0)
    first = key(4.0, torch.rand(3, HEIGHT, WIDTH, generator=generator), 1)
    back = key(3.0, 0.9, 0, at=behind_the_camera())
    assert is_in_sight(first, moved(0.5), SURFACES.edges)
    assert not is_in_sight(back, moved(0.5), SURFACES.edges)
    assert not is_in_sight(
        key(0.5, 0.9, 0, at=behind_the_camera()), camera(HEIGHT, WIDTH), SURFACES.edges
    )  # however near
    with_it, without = (render(SceneCache(views=views), moved(0.5), SURFACES) for views in ((back, first), (first,)))
    assert with_it.hole.any()
    assert (with_it.step[~with_it.hole] == 1).all()
    assert_same(with_it, without)


@pytest.mark.parametrize(("x", "expected"), [(4.0, True), (4.4, True), (4.6, False), (-4.4, True), (-4.6, False)])
def test_a_view_beside_the_picture_is_out_of_sight(x, expected):
    """A metre moves what is 4 m away by 6 pixels of 24; pixels reach 3 beyond where they lie."""
    assert is_in_sight(key(4.0, 0.5, 0), moved(x), SURFACES.edges) is expected


def test_views_of_few_pixels_are_not_overlooked():
    depth = torch.full((HEIGHT, WIDTH), torch.nan)
    assert not is_in_sight(key(depth, 0.5, 0), camera(HEIGHT, WIDTH), SURFACES.edges)
    depth[3, 3] = 2.0
    assert is_in_sight(key(depth, 0.5, 0), camera(HEIGHT, WIDTH), SURFACES.edges)


def test_what_is_out_of_sight_is_not_missed():
    """Wherever a camera stands, it sees the same with and without those that are left out."""
    generator = torch.Generator().manual_seed(0)
    far = key(4.0, torch.rand(3, HEIGHT, WIDTH, generator=generator), 0)
    depth = torch.full((HEIGHT, WIDTH), torch.nan)
    depth[5:9, 3:6], depth[1, 20] = 2.0, 3.0
    patches = key(depth, torch.rand(3, HEIGHT, WIDTH, generator=generator), 1, at=moved(0.3))
    left_out = 0
    for x in torch.linspace(-6, 6, 41).tolist():
        both = render(SceneCache(views=(far, patches)), moved(x), SURFACES)
        for view in (far, patches):
            if not is_in_sight(view, moved(x), SURFACES.edges):
                left_out += 1
                assert forward_splat(view.view, moved(x), edges=SURFACES.edges).hole.all()
                assert not (both.step == view.step).any()
    assert left_out > 10


def test_where_no_view_is_in_sight_all_is_a_hole():
    cache = SceneCache(views=(key(3.0, 0.9, 0, at=behind_the_camera()), key(2.0, 0.5, 1, at=behind_the_camera())))
    assert render(cache, camera(HEIGHT, WIDTH), SURFACES).hole.all()
