"""Pixels to rays and points, and back. Pixel centres lie at +0.5; pixels are (x, y)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.se3 import invert, transform
from turnaround.types import Camera, Equirectangular180, Pinhole


def pixel_grid(height: int, width: int, *, like: Tensor) -> Float[Tensor, "h w 2"]:
    """The centres of all pixels."""
    y = torch.arange(height, dtype=like.dtype, device=like.device) + 0.5
    x = torch.arange(width, dtype=like.dtype, device=like.device) + 0.5
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def intrinsics(height: int, width: int, *, horizontal_fov_deg: float) -> Float[Tensor, "3 3"]:
    """K of a pinhole with square pixels and the principal point in the middle."""
    focal = width / 2 / math.tan(math.radians(horizontal_fov_deg) / 2)
    return torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])


def pinhole_rays(pixels: Float[Tensor, "*batch 2"], intrinsics: Float[Tensor, "3 3"]) -> Float[Tensor, "*batch 3"]:
    """Camera-frame rays with z = 1, so that ray * depth is the point."""
    x = (pixels[..., 0] - intrinsics[0, 2]) / intrinsics[0, 0]
    y = (pixels[..., 1] - intrinsics[1, 2]) / intrinsics[1, 1]
    return torch.stack([x, y, torch.ones_like(x)], dim=-1)


def equirectangular_rays(pixels: Float[Tensor, "*batch 2"], height: int, width: int) -> Float[Tensor, "*batch 3"]:
    """Camera-frame rays of length 1, so that ray * distance is the point (see `Equirectangular180`)."""
    longitude = (pixels[..., 0] / width - 0.5) * math.pi
    latitude = (0.5 - pixels[..., 1] / height) * math.pi
    return torch.stack([longitude.sin() * latitude.cos(), -latitude.sin(), longitude.cos() * latitude.cos()], dim=-1)


def camera_rays(camera: Camera, frame: int, pixels: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 3"]:
    """Camera-frame rays, scaled so that ray * depth is the point (z = 1 for a pinhole, length 1 for VR180)."""
    if isinstance(camera, Pinhole):
        return pinhole_rays(pixels, camera.intrinsics[frame])
    return equirectangular_rays(pixels, camera.height, camera.width)


def unproject(depth: Float[Tensor, "t h w"], cameras: Pinhole) -> Float[Tensor, "t h w 3"]:
    """World points of depth maps (metres along z)."""
    grid = pixel_grid(cameras.height, cameras.width, like=depth)
    rays = torch.stack([pinhole_rays(grid, k) for k in cameras.intrinsics.to(depth)])
    in_camera = (rays * depth.unsqueeze(-1)).flatten(1, 2)
    return transform(cameras.world_from_cam.to(depth), in_camera).unflatten(1, depth.shape[1:])


def project(points: Float[Tensor, "t n 3"], cameras: Pinhole) -> tuple[Float[Tensor, "t n 2"], Float[Tensor, "t n"]]:
    """Pixels and z (metres) of world points in each frame; where z <= 0 the pixel means nothing."""
    in_camera = transform(invert(cameras.world_from_cam.to(points)), points)
    k = cameras.intrinsics.to(points)
    z = in_camera[..., 2]
    safe = torch.where(z.abs() < 1e-9, torch.full_like(z, 1e-9), z)
    x = in_camera[..., 0] / safe * k[:, None, 0, 0] + k[:, None, 0, 2]
    y = in_camera[..., 1] / safe * k[:, None, 1, 1] + k[:, None, 1, 2]
    return torch.stack([x, y], dim=-1), z


def project_equirectangular(
    points: Float[Tensor, "t n 3"], cameras: Equirectangular180
) -> tuple[Float[Tensor, "t n 2"], Float[Tensor, "t n"]]:
    """Pixels and distance (metres) of world points in each frame; pixels lie outside the image behind the camera."""
    in_camera = transform(invert(cameras.world_from_cam.to(points)), points)
    x, y, z = in_camera.unbind(-1)
    distance = in_camera.norm(dim=-1)
    longitude = torch.atan2(x, z)
    latitude = torch.asin((-y / distance.clamp_min(1e-9)).clamp(-1, 1))
    pixels = torch.stack(
        [(longitude / math.pi + 0.5) * cameras.width, (0.5 - latitude / math.pi) * cameras.height], dim=-1
    )
    return pixels, distance


def in_image(pixels: Float[Tensor, "*batch 2"], height: int, width: int):
    """Whether pixel positions lie inside the image area [0, width) x [0, height)."""
    x, y = pixels[..., 0], pixels[..., 1]
    return (x >= 0) & (x < width) & (y >= 0) & (y < height)
