"""What PLY and GLB files hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import Float, Int, UInt8
from torch import Tensor

from turnaround.types import InputError


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """A surface, or a point cloud where there are no faces. Positions in the world frame, sRGB colours.

    faces: triples of vertex numbers. attributes: further numbers of each vertex (float32 or uint8), by name.
    """

    vertices: Float[Tensor, "n 3"]
    colors: UInt8[Tensor, "n 3"] | None = None
    faces: Int[Tensor, "m 3"] | None = None
    attributes: Mapping[str, Float[Tensor, " n"] | UInt8[Tensor, " n"]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TexturedMesh:
    """A surface with a picture on it. Positions in the world frame; front faces are counter-clockwise.

    coordinates: of the vertices in the picture, from (0, 0), its upper left corner, to (1, 1). attributes: further
    numbers of each vertex, by names that begin with "_".
    """

    name: str
    vertices: Float[Tensor, "n 3"]
    faces: Int[Tensor, "m 3"]
    coordinates: Float[Tensor, "n 2"]
    picture: UInt8[Tensor, "h w 3"]
    attributes: Mapping[str, Float[Tensor, " n"]] = field(default_factory=dict)


def require_sound(path: Path, mesh: Mesh) -> None:
    """Refuses vertices that are not finite and faces that name a vertex that is not there."""
    if not mesh.vertices.isfinite().all():
        raise InputError(path, expected="finite vertices", found="NaN or inf", fix="leave those points out")
    if mesh.faces is None or len(mesh.faces) == 0:
        return
    low, high, count = int(mesh.faces.min()), int(mesh.faces.max()), len(mesh.vertices)
    if low < 0 or high >= count:
        raise InputError(
            path, expected=f"faces of vertices 0 to {count - 1}", found=f"{low} to {high}", fix="number them anew"
        )
