"""Rectified stereo: the right camera stands `baseline` metres along the left camera's +x axis."""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.types import Camera


def right_camera(left: Camera, baseline: float) -> Camera:
    """The right eye of a rig of parallel cameras."""
    shift = torch.eye(4, dtype=left.world_from_cam.dtype, device=left.world_from_cam.device)
    shift[0, 3] = baseline
    return dataclasses.replace(left, world_from_cam=left.world_from_cam @ shift)


def disparity_from_depth(
    depth: Float[Tensor, "t h w"], intrinsics: Float[Tensor, "t 3 3"], baseline: float
) -> Float[Tensor, "t h w"]:
    """Pixels by which a point stands further left in the right eye: x_right = x_left - disparity."""
    return intrinsics[:, 0, 0, None, None] * baseline / depth


def depth_from_disparity(
    disparity: Float[Tensor, "t h w"], intrinsics: Float[Tensor, "t 3 3"], baseline: float
) -> Float[Tensor, "t h w"]:
    """Metres along z; infinite where the disparity is 0."""
    return intrinsics[:, 0, 0, None, None] * baseline / disparity
