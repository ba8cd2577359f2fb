"""What tracks in space should be, as losses of how far their points are moved along the rays that saw them.

Jin et al., Stereo4D, CVPR 2025, and the code released with it. With P'_i = C_i + (D_i + d_i) r_i of frame i:

    static   w_s / (2 pairs) * sum over i, j of |p_i - p_j|^2,  p = P' / (scale + 1e-5)
    dynamic  w_d * sum over strides k and frames i of ((P'_{i+k} - 2 P'_i + P'_{i-k}) . r_i)^2
    kept     lambda * sum over i of (1 / (D_i + d_i) - 1 / D_i)^2
    total    (1 - m) static + m dynamic + kept,  m = sigmoid(motion - switch)

Sums are over valid frames, and over those i of which all three frames are valid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

TINY = 1e-5  # added to a scale, as the released code does


@dataclass(frozen=True, kw_only=True)
class RayTracks:
    """Points as distances from the camera, metres along rays of length 1; where not valid, any finite numbers.

    motion: pixels that a track moves in the picture, that of the camera left out.
    """

    centres: Float[Tensor, "t 3"]
    rays: Float[Tensor, "t n 3"]
    distances: Float[Tensor, "t n"]
    valid: Bool[Tensor, "t n"]
    motion: Float[Tensor, "n"]

    def points(self, moved: Float[Tensor, "t n"]) -> Float[Tensor, "t n 3"]:
        return self.centres[:, None] + (self.distances + moved)[..., None] * self.rays

    def mean(self, values: Float[Tensor, "t n"]) -> Float[Tensor, "n"]:
        """Over valid frames; 0 without any."""
        return (values * self.valid).sum(dim=0) / self.valid.sum(dim=0).clamp(min=1)


@runtime_checkable
class Scale(Protocol):
    """What a track's static loss counts its distances in, metres."""

    def __call__(self, tracks: RayTracks, points: Float[Tensor, "t n 3"]) -> Float[Tensor, "n"]: ...


class OriginDistance:
    """The mean distance to the world's origin, as in the released code: another world frame gives other results."""

    def __call__(self, tracks: RayTracks, points: Float[Tensor, "t n 3"]) -> Float[Tensor, "n"]:
        # Away from 0, where the norm of what is not valid would have no gradient.
        return tracks.mean(points.masked_fill(~tracks.valid[..., None], 1.0).norm(dim=-1))


class CameraDistance:
    """The mean distance to the camera as measured: the same in every world frame, and no move changes it, so that going
    nearer or farther gains nothing and the static loss stays a square."""

    def __call__(self, tracks: RayTracks, points: Float[Tensor, "t n 3"]) -> Float[Tensor, "n"]:
        return tracks.mean(tracks.distances)


class OneMetre:
    def __call__(self, tracks: RayTracks, points: Float[Tensor, "t n 3"]) -> Float[Tensor, "n"]:
        return torch.ones_like(points[0, :, 0])


@runtime_checkable
class Static(Protocol):
    """The static loss of each track without its weight."""

    @property
    def scale(self) -> Scale: ...

    def __call__(self, tracks: RayTracks, points: Float[Tensor, "t n 3"]) -> Float[Tensor, "n"]: ...


class PairwiseStatic:
    """As it is written: all pairs of frames, so time and memory grow with their square."""

    def __init__(self, *, scale: Scale):
        self.scale = scale

    def __call__(self, tracks: RayTracks, points: Float[Tensor, "t n 3"]) -> Float[Tensor, "n"]:
        p = points / (self.scale(tracks, points) + TINY)[:, None]
        squared = (p[:, None] - p[None]).square().sum(dim=-1)
        both = tracks.valid[:, None] & tracks.valid[None]
        return (squared * both).sum(dim=(0, 1)) / (2 * both.sum(dim=(0, 1)).clamp(min=1))


class SummedStatic:
    """The same number in time linear in frames: sum over i, j of |p_i - p_j|^2 = 2 (n sum |p|^2 - |sum p|^2), which is
    2 n sum |p|^2 of points around their mean; said so, nothing cancels far from the origin."""

    def __init__(self, *, scale: Scale):
        self.scale = scale

    def __call__(self, tracks: RayTracks, points: Float[Tensor, "t n 3"]) -> Float[Tensor, "n"]:
        variance = tracks.mean((points - mean_point(points, tracks.valid)).square().sum(dim=-1))
        return variance / (self.scale(tracks, points) + TINY).square()


@runtime_checkable
class Ends(Protocol):
    """Which three frames each acceleration is made of, at the ends of a clip."""

    def __call__(self, frames: int, stride: int) -> Int[Tensor, "3 m"]: ...


class PaddedEnds:
    """The first and the last frame stand in for those beyond, as in the released code: steady motion towards the camera
    is held back there."""

    def __call__(self, frames: int, stride: int) -> Int[Tensor, "3 m"]:
        now = torch.arange(frames)
        return torch.stack([(now - stride).clamp(min=0), now, (now + stride).clamp(max=frames - 1)])


class OpenEnds:
    """Only frames that exist."""

    def __call__(self, frames: int, stride: int) -> Int[Tensor, "3 m"]:
        now = torch.arange(stride, max(frames - stride, stride))
        return torch.stack([now - stride, now, now + stride])


class TrackLosses:
    """The total of each track. switch: pixels of motion at which static and dynamic weigh the same."""

    def __init__(
        self,
        *,
        static: Static,
        ends: Ends,
        static_weight: float,
        dynamic_weight: float,
        regularization: float,
        switch: float,
        strides: Sequence[int],
    ):
        self.static, self.ends, self.strides = static, ends, tuple(strides)
        self.static_weight, self.dynamic_weight = static_weight, dynamic_weight
        self.regularization, self.switch = regularization, switch

    def __call__(self, tracks: RayTracks, moved: Float[Tensor, "t n"]) -> Float[Tensor, "n"]:
        points = tracks.points(moved)
        moving = self.moving(tracks)
        static = self.static_weight * self.static(tracks, points)
        dynamic = self.dynamic_weight * self.dynamic(tracks, points)
        change = 1 / (tracks.distances + moved) - 1 / tracks.distances
        kept = self.regularization * (change * tracks.valid).square().sum(dim=0)
        return (1 - moving) * static + moving * dynamic + kept

    def moving(self, tracks: RayTracks) -> Float[Tensor, "n"]:
        """The share of the dynamic loss, in [0, 1]."""
        return torch.sigmoid(tracks.motion - self.switch)

    def dynamic(self, tracks: RayTracks, points: Float[Tensor, "t n 3"]) -> Float[Tensor, "n"]:
        """Squared accelerations along the ray, summed; without their weight."""
        total = torch.zeros_like(points[0, :, 0])
        for stride in self.strides:
            before, now, after = self.ends(len(points), stride).to(points.device)
            bend = ((points[after] - 2 * points[now] + points[before]) * tracks.rays[now]).sum(dim=-1)
            valid = tracks.valid[before] & tracks.valid[now] & tracks.valid[after]
            total = total + (bend * valid).square().sum(dim=0)
        return total


def mean_point(points: Float[Tensor, "t n 3"], valid: Bool[Tensor, "t n"]) -> Float[Tensor, "n 3"]:
    """Over valid frames; 0 without any. What is not valid must be finite."""
    return (points * valid[..., None]).sum(dim=0) / valid.sum(dim=0).clamp(min=1)[:, None]
