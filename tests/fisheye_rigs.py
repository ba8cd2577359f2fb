"""Procedural worlds filmed by a stereo rig of equidistant fisheyes that is not aligned."""

import dataclasses
import math
from collections.abc import Iterator

import torch

from turnaround.geometry.projection import pixel_grid
from turnaround.geometry.se3 import rigid, rotation_about
from turnaround.render.shapes import Shape
from turnaround.render.texture import Pattern, Texture
from turnaround.scenes.observe import _radiance
from turnaround.scenes.sample import WorldSampler
from turnaround.scenes.world import Body, Scene
from turnaround.types.lens import FisheyeLens

BASELINE, FIELD_DEG = 0.063, 140.0


def fisheye(size: int) -> FisheyeLens:
    """140 degrees from the left border to the right one."""
    return FisheyeLens(focal=size / math.radians(FIELD_DEG), height=size, width=size)


def fisheye_rays(lens: FisheyeLens, pixels: torch.Tensor) -> torch.Tensor:
    """[..., 3] of length 1: r pixels from the middle is r / focal radians off the axis."""
    middle = torch.tensor([lens.width / 2, lens.height / 2]).to(pixels)
    away = pixels - middle
    radius = away.norm(dim=-1, keepdim=True)
    angle = radius / lens.focal
    return torch.cat([away * torch.where(radius > 0, angle.sin() / radius, 1 / lens.focal), angle.cos()], dim=-1)


def textured(scene: Scene) -> Scene:
    """Features everywhere: SIFT finds nothing on plain surfaces."""
    bodies = tuple(dataclasses.replace(body, texture=_speckled(body)) for body in scene.world.bodies)
    return dataclasses.replace(scene, world=dataclasses.replace(scene.world, bodies=bodies))


def _speckled(body: Body) -> Texture:
    """Spots that are no smaller than a pixel, also on what is far."""
    colors = {"first": body.texture.first * 0.15, "second": (body.texture.second * 1.3).clamp(max=1)}
    frequency = 0.4 if body.shape is Shape.DOME else 4.0
    return dataclasses.replace(body.texture, pattern=Pattern.NOISE, frequency=frequency, octaves=4, **colors)


def world(seed: int, *, frames: int, seconds: float, moving: float = 0.0, path: str = "handheld") -> Scene:
    sampler = WorldSampler(height=16, width=24, frames=frames, seconds=seconds, moving=moving, paths={path: 1.0})
    return textured(sampler(seed))


def rig(degrees: float) -> torch.Tensor:
    """left_from_right of eyes that are `degrees` from parallel, about an axis that is none of the camera's."""
    axis = torch.tensor([0.6, 0.5, -0.62], dtype=torch.float64)
    turn = rotation_about(axis, torch.tensor(math.radians(degrees), dtype=torch.float64))
    place = torch.tensor([1.0, 0.012, -0.02], dtype=torch.float64)
    return rigid(turn, BASELINE * place / place.norm())


def picture(scene: Scene, frame: int, pose: torch.Tensor, lens: FisheyeLens, *, samples: int) -> torch.Tensor:
    """RGB seen from world_from_cam `pose` at the time of a frame."""
    fine = pixel_grid(lens.height * samples, lens.width * samples, like=torch.zeros(())) / samples
    rays = fisheye_rays(lens, fine.reshape(-1, 2)) @ pose[:3, :3].float().T
    solids = [solid.to(torch.float32) for solid in scene.world.solids(frame)]
    bands = rays.T.contiguous().split(1 << 16, dim=1)
    radiance = torch.cat([_radiance(scene.world, solids, pose[:3, 3:].float(), band) for band in bands], dim=1)
    shown = radiance.clamp(0, 1).sqrt().reshape(3, lens.height, samples, lens.width, samples)
    return shown.mean(dim=(2, 4))


def filmed(
    scene: Scene, lens: FisheyeLens, left_from_right: torch.Tensor, *, samples: int = 1, exposure: float = 1.0
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """What both eyes see. exposure: of the right one, against the left one."""
    for frame, pose in enumerate(scene.camera.world_from_cam):
        left = picture(scene, frame, pose, lens, samples=samples)
        right = picture(scene, frame, pose @ left_from_right, lens, samples=samples)
        yield left, (right * exposure).clamp(0, 1)
