"""Cameras. Axes are OpenCV's (x right, y down, z forward); pixel centres lie at +0.5; metres."""

from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Pinhole:
    """A moving pinhole camera.

    world_from_cam: rigid poses. intrinsics: K in pixels of an image of height x width.
    """

    world_from_cam: Float[Tensor, "t 4 4"]
    intrinsics: Float[Tensor, "t 3 3"]
    height: int
    width: int

    def __len__(self) -> int:
        return self.world_from_cam.shape[0]

    def at(self, frame: int) -> "Pinhole":
        """The camera of one frame, counted from 0."""
        frames = slice(frame, frame + 1)
        return replace(self, world_from_cam=self.world_from_cam[frames], intrinsics=self.intrinsics[frames])


@dataclass(frozen=True, kw_only=True)
class Equirectangular180:
    """A moving half-sphere camera, one eye of a VR180 frame.

    Column u maps to longitude (u / width - 1/2) * pi, positive to the right; row v to latitude
    (1/2 - v / height) * pi, positive up; u, v at pixel centres (+0.5). "Depth" along such a ray is the distance.
    """

    world_from_cam: Float[Tensor, "t 4 4"]
    height: int
    width: int

    def __len__(self) -> int:
        return self.world_from_cam.shape[0]

    def at(self, frame: int) -> "Equirectangular180":
        """The camera of one frame, counted from 0."""
        return replace(self, world_from_cam=self.world_from_cam[frame : frame + 1])


Camera = Pinhole | Equirectangular180
