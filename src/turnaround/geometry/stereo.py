"""Rectified stereo: the right camera stands `baseline` metres along the left camera's +x axis."""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.types import Camera, Pinhole, View


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


def view_of_disparity(image: Float[Tensor, "c h w"], disparity: Float[Tensor, "h w"]) -> tuple[View, Pinhole]:
    """The left view of a rectified pair, and the right camera, from disparity alone (pixels, NaN or at most 0 unknown).

    Distances are in units of the baseline and the focal length is the picture's width, so that the projection to the
    right camera moves each pixel by its disparity.
    """
    height, width = disparity.shape
    k = torch.tensor([[[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]]], dtype=torch.float32)
    pose = torch.eye(4, dtype=torch.float32)[None]
    left = Pinhole(
        world_from_cam=pose.to(disparity.device), intrinsics=k.to(disparity.device), height=height, width=width
    )
    depth = torch.where(disparity > 0, width / disparity, torch.nan)
    right = right_camera(left, 1.0)
    assert isinstance(right, Pinhole)
    return View(image=image, depth=depth, camera=left), right
