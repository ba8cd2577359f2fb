"""Films along given cameras, of worlds whose true disparity an estimator written here gives."""

from dataclasses import replace

import pytest
import torch
from holed_pictures import whole_steps
from inpainting import camera
from small_orbits import PIVOT, scenes, view_of

from turnaround.evaluation.classical import OpenCvInpainter
from turnaround.evaluation.orbits import sparse
from turnaround.geometry.se3 import rigid
from turnaround.geometry.surroundings import surroundings_of
from turnaround.nets.object_prior import NoPrior
from turnaround.pipelines.orbit.filming import CacheFilmer, MeshFilmer, opening
from turnaround.pipelines.orbit.growth import Grower, Merging
from turnaround.pipelines.orbit.layering import Layering
from turnaround.pipelines.orbit.orbiter import Orbiter
from turnaround.pipelines.orbit.relief import Relief, Sharpening
from turnaround.pipelines.orbit.splats import Colors
from turnaround.pipelines.orbit.stops import Stops
from turnaround.render.cache import Surfaces
from turnaround.render.elements import Edges
from turnaround.types import DepthKind, Filmer, ObjectViews, PicturedObject, Provenance, SceneCache, View

HEIGHT, WIDTH = 48, 64
TELEA = OpenCvInpainter(algorithm="telea", radius=3.0)


class Knowing:
    """An estimator that knows the first view's depth, but for scale and shift; of others it gives the same."""

    name, kind, weights = "knowing", DepthKind.AFFINE_DISPARITY, ()

    def __init__(self, depth):
        self.disparity = 3 / depth + 7

    def stream(self, frames, *, seed):
        for _ in frames:
            yield self.disparity

    def resume(self, frames, *, seed, work):
        yield from self.stream(frames, seed=seed)

    def fingerprint(self):
        return "knowing"


def orbiter_of(depth):
    grower = Grower(
        estimator=Knowing(depth),
        inpainter=TELEA,
        prior=NoPrior(),
        relief=Relief(near=1.0, ratio=8.0, ground=0.1, sharpening=Sharpening(taps=1, stride=0.1, spread=0.1, passes=0)),
        layering=Layering(depth_ratio=0.1, least=0.003, most=4, reach=0.25, margin=0.02),
        surfaces=Surfaces(
            edges=Edges(depth_ratio=0.1, stretch=3.0), tolerance=0.05, company=0, window=0.0, density=0.0
        ),
        merging=Merging(residual=0.1, factors=[1.0, 2.0], reach=2, smooth=1, fade=0.2),
        roundness=1.0,
        seed=0,
    )
    return Orbiter(grower=grower, stops=Stops(share=0.45, least=0.08), splats=Colors())


def given(view):
    """As a benchmark gives it: depth at some pixels."""
    return replace(view, depth=sparse(view.depth))


@pytest.fixture(scope="module")
def world():
    """A box before a wall, and cameras around the box."""
    return scenes(height=HEIGHT, width=WIDTH, frames=4)[0]


@pytest.fixture(scope="module")
def cameras(world):
    pinhole = world.camera
    return replace(pinhole, world_from_cam=pinhole.world_from_cam.float(), intrinsics=pinhole.intrinsics.float())


def test_the_first_view_takes_the_scale_of_its_known_depth(world):
    view = view_of(world, 0)
    key = opening(orbiter_of(view.depth), given(view))
    # least squares in float64 of an estimate in float32, whose shift of 7 leaves six digits of what varies
    torch.testing.assert_close(key.view.depth, view.depth, rtol=1e-4, atol=0)
    assert torch.equal(key.view.image, view.image)
    assert (key.label == int(Provenance.OBSERVED)).all()
    assert (key.confidence == 1).all()
    assert key.step == 0


def test_a_mesh_begins_with_the_picture_bit_for_bit(world, cameras):
    view = view_of(world, 0)
    filmer = MeshFilmer(name="mesh", orbiter=orbiter_of(view.depth))
    assert isinstance(filmer, Filmer)
    assert list(filmer.weights) == []
    video = filmer.film(given(view), cameras, PIVOT, closed=False, seed=0)
    assert video.shape == (4, 3, HEIGHT, WIDTH)
    assert torch.equal(video[0], view.image)
    # the last camera sees beside the box what the first does not; no colour of this world is black
    assert view.image.amax(dim=0).amin() > 0
    hole = (video[-1] == 0).all(dim=0)
    assert 0.02 < hole.float().mean() < 0.5
    # what is no hole shows the world, but for half-pixel edges; a film that stands still is 0.2 off
    truth = view_of(world, 3).image
    moved, still = ((image - truth).abs().mean(dim=0)[~hole].mean() for image in (video[-1], view.image))
    assert moved < 0.1 * still


def test_a_mesh_is_black_where_the_first_view_shows_nothing():
    """Half a metre to the right moves a wall 4 m away by 8 pixels to the left, and the last 8 columns are new."""
    image, depth = whole_steps(3, HEIGHT, WIDTH), torch.full((HEIGHT, WIDTH), 4.0)
    path = camera(HEIGHT, WIDTH, 3)
    path.world_from_cam[1] = rigid(torch.eye(3), torch.tensor([0.5, 0.0, 0.0]))
    path.world_from_cam[2] = torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0]))  # looks the other way
    first = given(View(image=image, depth=depth, camera=path.at(0)))
    video = MeshFilmer(name="mesh", orbiter=orbiter_of(depth)).film(first, path, PIVOT, closed=False, seed=0)
    assert torch.equal(video[0], image)
    assert torch.equal(video[1, :, :, :-8], image[:, :, 8:])
    assert (video[1, :, :, -8:] == 0).all()
    assert (video[2] == 0).all()


def test_a_cache_films_without_holes_and_begins_with_the_picture(world, cameras):
    view = view_of(world, 0)
    image = (view.image * 255).round() / 255
    orbiter = orbiter_of(view.depth)
    filmer = CacheFilmer(
        name="telea", orbiter=orbiter, inpainter=OpenCvInpainter(algorithm="navier_stokes", radius=3.0)
    )
    assert isinstance(filmer, Filmer)
    first = given(replace(view, image=image))
    video = filmer.film(first, cameras, PIVOT, closed=False, seed=3)
    assert torch.equal(video[0], image)
    assert video.amax(dim=1).amin() > 0, "no pixel is black, as none of this world is"
    mesh = MeshFilmer(name="mesh", orbiter=orbiter).film(first, cameras, PIVOT, closed=False, seed=3)
    shown = mesh[-1].amax(dim=0) > 0
    assert (video[-1] - mesh[-1]).abs().amax(dim=0)[shown].median() <= 0.5 / 255 + 1e-6  # colours of 8 bits
    again = filmer.film(first, cameras, PIVOT, closed=False, seed=3)
    assert torch.equal(video, again)


class GreenSide:
    """A prior that is sure of one rectangle, which it takes for green."""

    name = "green"
    weights = ()
    rows, columns = slice(10, 30), slice(4, 30)

    def views(self, seen, cameras, *, seed):
        sure = torch.zeros(len(cameras), HEIGHT, WIDTH, dtype=torch.bool)
        sure[:, self.rows, self.columns] = True
        return ObjectViews(video=sure[:, None] * torch.tensor([0.0, 1.0, 0.0])[:, None, None], sure=sure)

    def fingerprint(self):
        return self.name


def test_a_prior_fills_what_is_unknown_where_it_is_sure_and_nothing_else(world, cameras):
    view = view_of(world, 0)
    grower = orbiter_of(view.depth).grower
    first = opening(orbiter_of(view.depth), given(view))
    cache, around = SceneCache(views=(first,)), surroundings_of(first.view.depth, first.view.camera, cameras, PIVOT)
    last = cameras.at(len(cameras) - 1)
    subject = PicturedObject(
        image=view.image, mask=torch.ones(HEIGHT, WIDTH, dtype=torch.bool), camera=view.camera, depth=3.0
    )
    asked = replace(grower, prior=GreenSide())
    assert asked.settings != grower.settings
    made, _ = asked.key_view(cache, last, 1, around, subject)
    plain, _ = grower.key_view(cache, last, 1, around, subject)
    hole = grower.seen(cache, last).hole
    sure = torch.zeros_like(hole)
    sure[GreenSide.rows, GreenSide.columns] = True
    green = (made.view.image == torch.tensor([0.0, 1.0, 0.0])[:, None, None]).all(dim=0)
    assert (hole & sure).any()
    assert green[hole & sure].all()
    assert torch.equal(made.view.image[:, ~hole], plain.view.image[:, ~hole])
    assert (made.label[hole] == int(Provenance.GENERATED)).all()
    unasked, _ = asked.key_view(cache, last, 1, around, None)
    assert torch.equal(unasked.view.image, plain.view.image)


def test_a_camera_that_sees_nothing_known_gets_the_mean_colour(world, cameras):
    """From behind, its back to all that is known, there is nothing that an inpainter could go on from."""
    view = view_of(world, 0)
    grower = orbiter_of(view.depth).grower
    first = opening(orbiter_of(view.depth), given(view))
    away = cameras.at(0)
    back = rigid(torch.diag(torch.tensor([-1.0, 1.0, -1.0])), torch.zeros(3))
    away = replace(away, world_from_cam=away.world_from_cam @ back)
    around = surroundings_of(first.view.depth, first.view.camera, cameras, PIVOT)
    made, figures = grower.key_view(SceneCache(views=(first,)), away, 1, around, None)
    assert figures["hole"] == 1
    mean = view.image.mean(dim=(1, 2))
    torch.testing.assert_close(made.view.image, mean[:, None, None].expand(3, HEIGHT, WIDTH))
    assert (made.confidence == 0).all()
    assert (made.view.depth > 0).all()
