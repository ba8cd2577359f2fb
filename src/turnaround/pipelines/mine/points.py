"""Tracks in pictures to tracks in space: lifted, those that drift left out, made steady, and how sure they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.lifting import DepthAt, NearestDepth, lift
from turnaround.geometry.stereo import depth_deviation
from turnaround.geometry.track_motion import track_motion, typical_motion
from turnaround.geometry.track_optimization import TrackOptimization
from turnaround.pipelines.mine.clip_stages import Matched
from turnaround.pipelines.mine.drift import DriftFilter, kept
from turnaround.types import Pinhole, PixelTracks, Tracks, Video, WeightsNotice

SHORT = "short"  # why a track goes of which too little is left


@dataclass(frozen=True, kw_only=True)
class Points:
    """Of tracks, as in `types.ClipQuality`: world points after and before the optimisation, and where they were seen,
    NaN where unknown; and what tells how sure they are. dropped: tracks left out, by reason."""

    world: Float[Tensor, "t n 3"]
    lifted: Float[Tensor, "t n 3"]
    pixels: Float[Tensor, "t n 2"]
    sigma: Float[Tensor, "n"]
    left_right: Float[Tensor, "n"]
    vertical: Float[Tensor, "n"]
    motion: Float[Tensor, "n"]
    static_residual: Float[Tensor, "n"]
    dropped: Mapping[str, int]

    @property
    def count(self) -> int:
        return self.world.shape[1]

    def packed(self) -> dict[str, Tensor]:
        counts = {f"dropped.{reason}": torch.tensor(count) for reason, count in self.dropped.items()}
        return {**{name: value.contiguous() for name, value in vars(self).items() if name != "dropped"}, **counts}

    @classmethod
    def unpacked(cls, tensors: Mapping[str, Tensor]) -> "Points":
        dropped = {key.removeprefix("dropped."): int(tensors[key]) for key in tensors if key.startswith("dropped.")}
        return cls(
            dropped=dropped, **{name: value for name, value in tensors.items() if not name.startswith("dropped.")}
        )


@dataclass(frozen=True, kw_only=True)
class PointStage:
    """depth_at: how depth maps are read between pixels. farthest: metres. trail, quantile: of `track_motion`. drift:
    which tracks are left out. optimization: what makes them steady. least: samples of a track. sigma_px: pixels,
    standard deviation of a disparity, of which `sigma` follows."""

    depth_at: DepthAt
    farthest: float
    trail: int
    quantile: float
    drift: DriftFilter
    optimization: TrackOptimization
    least: int
    sigma_px: float

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self.drift.weights

    def made(self, followed: PixelTracks, left: Video, seen: Matched, cameras: Pinhole, baseline: float) -> Points:
        """cameras: of the left crops. baseline: metres."""
        tracks = lift(followed, seen.depth, cameras, by=self.depth_at, far=self.farthest)
        motion = track_motion(tracks, cameras, trail=self.trail)
        stay, dropped = kept(self.drift.drops(left, tracks, motion))
        tracks, typical = _chosen(tracks, stay), typical_motion(motion[:, stay], quantile=self.quantile)
        steady = self.optimization(tracks, cameras.world_from_cam[:, :3, 3], typical)
        long = steady.tracks.visible.sum(0) >= self.least
        visible = steady.tracks.visible[:, long]
        pixels = torch.where(visible[..., None], tracks.pixels[:, long], torch.nan)
        depth = NearestDepth().at(seen.depth, _inside(pixels))
        focal = float(cameras.intrinsics[0, 0, 0])
        deviation = depth_deviation(depth, focal=focal, baseline=baseline, pixels=self.sigma_px)
        return Points(
            world=torch.where(visible[..., None], steady.tracks.world[:, long], torch.nan),
            lifted=torch.where(visible[..., None], tracks.world[:, long], torch.nan),
            pixels=pixels,
            sigma=_typical(deviation, visible),
            left_right=_typical(_residual(seen.left_right, pixels), visible),
            vertical=_typical(_residual(seen.vertical, pixels), visible),
            motion=typical[long],
            static_residual=steady.after[long],
            dropped={**dropped, SHORT: int((~long).sum())},
        )


def _chosen(tracks: Tracks, stay: Bool[Tensor, "n"]) -> Tracks:
    return Tracks(world=tracks.world[:, stay], pixels=tracks.pixels[:, stay], visible=tracks.visible[:, stay])


def _inside(pixels: Float[Tensor, "t n 2"]) -> Float[Tensor, "t n 2"]:
    """Where they are NaN, anywhere in the picture."""
    return pixels.nan_to_num(0.5)


def _residual(maps: Float[Tensor, "t h w"], pixels: Float[Tensor, "t n 2"]) -> Float[Tensor, "t n"]:
    x, y = _inside(pixels).long().unbind(-1)
    return maps.flatten(1).gather(1, y * maps.shape[2] + x)


def _typical(values: Float[Tensor, "t n"], visible: Tensor) -> Float[Tensor, "n"]:
    """The median over a track's samples; NaN where none is known."""
    return torch.where(visible, values, torch.nan).nanmedian(dim=0).values if len(values) else values.new_zeros(0)
