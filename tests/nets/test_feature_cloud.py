from dataclasses import replace

import torch
from inpainting import camera

from turnaround.geometry.holes import fill_from_behind
from turnaround.geometry.se3 import rigid
from turnaround.nets.feature_cloud import FeatureCloud
from turnaround.render.splat import soft_splat
from turnaround.types import View

HEIGHT, WIDTH = 18, 26  # no multiple of anything
SURE = torch.ones(HEIGHT, WIDTH)


def cloud(seed=0, *, trained=False):
    torch.manual_seed(seed)
    network = FeatureCloud(features=4, encoder=(8, 16), decoder=(8, 16, 16), sharpness=20.0)
    if trained:
        torch.nn.init.normal_(network.decoder.leave.weight, std=0.1)
    return network.eval()


def picture(seed=0):
    return torch.rand(3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


def moved(x):
    return replace(camera(HEIGHT, WIDTH), world_from_cam=rigid(torch.eye(3), torch.tensor([x, 0.0, 0.0]))[None])


def view(depth, *, image=None, at=0.0):
    depth = torch.full((HEIGHT, WIDTH), depth) if isinstance(depth, float) else depth
    return View(image=picture() if image is None else image, depth=depth, camera=moved(at))


def test_untrained_it_shows_what_is_splatted_with_holes_filled_from_behind():
    there = moved(0.4)
    seen = soft_splat(view(2.0), there, sharpness=20.0)
    assert seen.hole.any()
    disparity = torch.where(seen.hole, 0.0, 1.0)
    rough = fill_from_behind(torch.cat([seen.image, disparity[None]])[None, None], seen.hole[None, None])[0, 0, :3]
    torch.testing.assert_close(cloud()([cloud().points(view(2.0))], [SURE], there), rough)


def test_from_its_own_camera_colours_and_features_land_on_themselves():
    network, own = cloud(), view(3.0)
    points = network.points(own)
    splatted, hole = network.splatted([points], [SURE], own.camera)
    assert not hole.any()
    torch.testing.assert_close(splatted[:-1], points.image)
    assert (splatted[-1] == 1).all()  # all as near as the nearest


def test_the_nearer_weighs_more_and_of_one_surface_the_more_trusted():
    network = cloud()
    black, white = (torch.full((3, HEIGHT, WIDTH), value) for value in (0.0, 1.0))
    near, far = view(1.0, image=white), view(4.0, image=black)
    points = [network.points(each) for each in (far, near)]
    # exp(20 (1 / 4 - 1)) = 3e-7 of the black one
    assert (network.splatted(points, [SURE, SURE], camera(HEIGHT, WIDTH))[0][:3] > 1 - 1e-6).all()
    same = [network.points(view(2.0, image=image)) for image in (black, white)]
    mixed, _ = network.splatted(same, [SURE, SURE / 3], camera(HEIGHT, WIDTH))
    torch.testing.assert_close(mixed[:3], torch.full((3, HEIGHT, WIDTH), 0.25))


def test_what_one_view_misses_another_shows():
    left = torch.full((HEIGHT, WIDTH), 2.0)
    left[:, WIDTH // 2 :] = torch.nan
    network = cloud()
    points = [network.points(view(left)), network.points(view(torch.where(left.isnan(), 2.0, torch.nan)))]
    splatted, hole = network.splatted(points, [SURE, SURE], camera(HEIGHT, WIDTH))
    assert not hole.any()
    torch.testing.assert_close(splatted[:3], picture())
    nothing = view(torch.full((HEIGHT, WIDTH), torch.nan))
    found = network([network.points(nothing)], [SURE], camera(HEIGHT, WIDTH))
    assert (found == 0).all()


def test_gradients_reach_the_encoder_through_the_splat():
    network = cloud(trained=True)
    network([network.points(view(2.0))], [SURE], moved(0.3)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert network.encoder.leave.weight.grad.abs().max() > 0


def test_a_fingerprint_follows_the_weights():
    assert cloud(0).fingerprint() == cloud(0).fingerprint() != cloud(1).fingerprint()
