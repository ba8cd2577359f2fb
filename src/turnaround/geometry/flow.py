"""Optical flow: where it comes from (depth and motion of the camera) and how it moves images."""

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.projection import pixel_grid, project, unproject
from turnaround.types import Pinhole


def static_flow(depth: Float[Tensor, "t h w"], cameras: Pinhole) -> Float[Tensor, "t-1 2 h w"]:
    """Forward flow of a scene in which only the camera moves."""
    points = unproject(depth, cameras)[:-1].flatten(1, 2)
    later = Pinhole(
        world_from_cam=cameras.world_from_cam[1:],
        intrinsics=cameras.intrinsics[1:],
        height=cameras.height,
        width=cameras.width,
    )
    pixels, _ = project(points, later)
    grid = pixel_grid(cameras.height, cameras.width, like=depth)
    return (pixels.unflatten(1, depth.shape[1:]) - grid).movedim(-1, 1)


def backward_warp(image: Float[Tensor, "t c h w"], flow: Float[Tensor, "t 2 h w"]) -> Float[Tensor, "t c h w"]:
    """For each pixel the bilinear sample of `image` at pixel + flow; border pixels are repeated outside."""
    height, width = image.shape[-2:]
    target = pixel_grid(height, width, like=image) + flow.movedim(1, -1)
    size = torch.tensor([width, height], dtype=image.dtype, device=image.device)
    return torch.nn.functional.grid_sample(
        image, target / size * 2 - 1, mode="bilinear", padding_mode="border", align_corners=False
    )
