"""A small finished orbit around a box before a wall: its scene cache, from exact views, and its video."""

from dataclasses import replace

import torch
from hand_made_worlds import body, looking_at, wall

from turnaround.geometry import paths
from turnaround.geometry.visibility import seen_from
from turnaround.pipelines.orbit.exports.export import Exports, Setting
from turnaround.render.cache import Surfaces, render
from turnaround.render.elements import Edges
from turnaround.render.shapes import Shape
from turnaround.render.texture import Pattern
from turnaround.scenes.observe import color, surface
from turnaround.types import DepthKind, KeyView, OrbitVideo, Provenance, SceneCache, View

EDGES, TOLERANCE = Edges(depth_ratio=0.1, stretch=3.0), 0.02
SURFACES = Surfaces(edges=EDGES, tolerance=TOLERANCE, company=0, window=0.0, density=0.0)
PIVOT = torch.tensor([0.0, 0.0, 4.0], dtype=torch.float64)
SETTING = Setting(fps=12.0, closed=False, kind=DepthKind.METRIC, pivot=PIVOT, surfaces=SURFACES)
COLORS = ((0.9, 0.5, 0.1), (0.1, 0.3, 0.8)), ((0.2, 0.7, 0.3), (0.8, 0.8, 0.2))


def scenes(*, height, width, frames):
    """The world with the box and the one without, on a path around the box."""
    far = wall(distance=8.0, pattern=Pattern.CHECKS, colors=COLORS[0], frequency=0.5)
    box = body(Shape.BOX, (0.8, 0.6, 0.8), (0.0, 0.0, 4.0), pattern=Pattern.NOISE, colors=COLORS[1], frequency=3.0)
    eye = torch.zeros(3, dtype=torch.float64)
    poses = paths.orbit(eye, PIVOT, frames, degrees=20.0)
    return tuple(looking_at(bodies, poses=poses, height=height, width=width) for bodies in ([*far, box], far))


def view_of(scene, frame):
    camera = scene.camera.at(frame)
    camera = replace(camera, world_from_cam=camera.world_from_cam.float(), intrinsics=camera.intrinsics.float())
    return View(image=color(scene, frame).float(), depth=surface(scene, frame).depth, camera=camera)


def key_view(view, *, label, confidence, step):
    return KeyView(view=view, label=label, confidence=confidence.float(), step=step)


def small_orbit(*, height=48, width=64, frames=6):
    """Key views: the first frame; the last one, generated where the first does not show it; behind the box the wall."""
    world, without = scenes(height=height, width=width, frames=frames)
    first, last, behind = view_of(world, 0), view_of(world, frames - 1), view_of(without, 0)
    _, seen, _ = seen_from(last.depth, last.camera, first.depth, first.camera, tolerance=TOLERANCE)
    hidden = behind.depth > first.depth * 1.1
    behind = replace(behind, depth=behind.depth.masked_fill(~hidden, torch.nan), image=behind.image * hidden)
    plain = torch.zeros(height, width, dtype=torch.uint8)
    ramp = torch.linspace(0.25, 0.75, width).expand(height, width).contiguous()
    labels = torch.where(seen, int(Provenance.PROPAGATED), int(Provenance.GENERATED)).to(torch.uint8)
    cache = SceneCache(
        views=(
            key_view(first, label=plain, confidence=torch.ones(height, width), step=0),
            key_view(last, label=labels, confidence=ramp, step=1),
        ),
        behind=(key_view(behind, label=plain + int(Provenance.GENERATED), confidence=ramp / 2, step=2),),
    )
    return filmed(cache, world), cache


def filmed(cache, world):
    """The cache along the world's path; the world itself fills the holes, as step 3."""
    truth = [view_of(world, frame) for frame in range(len(world.camera))]
    seen = [render(cache, view.camera, SURFACES) for view in truth]
    pairs = list(zip(seen, truth, strict=True))
    return OrbitVideo(
        video=torch.stack([torch.where(each.hole, true.image, each.image) for each, true in pairs]),
        depth=torch.stack([torch.where(each.hole, true.depth, each.depth) for each, true in pairs]),
        label=torch.stack([each.label for each in seen]),
        confidence=torch.stack([each.confidence for each in seen]),
        step=torch.stack([torch.where(each.hole, 3, each.step) for each in seen]),
        cameras=replace(
            world.camera,
            world_from_cam=world.camera.world_from_cam.float(),
            intrinsics=world.camera.intrinsics.float(),
        ),
    )


def written(out, finished, *exports):
    """The folder, with the files of these exports of a video and its cache."""
    Exports(files={str(number): export for number, export in enumerate(exports)}).write(out, *finished, SETTING)
    return out
