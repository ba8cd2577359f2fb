"""Lenses of filmed pictures: which ray each pixel shows. Axes are OpenCV's; pixel centres lie at +0.5."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class PerspectiveLens:
    """Pixel (x, y) shows the ray K^-1 (x, y, 1)."""

    intrinsics: Float[Tensor, "3 3"]
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class FisheyeLens:
    """Equidistant: a ray `a` radians off the axis lies focal * a pixels from the picture's middle."""

    focal: float
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class EquirectangularLens:
    """A part of the sphere, in degrees: yaw runs from the picture's left border to its right one, positive to the
    right; tilt from the upper border to the lower one, positive downwards. The ray is
    (sin yaw cos tilt, sin tilt, cos yaw cos tilt).
    """

    start_yaw: float
    end_yaw: float
    start_tilt: float
    end_tilt: float
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class SampledEquirectangularLens(EquirectangularLens):
    """As Stereo4D's rectify.py has it: the bounds lie on the centres of the outermost pixels, not on the borders."""


@dataclass(frozen=True, kw_only=True)
class MeshLens:
    """As a mesh says: its triangles, seen from the eye at the origin, show what the picture has between `pixels`.

    points: of the vertices, at any distance from the eye; each triangle is flat. pixels: x, y of the vertices, which
    may lie outside the picture. No two triangles overlap in the picture, nor as the eye sees them.
    """

    points: Float[Tensor, "n 3"]
    pixels: Float[Tensor, "n 2"]
    triangles: Int[Tensor, "m 3"]
    height: int
    width: int


Lens = PerspectiveLens | FisheyeLens | EquirectangularLens | MeshLens
