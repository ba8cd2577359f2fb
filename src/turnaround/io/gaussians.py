"""Gaussians as the .ply of 3D Gaussian Splatting (Kerbl et al., SIGGRAPH 2023), which viewers of splats open.

Stored are x, y, z, a normal of zeros, `f_dc_0` to 2 (colour, less a half, over the constant spherical harmonic), the
logit of `opacity`, `scale_0` to 2 (logarithms of metres) and `rot_0` to 3 (a quaternion, w first). There is no
`f_rest`: colours do not depend on the direction. Axes are the world's: y down.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.io.ply import read_ply, write_ply
from turnaround.types import InputError

CONSTANT = 1 / math.sqrt(4 * math.pi)  # the spherical harmonic of degree 0
NAMES: tuple[str, ...] = ("nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2")
ROTATION = ("rot_0", "rot_1", "rot_2", "rot_3")


@dataclass(frozen=True, kw_only=True)
class Gaussians:
    """As they are fitted, without bounds. logits: of opacities. log_scales: of standard deviations in metres.
    quaternions: w first, of any length. colors: sRGB, [0, 1] where they are seen."""

    means: Float[Tensor, "n 3"]
    colors: Float[Tensor, "n 3"]
    logits: Float[Tensor, "n"]
    log_scales: Float[Tensor, "n 3"]
    quaternions: Float[Tensor, "n 4"]

    @classmethod
    def at_points(
        cls, points: Float[Tensor, "n 3"], colors: Float[Tensor, "n 3"], radius: Float[Tensor, "n"], opacity: float
    ) -> "Gaussians":
        """Round ones at points with radii in metres."""
        count = len(points)
        return cls(
            means=points.float(),
            colors=colors.float(),
            logits=torch.full((count,), math.log(opacity / (1 - opacity))),
            log_scales=radius.float().log()[:, None].expand(count, 3).contiguous(),
            quaternions=torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(count, 1),
        )

    @property
    def opacities(self) -> Float[Tensor, "n"]:
        return self.logits.sigmoid()

    @property
    def scales(self) -> Float[Tensor, "n 3"]:
        return self.log_scales.exp()


def write_gaussians(path: Path, gaussians: Gaussians) -> None:
    """Quaternions are written with length 1."""
    rotations = torch.nn.functional.normalize(gaussians.quaternions, dim=1)
    columns = (
        *torch.zeros_like(gaussians.means).unbind(1),
        *((gaussians.colors - 0.5) / CONSTANT).unbind(1),
        gaussians.logits,
        *gaussians.log_scales.unbind(1),
        *rotations.unbind(1),
    )
    if not all(column.isfinite().all() for column in columns):
        raise InputError(path, expected="finite Gaussians", found="NaN or inf", fix="fit them with smaller steps")
    attributes = dict(zip((*NAMES, *ROTATION), (column.float() for column in columns), strict=True))
    write_ply(path, gaussians.means.float(), attributes=attributes)


def read_gaussians(path: Path) -> Gaussians:
    """InputError: a .ply without them. What else it holds, colours by direction among it, is not looked at."""
    cloud = read_ply(path)
    lacking = [name for name in (*NAMES[3:], *ROTATION) if name not in cloud.attributes]
    if lacking:
        raise InputError(path, expected="Gaussians", found=f"no {lacking[0]}", fix="write them again")

    def column(*names: str) -> Tensor:
        return torch.stack([cloud.attributes[name].float() for name in names], dim=1)

    return Gaussians(
        means=cloud.vertices,
        colors=column(*NAMES[3:6]) * CONSTANT + 0.5,
        logits=column("opacity")[:, 0],
        log_scales=column(*NAMES[7:]),
        quaternions=column(*ROTATION),
    )
