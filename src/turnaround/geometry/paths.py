"""Camera paths: `world_from_cam` for each frame. World axes: y points down, so `up` is -y."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.se3 import look_at, rigid, rotation_about

UP = torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64)

Poses = Float[Tensor, "t 4 4"]
Point = Float[Tensor, "3"]


def static(eye: Point, target: Point, frames: int) -> Poses:
    """A camera on a tripod."""
    return look_at(eye, target, UP.to(eye)).expand(frames, 4, 4).clone()


def orbit(eye: Point, target: Point, frames: int, *, degrees: float) -> Poses:
    """Around the vertical line through `target` by `degrees` from the first to the last frame, looking at it."""
    return _turn(eye, target, torch.linspace(0, math.radians(degrees), frames, dtype=eye.dtype))


def closed_orbit(eye: Point, target: Point, frames: int) -> Poses:
    """Once around; the endpoint is excluded, so frame `frames` would be frame 0."""
    return _turn(eye, target, torch.arange(frames, dtype=eye.dtype) * (2 * math.pi / frames))


def dolly(eye: Point, target: Point, frames: int, *, travel: Point) -> Poses:
    """Along a straight line from `eye` to `eye + travel` without turning."""
    start = look_at(eye, target, UP.to(eye))
    steps = torch.linspace(0, 1, frames, dtype=eye.dtype)[:, None] * travel
    return rigid(start[:3, :3].expand(frames, 3, 3), eye + steps)


def handheld(eye: Point, target: Point, frames: int, *, travel: Point, sway: Float[Tensor, "2 3 3"]) -> Poses:
    """A dolly with the sway of a hand.

    sway: for position (metres) and for the point looked at (metres) the amplitude, frequency (cycles over the path)
    and phase (radians) of a sine along x, y and z: [what, (amplitude, frequency, phase), axis].
    """
    time = torch.linspace(0, 1, frames, dtype=eye.dtype)[:, None]
    move, gaze = (a * torch.sin(2 * math.pi * f * time + p) for a, f, p in sway)
    return look_at(eye + time * travel + move, target + gaze, UP.to(eye))


def turned(pose: Float[Tensor, "4 4"], pivot: Point, around: Float[Tensor, "t"], over: Float[Tensor, "t"]) -> Poses:
    """A camera on a rig that turns about `pivot`: by `over` about the camera's x axis, then by `around` about UP.

    Angles in radians: down and to the right where they are positive. The camera turns as the rig does, so that one
    that is pitched or rolled stays so.
    """
    axes = UP.to(pose), pose[:3, 0]
    first, then = (rotation_about(axis.expand(len(a), 3), a) for axis, a in zip(axes, (around, over), strict=True))
    turn = first @ then
    return rigid(turn @ pose[:3, :3], pivot + turn @ (pose[:3, 3] - pivot))


def turned_degrees(poses: Poses) -> Float[Tensor, "t"]:
    """About the vertical from the first viewing direction to each, in (-180, 180], to the right where positive."""
    forward = poses[:, :3, 2].double()
    heading = torch.atan2(forward[:, 0], forward[:, 2])  # y points down
    turned = (heading - heading[0]).remainder(2 * math.pi)
    return torch.rad2deg(torch.where(turned > math.pi, turned - 2 * math.pi, turned))


def _turn(eye: Point, target: Point, angles: Float[Tensor, "t"]) -> Poses:
    turn = rotation_about(UP.to(eye).expand(len(angles), 3), angles)
    eyes = target + (turn @ (eye - target))
    return look_at(eyes, target.expand_as(eyes), UP.to(eye))
