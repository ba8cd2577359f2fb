"""Camera paths of a video that is made from one picture: they all begin at the picture's own camera.

A camera is carried by a rig whose centre is a pivot before it. The rig turns about the world's vertical
(`paths.UP`) and tilts, and the camera moves on it towards the pivot or away. One that is pitched or rolled stays so.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.easing import Curve, Easing
from turnaround.geometry.paths import turned
from turnaround.geometry.se3 import rigid
from turnaround.types import InputError, Pinhole

MAX_FRAMES = 10**5


@runtime_checkable
class CameraPath(Protocol):
    """Where the camera of a video goes. closed: whether the frame after the last is the first."""

    @property
    def frames(self) -> int: ...

    @property
    def closed(self) -> bool: ...

    def cameras(self, start: Pinhole, pivot: Float[Tensor, "3"]) -> Pinhole:
        """`frames` cameras of start's size and type, the first of which is `start` bit for bit.

        start: one frame, any pose. pivot: the point that is turned about, in start's axes, before it; metres.
        """
        ...


class RigPath(ABC):
    """A path that four curves over time in [0, 1] describe; at time 0 they are 0, 0, 1 and 1."""

    frames: int

    @property
    @abstractmethod
    def closed(self) -> bool: ...

    @abstractmethod
    def times(self) -> Curve:
        """Of each frame, in float64."""

    def turned_degrees(self, time: Curve) -> Curve:
        """The turn about the vertical; to the right where it is positive."""
        return torch.zeros_like(time)

    def risen_degrees(self, time: Curve) -> Curve:
        """The tilt about the camera's own x axis, before the turn; up where it is positive."""
        return torch.zeros_like(time)

    def distance(self, time: Curve) -> Curve:
        """From the pivot, as a share of the first."""
        return torch.ones_like(time)

    def zoom(self, time: Curve) -> Curve:
        """The focal length as a share of the first."""
        return torch.ones_like(time)

    def cameras(self, start: Pinhole, pivot: Float[Tensor, "3"]) -> Pinhole:
        """As of `CameraPath`."""
        return self.cameras_at(self.times(), start, pivot)

    def cameras_at(self, times: Curve, start: Pinhole, pivot: Float[Tensor, "3"]) -> Pinhole:
        """As of `cameras`, at as many times of another choice, of which the first is 0."""
        require("pivot", 0 < float(pivot[2]) < math.inf, "metres above 0", float(pivot[2]))
        pose, time = start.world_from_cam[0].double(), times.to(start.world_from_cam.device)
        point = pose[:3, 3] + pose[:3, :3] @ pivot.to(pose)
        poses = turned(pose, point, self.turned_degrees(time).deg2rad(), -self.risen_degrees(time).deg2rad())
        poses = rigid(poses[:, :3, :3], point + self.distance(time)[:, None] * (poses[:, :3, 3] - point))
        poses[0] = pose  # without the roundings
        intrinsics = start.intrinsics.double().repeat(len(times), 1, 1)
        intrinsics[:, :2, :2] *= self.zoom(time)[:, None, None]
        return replace(start, world_from_cam=poses.to(start.world_from_cam), intrinsics=intrinsics.to(start.intrinsics))


@dataclass(frozen=True, kw_only=True)
class Loop(RigPath):
    """A closed path at constant pace: its end is left out, so that frame `frames` would be frame 0."""

    frames: int

    def __post_init__(self):
        require_frames(self.frames)

    @property
    def closed(self):
        return True

    def times(self):
        return torch.arange(self.frames, dtype=torch.float64) / self.frames


@dataclass(frozen=True, kw_only=True)
class Stretch(RigPath):
    """A path from the start to somewhere else, both included."""

    frames: int
    easing: Easing

    def __post_init__(self):
        require_frames(self.frames)

    @property
    def closed(self):
        return False

    def times(self):
        return self.easing(torch.linspace(0, 1, self.frames, dtype=torch.float64))


@dataclass(frozen=True, kw_only=True)
class Turntable(Loop):
    """Whole turns about the vertical through the pivot; to the left where `turns` is negative."""

    turns: int

    def __post_init__(self):
        super().__post_init__()
        require("turns", self.turns != 0, "a whole number but 0", self.turns)

    def turned_degrees(self, time):
        return 360 * self.turns * time


@dataclass(frozen=True, kw_only=True)
class Spiral(Turntable):
    """A turntable that rises until it is half-way, and comes down again.

    rise_degrees: how high it is half-way, seen from the pivot and measured from where it starts. reach: how far from
    the pivot it is half-way, as a share of the first distance.
    """

    rise_degrees: float
    reach: float

    def __post_init__(self):
        super().__post_init__()
        require_rise("rise_degrees", self.rise_degrees)
        require_reach(self.reach)

    def risen_degrees(self, time):
        return self.rise_degrees * _there_and_back(time)

    def distance(self, time):
        return 1 + (self.reach - 1) * _there_and_back(time)


@dataclass(frozen=True, kw_only=True)
class Wobble(Loop):
    """To the right, back, to the left and home: a figure of eight whose right half and left half begin upwards.

    side_degrees, up_degrees: how far it goes at most from the start.
    """

    side_degrees: float
    up_degrees: float

    def __post_init__(self):
        super().__post_init__()
        require_turn("side_degrees", self.side_degrees)
        require_rise("up_degrees", self.up_degrees)

    def turned_degrees(self, time):
        return self.side_degrees * (2 * torch.pi * time).sin()

    def risen_degrees(self, time):
        return self.up_degrees * (4 * torch.pi * time).sin()


@dataclass(frozen=True, kw_only=True)
class Arc(Stretch):
    """About the vertical through the pivot by `degrees`; to the left where they are negative."""

    degrees: float

    def __post_init__(self):
        super().__post_init__()
        require_turn("degrees", self.degrees)

    def turned_degrees(self, time):
        return self.degrees * time


@dataclass(frozen=True, kw_only=True)
class Dolly(Stretch):
    """Straight forwards by `share` of the way to the pivot; backwards where it is negative."""

    share: float

    def __post_init__(self):
        super().__post_init__()
        require("share", -math.inf < self.share < 1, "less than 1, so that it stays before the pivot", self.share)

    def distance(self, time):
        return 1 - self.share * time


@dataclass(frozen=True, kw_only=True)
class DollyZoom(Dolly):
    """A dolly whose focal length makes up for the way: the plane of the pivot keeps its size in the picture."""

    def zoom(self, time):
        return self.distance(time)


@dataclass(frozen=True, kw_only=True)
class Fly(Stretch):
    """Towards the pivot (`reach` below 1) or away from it (above 1), so that its size changes by even factors.

    reach: the distance from the pivot at the end, as a share of the first. up_degrees: how far it has risen then.
    """

    reach: float
    up_degrees: float

    def __post_init__(self):
        super().__post_init__()
        require_reach(self.reach)
        require_rise("up_degrees", self.up_degrees)

    def distance(self, time):
        return self.reach**time

    def risen_degrees(self, time):
        return self.up_degrees * time


def require(subject: str, sound: bool, expected: str, found: int | float) -> None:
    if not sound:  # NaN is not
        raise InputError(subject, expected=expected, found=f"{found:g}", fix="correct it")


def require_frames(frames: int) -> None:
    require("frames", 1 <= frames <= MAX_FRAMES, f"1 to {MAX_FRAMES}", frames)


def require_reach(reach: float) -> None:
    require("reach", 0 < reach < math.inf, "a share above 0", reach)


def require_turn(subject: str, degrees: float) -> None:
    require(subject, math.isfinite(degrees), "degrees", degrees)


def require_rise(subject: str, degrees: float) -> None:
    require(subject, abs(degrees) < 90, "less than 90 degrees up or down", degrees)


def _there_and_back(time: Curve) -> Curve:
    """From 0 to 1 at time 1/2 and back, at rest at both."""
    return (1 - (2 * torch.pi * time).cos()) / 2
