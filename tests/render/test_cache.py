from dataclasses import replace

import torch
from inpainting import camera

from turnaround.geometry.se3 import rigid
from turnaround.render.cache import Surfaces, render
from turnaround.render.elements import Edges
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
