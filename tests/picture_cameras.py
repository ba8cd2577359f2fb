"""Cameras of single pictures, for paths that begin there."""

import math

import torch

from turnaround.geometry.projection import intrinsics
from turnaround.geometry.se3 import rigid, rotation_about
from turnaround.types import Pinhole

HEIGHT, WIDTH = 48, 64


def picture_camera(*, yaw=0.0, pitch=0.0, roll=0.0, eye=(0.0, 0.0, 0.0), dtype=torch.float64) -> Pinhole:
    """Angles in degrees: about the world's y, then the camera's x, then its z axis."""
    turns = [
        rotation_about(torch.eye(3, dtype=torch.float64)[axis], torch.tensor(math.radians(angle), dtype=torch.float64))
        for axis, angle in ((1, yaw), (0, pitch), (2, roll))
    ]
    pose = rigid(turns[0] @ turns[1] @ turns[2], torch.tensor(eye, dtype=torch.float64))
    k = intrinsics(HEIGHT, WIDTH, horizontal_fov_deg=60.0)
    return Pinhole(world_from_cam=pose[None].to(dtype), intrinsics=k[None].to(dtype), height=HEIGHT, width=WIDTH)


def level() -> Pinhole:
    """At the origin, with the identity as pose."""
    return picture_camera()


def held_askew(dtype=torch.float64) -> Pinhole:
    return picture_camera(yaw=35.0, pitch=-12.0, roll=7.0, eye=(0.3, -1.6, -2.1), dtype=dtype)


def ahead(metres: float) -> torch.Tensor:
    """A point on a camera's axis, in its own axes."""
    return torch.tensor([0.0, 0.0, metres], dtype=torch.float64)
