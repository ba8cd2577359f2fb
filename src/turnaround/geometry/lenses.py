"""Pixels to rays and back through the lenses of filmed pictures, and lenses of a given view."""

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.mesh_lens import mesh_pixels, mesh_rays
from turnaround.geometry.projection import intrinsics, pinhole_rays
from turnaround.types import (
    EquirectangularLens,
    FisheyeLens,
    Lens,
    MeshLens,
    PerspectiveLens,
    SampledEquirectangularLens,
)


def lens_rays(lens: Lens, pixels: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 3"]:
    """Unit rays of pixels, of the dtype of the pixels.

    Pixels outside the picture give what the formula of the lens says, or NaN where it has no ray there: a fisheye's
    beyond 180 degrees off the axis, an equirectangular one's beyond the poles or once around, a mesh's outside it.
    """
    if isinstance(lens, PerspectiveLens):
        return torch.nn.functional.normalize(pinhole_rays(pixels, lens.intrinsics.to(pixels)), dim=-1)
    if isinstance(lens, FisheyeLens):
        return _fisheye_rays(lens, pixels)
    if isinstance(lens, MeshLens):
        return mesh_rays(lens, pixels.reshape(-1, 2)).to(pixels).reshape(*pixels.shape[:-1], 3)
    return _equirectangular_rays(lens, pixels)


def lens_pixels(lens: Lens, rays: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 2"]:
    """Pixels of rays of any length but zero, of the dtype of the rays.

    Rays that the picture does not show give pixels outside of it, or NaN where the lens has none: behind a
    perspective one, outside a mesh.
    """
    if isinstance(lens, PerspectiveLens):
        return _perspective_pixels(lens, rays)
    if isinstance(lens, FisheyeLens):
        return _fisheye_pixels(lens, rays)
    if isinstance(lens, MeshLens):
        return mesh_pixels(lens, rays.reshape(-1, 3)).to(rays).reshape(*rays.shape[:-1], 2)
    return _equirectangular_pixels(lens, rays)


def perspective_lens(size: int, horizontal_fov_deg: float) -> PerspectiveLens:
    """Of a square picture that looks straight ahead."""
    k = intrinsics(size, size, horizontal_fov_deg=horizontal_fov_deg)
    return PerspectiveLens(intrinsics=k, height=size, width=size)


def finer(lens: Lens, factor: int) -> Lens:
    """The same picture in pixels of which `factor` take the place of one, along each side."""
    size = {"height": lens.height * factor, "width": lens.width * factor}
    if isinstance(lens, PerspectiveLens):
        scale = torch.tensor([factor, factor, 1], dtype=lens.intrinsics.dtype)
        return replace(lens, intrinsics=lens.intrinsics * scale[:, None], **size)
    if isinstance(lens, FisheyeLens):
        return replace(lens, focal=lens.focal * factor, **size)
    if isinstance(lens, MeshLens):
        return replace(lens, pixels=lens.pixels * factor, **size)
    return replace(lens, **size)


def fisheye_lens(size: int, fov_deg: float) -> FisheyeLens:
    """Of a square picture, from whose left border to its right one it is `fov_deg` degrees."""
    return FisheyeLens(focal=size / math.radians(fov_deg), height=size, width=size)


def half_sphere_lens(height: int, width: int) -> EquirectangularLens:
    """That of one eye of VR180, as `Equirectangular180`."""
    return EquirectangularLens(
        start_yaw=-90.0, end_yaw=90.0, start_tilt=-90.0, end_tilt=90.0, height=height, width=width
    )


def _perspective_pixels(lens: PerspectiveLens, rays: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 2"]:
    k = lens.intrinsics.to(rays)
    z = rays[..., 2]
    z = torch.where(z > 0, z, torch.nan)
    x = rays[..., 0] / z * k[0, 0] + rays[..., 1] / z * k[0, 1] + k[0, 2]
    return torch.stack([x, rays[..., 1] / z * k[1, 1] + k[1, 2]], dim=-1)


def _fisheye_rays(lens: FisheyeLens, pixels: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 3"]:
    middle = pixels.new_tensor([lens.width / 2, lens.height / 2])
    offset = (pixels - middle) / lens.focal
    angle = offset.norm(dim=-1, keepdim=True)
    angle = torch.where(angle <= math.pi, angle, torch.nan)
    sideways = offset * torch.sinc(angle / math.pi)  # sin(angle) / angle, 1 in the middle
    return torch.cat([sideways, angle.cos()], dim=-1)


def _fisheye_pixels(lens: FisheyeLens, rays: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 2"]:
    sideways = rays[..., :2].norm(dim=-1, keepdim=True)
    angle = torch.atan2(sideways, rays[..., 2:])
    # straight behind any direction is as good: the first axis is taken
    axis = torch.where(sideways > 0, rays[..., :2], rays.new_tensor([1.0, 0.0]))
    direction = axis / axis.norm(dim=-1, keepdim=True)
    return direction * angle * lens.focal + rays.new_tensor([lens.width / 2, lens.height / 2])


def _equirectangular_rays(lens: EquirectangularLens, pixels: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 3"]:
    start, step, first = _scale(lens, pixels)
    yaw, tilt = (start + (pixels - first) * step).unbind(-1)
    middle = (lens.start_yaw + lens.end_yaw) / 2
    slack = 1e-6  # rounding must not cost the pixels at the poles and behind
    shown = (tilt.abs() <= 90 + slack) & ((yaw - middle).abs() <= 180 + slack)
    yaw, tilt = yaw.deg2rad(), torch.where(shown, tilt, torch.nan).deg2rad()
    return torch.stack([yaw.sin() * tilt.cos(), tilt.sin(), yaw.cos() * tilt.cos()], dim=-1)


def _equirectangular_pixels(lens: EquirectangularLens, rays: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 2"]:
    start, step, first = _scale(lens, rays)
    x, y, z = rays.unbind(-1)
    middle = (lens.start_yaw + lens.end_yaw) / 2
    yaw = torch.atan2(x, z).rad2deg()
    yaw = middle + torch.remainder(yaw - middle + 180, 360) - 180  # of all turns, the one nearest to the picture
    tilt = torch.atan2(y, torch.hypot(x, z)).rad2deg()
    return (torch.stack([yaw, tilt], dim=-1) - start) / step + first


def _scale(lens: EquirectangularLens, like: Tensor) -> tuple[Tensor, Tensor, float]:
    """(yaw, tilt) in degrees of the pixel (first, first), the degrees from one pixel to the next, and `first`."""
    # a sampled lens has its bounds on the centres of pixels, so that its steps are one fewer
    first = 0.5 if isinstance(lens, SampledEquirectangularLens) else 0.0
    steps = like.new_tensor([lens.width - 2 * first, lens.height - 2 * first])
    start = like.new_tensor([lens.start_yaw, lens.start_tilt])
    return start, (like.new_tensor([lens.end_yaw, lens.end_tilt]) - start) / steps, first
