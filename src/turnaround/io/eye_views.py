"""What an eye of a stereo video sees, whatever its size in pixels: what a lens is made from."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from turnaround.types import EquirectangularLens, FisheyeLens, Lens, MeshLens, PerspectiveLens


class EyeView(ABC):
    """Lenses of pictures of any size."""

    @abstractmethod
    def lens(self, height: int, width: int) -> Lens: ...


class EquirectangularView(EyeView):
    """Degrees, as of `EquirectangularLens`: bounds lie on the picture's borders."""

    def __init__(self, *, start_yaw: float, end_yaw: float, start_tilt: float, end_tilt: float):
        self.bounds = {"start_yaw": start_yaw, "end_yaw": end_yaw, "start_tilt": start_tilt, "end_tilt": end_tilt}

    def lens(self, height: int, width: int) -> Lens:
        return EquirectangularLens(**self.bounds, height=height, width=width)


class PerspectiveView(EyeView):
    """Square pixels and the principal point in the middle."""

    def __init__(self, *, horizontal_fov_deg: float):
        self.horizontal_fov_deg = horizontal_fov_deg

    def lens(self, height: int, width: int) -> Lens:
        focal = width / 2 / math.tan(math.radians(self.horizontal_fov_deg) / 2)
        return calibrated_lens(focal, focal, width / 2, height / 2, height, width)


class FisheyeView(EyeView):
    """Equidistant, `fov_deg` from the left border to the right one."""

    def __init__(self, *, fov_deg: float):
        self.fov_deg = fov_deg

    def lens(self, height: int, width: int) -> Lens:
        return FisheyeLens(focal=width / math.radians(self.fov_deg), height=height, width=width)


@dataclass(frozen=True, kw_only=True)
class MeshView(EyeView):
    """points: in the eye's frame. shares: of the picture's width and height, from its upper left corner."""

    points: Float[Tensor, "n 3"]
    shares: Float[Tensor, "n 2"]
    triangles: Int[Tensor, "m 3"]

    def lens(self, height: int, width: int) -> Lens:
        pixels = self.shares * self.shares.new_tensor([width, height])
        return MeshLens(points=self.points, pixels=pixels, triangles=self.triangles, height=height, width=width)


def calibrated_lens(fx: float, fy: float, cx: float, cy: float, height: int, width: int) -> PerspectiveLens:
    k = torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return PerspectiveLens(intrinsics=k, height=height, width=width)
