"""Worlds made by hand: the camera looks along z at an image of 24 x 32 pixels, focal length 32."""

import torch
from observed_worlds import HEIGHT, WIDTH, vector

from turnaround.render.shapes import Shape
from turnaround.render.texture import LATTICE, Pattern, Texture
from turnaround.scenes.world import Body, Motion, Scene, World
from turnaround.types import Pinhole

BRIGHT, DARK = (0.64, 0.81, 0.25), (0.0, 0.0, 0.0)


def body(shape, size, position, *, velocity=(0, 0, 0), colors=(BRIGHT, BRIGHT), pattern=Pattern.PLAIN, **settings):
    motion = Motion(
        rotation=torch.eye(3).double(),
        position=vector(*position),
        velocity=vector(*velocity).double(),
        axis=vector(0, 1, 0).double(),
        spin=0.0,
    )
    texture = Texture(
        pattern=pattern,
        first=vector(*colors[0]),
        second=vector(*colors[1]),
        frequency=settings.pop("frequency", 1.0),
        octaves=3,
        offset=vector(0.1, 0.2, 0.3),
        grain=0.0,
    )
    return Body(shape=shape, size=vector(*size).double(), motion=motion, texture=texture, **settings)


def wall(*, distance, **settings):
    """A room so wide that only its end is seen."""
    return [body(Shape.ROOM, (30.0, 30.0, float(distance)), (0, 0, 0), **settings)]


def looking_at(bodies, *, poses=None, height=HEIGHT, width=WIDTH, lights=(), ambient=1.0):
    poses = torch.eye(4).double()[None] if poses is None else poses
    k = torch.tensor([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]]).double().expand(len(poses), 3, 3)
    lattice = torch.rand(LATTICE, LATTICE, LATTICE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    world = World(
        bodies=tuple(bodies),
        lights=tuple(lights),
        ambient=torch.full((3,), ambient, dtype=torch.float64),
        lattice=lattice,
        seconds_per_frame=1.0,
    )
    camera = Pinhole(world_from_cam=poses, intrinsics=k, height=height, width=width)
    return Scene(name="by hand", world=world, camera=camera)
