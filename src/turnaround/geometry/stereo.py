"""Rectified stereo: the right camera stands `baseline` metres along the left camera's +x axis."""

import dataclasses
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.types import Camera, Pinhole, View

Eye = TypeVar("Eye", bound=Camera)


def right_camera(left: Eye, baseline: float) -> Eye:
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


def depth_deviation(
    depth: Float[Tensor, "*shape"], *, focal: float, baseline: float, pixels: float
) -> Float[Tensor, "*shape"]:
    """Standard deviation of depth in metres, to first order: z^2 / (f b) times `pixels`, that of the disparity."""
    return depth**2 * (pixels / (focal * baseline))


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
    return View(image=image, depth=depth, camera=left), right


def hidden_from_left(
    left: Float[Tensor, "h w"], right: Float[Tensor, "h w"], *, tolerance: float
) -> tuple[Bool[Tensor, "h w"], Bool[Tensor, "h w"]]:
    """Which pixels of the right view the left one does not show, and of which that is known.

    left, right: disparity of either view in pixels, not finite or at most 0 where unknown. A point of the right view
    at x stands at x + disparity in the left. It is hidden where that is outside, or where neither of the two pixels
    beside that place has its disparity within `tolerance` pixels; it is not known where one of the two has none.
    """
    width = right.shape[1]
    known = right.isfinite() & (right > 0)
    place = torch.arange(width, device=right.device) + torch.where(known, right, 0)  # in whole numbers at centres
    outside = place >= width - 0.5
    beside = [place.floor().long().clamp(max=width - 1), place.ceil().long().clamp(max=width - 1)]
    found = torch.stack([left.gather(1, column) for column in beside])
    told = found.isfinite() & (found > 0)
    agrees = (told & ((found - right).abs() <= tolerance)).any(0)
    hidden = outside | ~agrees
    return hidden & known, known & (outside | agrees | told.all(0))
