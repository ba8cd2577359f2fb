"""Tracks in pictures to tracks in space, by depth maps."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from turnaround.geometry.projection import in_image, pinhole_rays
from turnaround.geometry.se3 import transform
from turnaround.types import Pinhole, PixelTracks, Tracks


@runtime_checkable
class DepthAt(Protocol):
    """Reads depth maps between the pixels."""

    def at(self, depth: Float[Tensor, "t h w"], pixels: Float[Tensor, "t n 2"]) -> Float[Tensor, "t n"]:
        """depth: metres, NaN or at most 0 where unknown; so is the result, as NaN. pixels: in the picture."""
        ...


class NearestDepth:
    """That of the pixel whose centre is nearest."""

    def at(self, depth: Float[Tensor, "t h w"], pixels: Float[Tensor, "t n 2"]) -> Float[Tensor, "t n"]:
        return _read(depth, pixels.floor().long())


class RoundedDepth:
    """As Stereo4D's code reads it: at the rounded coordinates, though its pixel centres lie at +0.5, so that it is half
    a pixel off to the lower right on average."""

    def at(self, depth: Float[Tensor, "t h w"], pixels: Float[Tensor, "t n 2"]) -> Float[Tensor, "t n"]:
        return _read(depth, pixels.round().long())


class SurfaceDepth:
    """Bilinear in 1 / depth, exact on planes, where the four pixels around show one surface: the farthest is at most
    `ratio` times as far as the nearest. Elsewhere that of the nearest pixel."""

    def __init__(self, *, ratio: float):
        self.ratio = ratio

    def at(self, depth: Float[Tensor, "t h w"], pixels: Float[Tensor, "t n 2"]) -> Float[Tensor, "t n"]:
        corner = (pixels - 0.5).floor()
        x, y = (pixels - 0.5 - corner).unbind(-1)
        steps = torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1]])
        four = torch.stack([_read(depth, corner.long() + step) for step in steps])
        shares = torch.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y])
        between = 1 / (shares / four).sum(0)
        one = four.amax(0) <= self.ratio * four.amin(0)  # false where one is NaN
        return torch.where(one, between, NearestDepth().at(depth, pixels))


def lift(tracks: PixelTracks, depth: Float[Tensor, "t h w"], cameras: Pinhole, *, by: DepthAt, far: float) -> Tracks:
    """World points of tracks. depth: metres along z, NaN or at most 0 where unknown.

    A sample is visible where it is seen in the picture, lies in it, and has a depth below `far` metres. Elsewhere its
    world point is NaN.
    """
    inside = in_image(tracks.pixels, cameras.height, cameras.width)  # false where a pixel is NaN
    places = torch.where(inside[..., None], tracks.pixels, 0.5)
    found = by.at(depth, places)
    visible = tracks.visible & inside & (found < far)
    rays = torch.stack([pinhole_rays(*pair) for pair in zip(places, cameras.intrinsics.to(places), strict=True)])
    world = transform(cameras.world_from_cam.to(places), rays * found.unsqueeze(-1))
    return Tracks(world=torch.where(visible[..., None], world, torch.nan), pixels=tracks.pixels, visible=visible)


def _read(depth: Float[Tensor, "t h w"], pixels: Int[Tensor, "t n 2"]) -> Float[Tensor, "t n"]:
    """At (column, row), held to the picture; NaN where unknown."""
    height, width = depth.shape[1:]
    x, y = pixels[..., 0].clamp(0, width - 1), pixels[..., 1].clamp(0, height - 1)
    found = depth.flatten(1).gather(1, y * width + x)
    return torch.where((found > 0) & (found < torch.inf), found, torch.nan)
