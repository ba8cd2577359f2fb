"""From a rig as it filmed to one whose eyes look the same way, at right angles to the line between them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.types import DropError, RigPoses

MOST_TURNED = 45.0  # degrees between an eye's x axis and the line to the other: beyond, it is no pair of eyes


@dataclass(frozen=True, kw_only=True)
class Rectified:
    """A rig, rectified.

    eye_from_rectified: takes rays of the rectified left and right picture to rays of the filmed one (the key
    `rectified2rig` of Stereo4D). world_from_left: of the rectified left eye; NaN where not found. baseline: metres from
    it to the right one, along its x axis.
    """

    eye_from_rectified: Float[Tensor, "2 3 3"]
    world_from_left: Float[Tensor, "t 4 4"]
    baseline: float


def rectified(rig: RigPoses) -> Rectified:
    """Of a rig that structure from motion found. DropError: as of `eye_from_rectified`."""
    turned = eye_from_rectified(rig.left_from_right)
    left_from_rectified = torch.eye(4).to(rig.world_from_left)
    left_from_rectified[:3, :3] = turned[0].to(rig.world_from_left)
    return Rectified(
        eye_from_rectified=turned,
        world_from_left=rig.world_from_left @ left_from_rectified,
        baseline=float(rig.left_from_right[:3, 3].norm()),
    )


def eye_from_rectified(left_from_right: Float[Tensor, "4 4"]) -> Float[Tensor, "2 3 3"]:
    """The rotation of the left and of the right eye.

    The x axis of the rectified frame points from the left eye's centre to the right one's; z is as near as that allows
    to the mean of both eyes' forward axes; y points down. DropError: the eyes do not stand side by side, or the right
    one stands to the left.
    """
    rotation, centre = left_from_right[:3, :3], left_from_right[:3, 3]
    x = torch.nn.functional.normalize(centre, dim=0)
    rightwards = left_from_right.new_tensor([1.0, 0.0, 0.0]) + rotation[:, 0]
    turned = float(torch.acos((x @ torch.nn.functional.normalize(rightwards, dim=0)).clamp(-1, 1)).rad2deg())
    if not turned <= MOST_TURNED:  # also of eyes at one place, whose line is 0
        raise DropError("eyes not side by side", value=turned, limit=MOST_TURNED)
    forward = left_from_right.new_tensor([0.0, 0.0, 1.0]) + rotation[:, 2]
    z = torch.nn.functional.normalize(forward - (forward @ x) * x, dim=0)
    left = torch.stack([x, torch.linalg.cross(z, x), z], dim=-1)
    return torch.stack([left, rotation.T @ left])
