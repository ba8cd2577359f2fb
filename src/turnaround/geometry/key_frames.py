"""Camera paths that a person sets: some cameras at some times, and a smooth way between them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.camera_path import require, require_frames
from turnaround.geometry.easing import Curve
from turnaround.geometry.se3 import quaternion_from_rotation, rigid, rotation_from_quaternion
from turnaround.types import InputError, Pinhole


@dataclass(frozen=True, kw_only=True)
class KeyFrame:
    """camera: of one frame. time: in [0, 1]; on a closed path below 1, which is 0 again."""

    camera: Pinhole
    time: float


@dataclass(frozen=True, kw_only=True)
class KeyFrames:
    """At least one, sorted by time, no two at one time, of one size. closed: whether the last leads to the first.

    Between them all numbers of a camera (its centre, its orientation as a quaternion, focal lengths as logarithms,
    principal point) follow cubic Hermite splines whose tangents are those of the parabola through a key frame and its
    neighbours, so that the path has no corners at uneven times either; before the first and after the last it rests.
    """

    frames: Sequence[KeyFrame]
    closed: bool

    def __post_init__(self):
        if not self.frames:
            raise InputError("key frames", expected="at least one", found="none", fix="keep one")
        times = [key.time for key in self.frames]
        for time in times:
            sound = 0 <= time <= 1 and not (self.closed and time == 1)
            require("time", sound, "0 to 1, and below 1 on a closed path", time)
        for one, other in pairwise(times):
            require("time", one < other, "key frames at different times, in order", other)
        sizes = {(key.camera.height, key.camera.width) for key in self.frames}
        if len(sizes) > 1:
            raise InputError("key frames", expected="one size", found=f"{len(sizes)} sizes", fix="scale their lenses")

    @classmethod
    def along(cls, cameras: Pinhole, count: int, *, closed: bool) -> "KeyFrames":
        """About `count` cameras of a path, evenly spread, at their own times; of an open one also the last."""
        times, frames = frame_times(len(cameras), closed=closed), len(cameras)
        spread = torch.arange(count) * frames / count if closed else torch.linspace(0, frames - 1, count)
        chosen = torch.unique(spread.round().long().clamp(max=frames - 1)).tolist()
        keys = tuple(KeyFrame(camera=cameras.at(frame), time=float(times[frame])) for frame in chosen)
        return cls(frames=keys, closed=closed)

    def placed(self, camera: Pinhole, time: float) -> "KeyFrames":
        """With a camera at a time, instead of the one that is there, if one is."""
        others = [key for key in self.frames if key.time != time]
        return self._of([*others, KeyFrame(camera=camera, time=time)])

    def moved(self, number: int, time: float) -> "KeyFrames":
        """With key frame `number` at another time. InputError: one that is taken."""
        key = self.frames[number]
        return self._of([*(other for other in self.frames if other is not key), replace(key, time=time)])

    def without(self, number: int) -> "KeyFrames":
        return self._of([*self.frames[:number], *self.frames[number + 1 :]])

    def joined(self) -> "KeyFrames":
        """Closed: the way back to the first takes as long as the others do at the mean."""
        if self.closed:
            return self
        count = len(self.frames)
        return replace(self, frames=self._scaled((count - 1) / count if count > 1 else 0.0), closed=True)

    def parted(self) -> "KeyFrames":
        """Open: without the way back to the first, so that the last is the end."""
        if not self.closed:
            return self
        last = self.frames[-1].time
        return replace(self, frames=self._scaled(1 / last if last > 0 else 1.0), closed=False)

    def cameras(self, frames: int) -> Pinhole:
        """The video's cameras. One at the time of a key frame is that key frame's, bit for bit."""
        require_frames(frames)
        at = frame_times(frames, closed=self.closed)
        first = self.frames[0].camera
        poses, lenses = self._between(at)
        poses, lenses = poses.to(first.world_from_cam), lenses.to(first.intrinsics)
        here, key = (at[:, None] == self._times()).nonzero(as_tuple=True)
        poses[here] = torch.cat([each.camera.world_from_cam for each in self.frames])[key].to(poses)
        lenses[here] = torch.cat([each.camera.intrinsics for each in self.frames])[key].to(lenses)
        return replace(first, world_from_cam=poses, intrinsics=lenses)

    def _of(self, keys: Sequence[KeyFrame]) -> "KeyFrames":
        return replace(self, frames=tuple(sorted(keys, key=lambda key: key.time)))

    def _scaled(self, factor: float) -> tuple[KeyFrame, ...]:
        return tuple(replace(key, time=min(key.time * factor, 1.0)) for key in self.frames)

    def _times(self) -> Curve:
        return torch.tensor([key.time for key in self.frames], dtype=torch.float64)

    def _between(self, at: Curve) -> tuple[Float[Tensor, "t 4 4"], Float[Tensor, "t 3 3"]]:
        poses = torch.cat([key.camera.world_from_cam.double() for key in self.frames])
        lenses = torch.cat([key.camera.intrinsics.double() for key in self.frames])
        focal = lenses[:, [0, 1], [0, 1]].log()
        values = torch.cat([poses[:, :3, 3], focal, lenses[:, :2, 2], quaternion_from_rotation(poses[:, :3, :3])], 1)
        times = self._times()
        if self.closed:  # two more on either side, so that the tangents around the seam are those of the inside
            order = torch.arange(-2, len(times) + 2)
            turns = order.div(len(times), rounding_mode="floor")
            times, values = times[order % len(times)] + turns, values[order % len(times)]
        centre, focal, middle, quaternion = spline(times, _same_side(values), at).split([3, 2, 2, 4], dim=1)
        k = torch.diag_embed(torch.cat([focal.exp(), torch.ones_like(focal[:, :1])], dim=1))
        k[:, :2, 2] = middle
        return rigid(rotation_from_quaternion(quaternion), centre), k


def frame_times(frames: int, *, closed: bool) -> Curve:
    """Of a video's frames: the last at 1, or on a closed path a frame before it."""
    return torch.arange(frames, dtype=torch.float64) / (frames if closed else max(frames - 1, 1))


def spline(times: Float[Tensor, "k"], values: Float[Tensor, "k c"], at: Curve) -> Float[Tensor, "t c"]:
    """Through all values: cubic Hermite, its tangents those of the parabola through three neighbours (at both ends of
    the line through two). Constant before and after."""
    if len(times) == 1:
        return values.expand(len(at), -1)
    gap = times.diff()[:, None]
    slope = values.diff(dim=0) / gap
    inner = (gap[:-1] * slope[1:] + gap[1:] * slope[:-1]) / (gap[:-1] + gap[1:])
    tangent = torch.cat([slope[:1], inner, slope[-1:]])
    at = at.clamp(times[0], times[-1])
    i = (torch.searchsorted(times, at, right=True) - 1).clamp(0, len(times) - 2)
    s = ((at - times[i]) / gap[i, 0])[:, None]
    start = (1 + 2 * s) * (1 - s) ** 2 * values[i] + s * (1 - s) ** 2 * gap[i] * tangent[i]
    end = s**2 * (3 - 2 * s) * values[i + 1] - s**2 * (1 - s) * gap[i] * tangent[i + 1]
    return start + end


def _same_side(values: Float[Tensor, "k c"]) -> Float[Tensor, "k c"]:
    """Quaternions, the last four numbers, with the sign that is nearer to the one before: q and -q turn alike."""
    dots = (values[1:, -4:] * values[:-1, -4:]).sum(dim=1)
    signs = torch.where(dots < 0, -1.0, 1.0).to(values).cumprod(0)
    return torch.cat([values[:1], torch.cat([values[1:, :-4], values[1:, -4:] * signs[:, None]], dim=1)])
