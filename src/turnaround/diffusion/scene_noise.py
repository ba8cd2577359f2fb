"""Noise that belongs to places in the scene, so that the same hole gets the same noise in neighbouring views."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from turnaround.geometry.projection import pinhole_rays
from turnaround.geometry.se3 import transform
from turnaround.types import Pinhole

SHARE = 0.7  # of a latent cell's width in the scene: neighbouring cells seldom share a place
MULTIPLIERS = (-7046029254386353131, -4658895280553007687, -7723592293110705685)  # those of SplitMix64, as signed


def scene_noise(
    depth: Float[Tensor, "y x"], camera: Pinhole, *, factor: int, channels: int, seed: int
) -> Float[Tensor, "c y x"]:
    """Unit normal noise of latent cells, a function of the seed and of where in the scene their middles lie.

    depth: metres, of each cell's middle. camera: of the pixels, `factor` a side for each cell. Places are cubes whose
    side is a power of two near the width of a cell there, so that views from other distances share them too.
    """
    rows, columns = depth.shape
    v, u = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    pixels = (torch.stack([u, v], dim=-1).double() + 0.5) * factor
    rays = pinhole_rays(pixels, camera.intrinsics[0].double())
    points = transform(camera.world_from_cam[0].double(), (rays * depth.double()[..., None]).flatten(0, 1))
    width = SHARE * factor * depth.double().flatten() / float(camera.intrinsics[0, 0, 0])
    level = width.log2().round()
    cells = (points / 2**level[:, None]).floor().long()
    return _normal(torch.cat([cells, level.long()[:, None]], dim=1), channels, seed).T.reshape(channels, rows, columns)


def picture_noise(
    rows: range, columns: range, *, channels: int, seed: int, frame: int
) -> Float[Tensor, "c y x"]:
    """The same for frames of which no geometry is known: a function of the seed, the frame and the cell's place in it."""
    v, u = torch.meshgrid(*(torch.tensor(list(places)) for places in (rows, columns)), indexing="ij")
    places = torch.stack([u, v, torch.full_like(u, frame), torch.full_like(u, -(2**20))], dim=-1).flatten(0, 1)
    return _normal(places, channels, seed).T.reshape(channels, len(rows), len(columns))


def _normal(places: Int[Tensor, "n 4"], channels: int, seed: int) -> Float[Tensor, "n c"]:
    """Box and Muller's transform of two hashed uniform numbers for each place and channel."""
    key = torch.full((len(places),), seed, dtype=torch.int64)
    for coordinate in places.unbind(1):
        key = _mix(key ^ _mix(coordinate))
    keys = key[:, None] + 2 * torch.arange(channels)
    first, second = (_uniform(_mix(_mix(keys + offset))) for offset in (0, 1))
    return ((-2 * first.log()).sqrt() * (2 * math.pi * second).cos()).float()


def _mix(values: Int[Tensor, "*n"]) -> Int[Tensor, "*n"]:
    """The finalizer of SplitMix64 (Steele et al., OOPSLA 2014), in wrapping 64-bit arithmetic."""
    gold, first, second = MULTIPLIERS
    values = values + gold
    values = (values ^ _shifted(values, 30)) * first
    values = (values ^ _shifted(values, 27)) * second
    return values ^ _shifted(values, 31)


def _shifted(values: Int[Tensor, "*n"], bits: int) -> Int[Tensor, "*n"]:
    """To the right, as if unsigned."""
    return (values >> bits) & (2 ** (64 - bits) - 1)


def _uniform(values: Int[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """In (0, 1), from the upper 53 bits."""
    return (_shifted(values, 11).double() + 0.5) / 2**53
