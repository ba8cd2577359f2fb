"""Estimated depth brought to the unit of the cameras beside it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.datasets.drops import Drops
from turnaround.datasets.kept import digest, kept
from turnaround.geometry.matching import matched_points
from turnaround.geometry.triangulate import triangulate
from turnaround.types import Clip, ClipSource, DepthKind, DepthVideo, InputError, Pinhole

NEAR = 1.3  # wide enough for what estimates get wrong, and narrow enough to leave wrong matches out


class FittedScale:
    """Clips whose depth is multiplied by one number each, so that it fits their cameras: a `ClipSource`.

    Points that SIFT finds in frame 0 and in another frame are triangulated, and their depth is divided by the clip's.
    The number is the median over the points of all frames, once those that disagree are left out (`agreeing`). Counted
    are points that both cameras see within `most_error` pixels of the triangulated one, under an angle of at least
    `least_degrees`. Ratios are kept below `cache`, named after frames, depth and cameras.

    Clips with fewer than `least_matches` points that agree are dropped when they are drawn: the camera hardly moves,
    what it sees does, or its depth is wrong by more than a factor.
    """

    def __init__(self, *, clips: ClipSource, least_matches: int, most_error: float, least_degrees: float, cache: str):
        if least_matches < 1:
            raise InputError("least_matches", expected="at least 1", found=str(least_matches), fix="correct it")
        self.clips, self.least_matches, self.cache = clips, least_matches, Path(cache)
        self.most_error, self.least_degrees = most_error, least_degrees
        self.drops = Drops("clips with fitted depth")

    def ids(self) -> Sequence[str]:
        return self.clips.ids()

    def clip(self, id: str) -> Clip:
        """DroppedError: it cannot serve."""
        with self.drops.named(id):
            clip = self.clips.clip(id)
            depth, cameras = _geometry(clip)
            named = digest(clip.video, depth, cameras.world_from_cam, cameras.intrinsics)
            decides = [named, repr((self.most_error, self.least_degrees))]
            ratios = kept(self.cache, decides, lambda: {"ratios": self._ratios(clip.video, depth, cameras)})["ratios"]
            agreed = agreeing(ratios)
            if len(agreed) < self.least_matches:
                expected = f"{self.least_matches} points whose depth agrees up to one factor"
                found = f"{len(agreed)} of {len(ratios)}"
                raise InputError(f"clip {id}", expected=expected, found=found, fix="remove it")
            scale = float(agreed.median())
        return replace(
            clip,
            depth=DepthVideo(values=depth * scale, kind=DepthKind.METRIC),
            sources={**clip.sources, "scale": f"{scale:.4g}, of {len(agreed)} points"},
        )

    def _ratios(
        self, video: Float[Tensor, "t 3 h w"], depth: Float[Tensor, "t h w"], cameras: Pinhole
    ) -> Float[Tensor, "n"]:
        """Triangulated over given depth, of the points that count."""
        found = [torch.zeros(0, dtype=torch.float64)]
        for frame in range(1, len(video)):
            first, second = matched_points(video[0], video[frame])
            points = triangulate(first, second, cameras.at(0), cameras.at(frame))
            columns, rows = first.floor().long().unbind(1)
            given = depth[0][rows.clamp(0, depth.shape[1] - 1), columns.clamp(0, depth.shape[2] - 1)]
            counted = (points.error <= self.most_error) & (points.angle >= math.radians(self.least_degrees))
            counted &= (points.depth > 0) & (given > 0)
            found.append(points.depth[counted] / given[counted])
        return torch.cat(found)


def agreeing(ratios: Float[Tensor, "n"]) -> Float[Tensor, "m"]:
    """Those within a factor of NEAR from their median.

    Points that are matched wrongly along a ray mostly come too near, so that they would move the median, too.
    """
    median = ratios.median() if len(ratios) else torch.nan
    return ratios[(ratios > median / NEAR) & (ratios < median * NEAR)]


def _geometry(clip: Clip) -> tuple[Float[Tensor, "t h w"], Pinhole]:
    if clip.depth is None or clip.depth.kind is not DepthKind.METRIC or not isinstance(clip.cameras, Pinhole):
        expected = "pinhole cameras and depth up to a factor"
        raise InputError(f"clip {clip.id}", expected=expected, found="a clip without", fix="choose another source")
    return clip.depth.values, clip.cameras
