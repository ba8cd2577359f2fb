"""Procedural solid textures: a colour for each point of a body's own frame (metres), so they move with the body."""

from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Float
from torch import Tensor

LATTICE = 32  # the noise repeats after this many cells


class Pattern(StrEnum):
    PLAIN = "plain"
    NOISE = "noise"
    CHECKS = "checks"
    STRIPES = "stripes"
    BRICKS = "bricks"
    GRADIENT = "gradient"


@dataclass(frozen=True, kw_only=True)
class Texture:
    """Mixes `first` and `second` (RGB, [0, 1]) by a pattern.

    frequency: cycles per metre. octaves: of the noise. offset: shift of the pattern in cycles.
    grain: share of noise mixed into any pattern, [0, 1].
    """

    pattern: Pattern
    first: Float[Tensor, "3"]
    second: Float[Tensor, "3"]
    frequency: float
    octaves: int
    offset: Float[Tensor, "3"]
    grain: float

    def __call__(
        self,
        points: Float[Tensor, "3 r"],
        normals: Float[Tensor, "3 r"],
        lattice: Float[Tensor, "n n n"],
    ) -> Float[Tensor, "3 r"]:
        """Albedo at points with normals, both in the body's frame."""
        cycles = points * self.frequency + self.offset.to(points)[:, None]
        share = self._share(cycles, normals, lattice)
        if self.grain > 0 and self.pattern is not Pattern.NOISE:
            share = share + self.grain * (fractal_noise(cycles * 4, lattice, octaves=2) - share)
        first, second = self.first.to(points)[:, None], self.second.to(points)[:, None]
        return first + share * (second - first)

    def _share(self, cycles, normals, lattice) -> Float[Tensor, " r"]:
        match self.pattern:
            case Pattern.PLAIN:
                return torch.zeros_like(cycles[0])
            case Pattern.NOISE:
                return fractal_noise(cycles, lattice, octaves=self.octaves)
            case Pattern.CHECKS:
                u, v = _surface(cycles, normals)
                return ((u.floor() + v.floor()) % 2).to(cycles)
            case Pattern.STRIPES:
                u, _ = _surface(cycles, normals)
                return _triangle(u)
            case Pattern.BRICKS:
                return _bricks(*_surface(cycles, normals))
            case Pattern.GRADIENT:
                return _triangle(cycles[1] / 4)


def fractal_noise(
    points: Float[Tensor, "3 r"], lattice: Float[Tensor, "n n n"], *, octaves: int
) -> Float[Tensor, " r"]:
    """Value noise in [0, 1]: each octave has twice the frequency and half the amplitude of the one before."""
    total = torch.zeros_like(points[0])
    for octave in range(octaves):
        total += _value_noise(points * 2**octave, lattice) / 2**octave
    return total / (2 - 0.5 ** (octaves - 1))


def _value_noise(points: Float[Tensor, "3 r"], lattice: Float[Tensor, "n n n"]) -> Float[Tensor, " r"]:
    """Trilinear interpolation, with smoothed weights, of random values on an integer lattice."""
    n = lattice.shape[0]
    cell = points.floor()
    x, y, z = (points - cell) * (points - cell) * (3 - 2 * (points - cell))
    i, j, k = cell.long() % n
    i1, j1, k1 = (i + 1) % n, (j + 1) % n, (k + 1) % n
    flat = lattice.to(points).flatten()
    rows = [(i * n + j) * n, (i * n + j1) * n, (i1 * n + j) * n, (i1 * n + j1) * n]
    along_z = [flat[row + k] + z * (flat[row + k1] - flat[row + k]) for row in rows]
    low, high = along_z[0] + y * (along_z[1] - along_z[0]), along_z[2] + y * (along_z[3] - along_z[2])
    return low + x * (high - low)


def _surface(cycles: Float[Tensor, "3 r"], normals: Float[Tensor, "3 r"]):
    """The two coordinates that lie most in the surface: those other than the normal's largest axis."""
    axis = normals.abs().argmax(dim=0)
    u = torch.where(axis == 0, cycles[2], cycles[0])
    v = torch.where(axis == 1, cycles[2], cycles[1])
    return u, v


def _triangle(u: Float[Tensor, " r"]) -> Float[Tensor, " r"]:
    """A wave of period 1 between 0 and 1 (a sine would not round the same everywhere)."""
    return (2 * (u - u.floor()) - 1).abs()


def _bricks(u: Float[Tensor, " r"], v: Float[Tensor, " r"]) -> Float[Tensor, " r"]:
    """1 in the mortar: courses of height 1/2, bricks of length 1, every second course shifted by half a brick."""
    course = (2 * v).floor()
    along = u + (course % 2) / 2
    in_joint = ((along - along.floor()) < 0.06) | ((2 * v - course) < 0.12)
    return in_joint.to(u)
