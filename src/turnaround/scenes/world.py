"""A world: bodies that move, lights, and nothing random. y points down, the ground is y = 0, metres and seconds."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.se3 import rotation_about
from turnaround.geometry.stereo import right_camera
from turnaround.render.raycast import Solid
from turnaround.render.shade import Light
from turnaround.render.shapes import Shape
from turnaround.render.texture import Texture
from turnaround.types import Camera, Equirectangular180


@dataclass(frozen=True, kw_only=True)
class Motion:
    """A rigid motion: position + velocity * time, turned by spin * time about `axis` (radians per second)."""

    rotation: Float[Tensor, "3 3"]
    position: Float[Tensor, "3"]
    velocity: Float[Tensor, "3"]
    axis: Float[Tensor, "3"]
    spin: float

    @property
    def is_still(self) -> bool:
        return self.spin == 0 and not bool(self.velocity.any())

    def rotation_at(self, time: float) -> Float[Tensor, "3 3"]:
        turn = rotation_about(self.axis, torch.tensor(self.spin * time, dtype=self.axis.dtype))
        return turn @ self.rotation

    def from_time(self, time: float) -> "Motion":
        """The same motion, whose clock begins at `time`."""
        return replace(self, rotation=self.rotation_at(time), position=self.position_at(time))

    def position_at(self, time: float) -> Float[Tensor, "3"]:
        return self.position + time * self.velocity


@dataclass(frozen=True, kw_only=True)
class Body:
    """A solid with a surface. size: half extents. gloss: strength of highlights. emissive: shows its albedo unlit."""

    shape: Shape
    size: Float[Tensor, "3"]
    motion: Motion
    texture: Texture
    gloss: float = 0.0
    emissive: bool = False

    def at(self, time: float) -> Solid:
        return Solid(
            shape=self.shape,
            size=self.size,
            rotation=self.motion.rotation_at(time),
            position=self.motion.position_at(time),
        )


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything there is to see. ambient: RGB. lattice: the random values behind the noise textures."""

    bodies: tuple[Body, ...]
    lights: tuple[Light, ...]
    ambient: Float[Tensor, "3"]
    lattice: Float[Tensor, "n n n"]
    seconds_per_frame: float

    def solids(self, frame: int) -> list[Solid]:
        """All bodies where they are in that frame, in order: the index is the instance id."""
        return [body.at(frame * self.seconds_per_frame) for body in self.bodies]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A world and the camera that looks at it. name: says how it was made."""

    name: str
    world: World
    camera: Camera

    def right_eye(self, baseline: float) -> "Scene":
        """Seen from `baseline` metres along the camera's +x axis."""
        return replace(self, camera=right_camera(self.camera, baseline))

    def vr180(self, size: int) -> "Scene":
        """Seen by a half-sphere camera of size x size pixels on the same path."""
        poses = self.camera.world_from_cam
        return replace(self, camera=Equirectangular180(world_from_cam=poses, height=size, width=size))
