import pytest
import torch
from small_orbits import SURFACES, small_orbit

from turnaround.nets.feature_cloud import FeatureCloud
from turnaround.pipelines.orbit.frames import without_holes
from turnaround.pipelines.orbit.splats import Colors, Features
from turnaround.render.cache import render
from turnaround.types import Provenance


@pytest.fixture(scope="module")
def finished():
    return small_orbit()


def network(*, trained=False):
    torch.manual_seed(0)
    cloud = FeatureCloud(features=4, encoder=(8, 16), decoder=(8, 16, 16), sharpness=40.0)
    if trained:
        torch.nn.init.normal_(cloud.decoder.leave.weight, std=0.1)
    return cloud


def test_colors_are_the_rendering_without_holes(finished):
    orbit, cache = finished
    camera = orbit.cameras.at(2)
    expected, found = without_holes(render(cache, camera, SURFACES)), Colors().filmed(cache, camera, SURFACES)
    assert torch.equal(found.image, expected.image)
    assert torch.equal(found.label, expected.label)


def test_the_picture_stays_exact_at_its_own_camera(finished):
    orbit, cache = finished
    found = Features(network=network(trained=True)).filmed(cache, orbit.cameras.at(0), SURFACES)
    assert torch.equal(found.image, cache.views[0].view.image)
    assert (found.label == int(Provenance.OBSERVED)).all()


def test_elsewhere_a_network_had_its_hand_in_all(finished):
    orbit, cache = finished
    camera = orbit.cameras.at(2)
    plain, found = (
        splats.filmed(cache, camera, SURFACES) for splats in (Colors(), Features(network=network(trained=True)))
    )
    assert torch.equal(found.depth, plain.depth)
    assert torch.equal(found.step, plain.step)
    assert torch.equal(found.label, plain.label.clamp(min=int(Provenance.PROPAGATED)))
    assert found.image.amin() >= 0
    assert found.image.amax() <= 1
    assert not torch.equal(found.image, plain.image)
    assert not found.hole.any()


def test_untrained_features_show_about_what_colors_do(finished):
    orbit, cache = finished
    camera = orbit.cameras.at(2)
    plain, found = (splats.filmed(cache, camera, SURFACES) for splats in (Colors(), Features(network=network())))
    difference = (plain.image - found.image).abs().mean(dim=0)
    # Two ways to splat: edges differ, and of wide holes the filling does.
    assert difference.median() < 0.02
    assert difference.mean() < 0.05


def test_views_are_encoded_once_and_frames_do_not_depend_on_those_before(finished, monkeypatch):
    orbit, cache = finished
    encoded = []
    cloud = network(trained=True)
    encode = cloud.points
    monkeypatch.setattr(cloud, "points", lambda view: encoded.append(view) or encode(view))
    splats = Features(network=cloud)
    frames = [splats.filmed(cache, orbit.cameras.at(frame), SURFACES).image for frame in (1, 2, 3)]
    assert len(encoded) == len(cache.ordered)
    alone = Features(network=network(trained=True)).filmed(cache, orbit.cameras.at(3), SURFACES).image
    assert torch.equal(frames[-1], alone)


def test_settings_follow_the_network(finished):
    assert Features(network=network()).settings == Features(network=network()).settings
    assert Features(network=network()).settings != Features(network=network(trained=True)).settings
    assert Colors().settings != Features(network=network()).settings
