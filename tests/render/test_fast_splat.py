"""The compiled splat finds what the PyTorch one finds, wherever the camera goes and whatever the depth is."""

import dataclasses

import pytest
import torch
from warped_views import EDGES, noise, pose, sampled, two_planes, view_of

from turnaround.render import engine, fast_splat, splat
from turnaround.render.elements import Edges
from turnaround.types import Pinhole, View, Warped


def random_pose(generator, *, shift, degrees):
    axis, move = torch.randn(2, 3, generator=generator).double()
    return pose(
        shift=(shift * move).tolist(), axis=axis.tolist(), degrees=degrees * torch.randn((), generator=generator).item()
    )


def require_alike(found: Warped, expected: Warped):
    assert torch.equal(found.hole, expected.hole)
    assert torch.equal(found.source, expected.source)  # equal depths are settled alike, so without exception
    assert (found.image - expected.image).abs().max() <= 1e-5  # float32 sums of four in another order
    torch.testing.assert_close(found.depth, expected.depth, rtol=1e-6, atol=0, equal_nan=True)


def require_both_alike(view, camera, edges):
    found = fast_splat.forward_splat(view, camera, edges=edges)
    require_alike(found, splat.forward_splat(view, camera, edges=edges))
    return found


@pytest.mark.parametrize("seed", range(8))
def test_sampled_worlds(seed):
    scene = sampled(seed)
    view = view_of(scene)
    for frame in (1, 3):
        found = require_both_alike(view, scene.camera.at(frame), EDGES)
        assert 0 < found.hole.float().mean() < 0.7


@pytest.mark.parametrize("seed", range(8))
def test_cameras_anywhere_and_depths_without_reason(seed):
    """Noisy depths with unknown ones, cameras that turn and move far, of another size and focal length."""
    generator = torch.Generator().manual_seed(seed)
    depth = 1 + 4 * torch.rand(30, 40, generator=generator)
    depth[10:20, 10:20] = 1 + 0.05 * depth[10:20, 10:20]
    depth[torch.rand(30, 40, generator=generator) < 0.1] = torch.nan
    k = torch.tensor([[[40.0, 0, 20], [0, 38, 15], [0, 0, 1]]])
    camera = Pinhole(
        world_from_cam=random_pose(generator, shift=3, degrees=90).float()[None], intrinsics=k, height=30, width=40
    )
    view = View(image=torch.rand(5, 30, 40, generator=generator), depth=depth, camera=camera)
    known = 0
    for ratio in (0.02, 0.3, 2.0):
        moved = camera.world_from_cam[0].double() @ random_pose(generator, shift=0.5, degrees=20)
        target = Pinhole(world_from_cam=moved[None], intrinsics=k * 1.3, height=35, width=50)
        found = require_both_alike(view, target, Edges(depth_ratio=ratio, stretch=3.3))
        known += (~found.hole).sum()
    assert known > 300


@pytest.mark.parametrize("near", [6, 6.5, 7.3])
def test_two_planes(near):
    view, right = two_planes(near, 2)
    require_both_alike(view, right, EDGES)


def test_the_view_is_left_as_it_was():
    view, right = two_planes(6.5, 2.5)
    image, depth = view.image.clone(), view.depth.clone()
    warped = fast_splat.forward_splat(view, right, edges=EDGES)
    warped.image.fill_(9)
    warped.depth.fill_(9)
    assert torch.equal(view.image, image)
    assert torch.equal(view.depth, depth)


def test_pictures_that_are_not_contiguous():
    view, right = two_planes(6.5, 2.5)
    turned = dataclasses.replace(view, image=view.image.mT.contiguous().mT, depth=view.depth.mT.contiguous().mT)
    require_alike(
        fast_splat.forward_splat(turned, right, edges=EDGES), fast_splat.forward_splat(view, right, edges=EDGES)
    )


def test_the_engine_gives_gradients_where_they_are_asked_for():
    view, right = two_planes(6.5, 2.5)
    learns = dataclasses.replace(view, image=view.image.clone().requires_grad_())
    assert engine.forward_splat(learns, right, edges=EDGES).image.requires_grad
    with torch.no_grad():
        require_alike(engine.forward_splat(learns, right, edges=EDGES), splat.forward_splat(view, right, edges=EDGES))


def test_the_engine_keeps_double_precision():
    view, right = two_planes(6, 2)
    fine = View(image=noise(2, *view.depth.shape).double(), depth=view.depth.double(), camera=view.camera)
    warped = engine.forward_splat(fine, right, edges=EDGES)
    seen = ~warped.hole
    assert torch.equal(warped.image[:, seen], fine.image.flatten(1)[:, warped.source[seen]])
