"""Depth where no truth is known: estimated, and put between two distances."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.datasets.drops import Drops
from turnaround.datasets.kept import digest, kept
from turnaround.geometry.projection import intrinsics
from turnaround.types import (
    Clip,
    ClipSource,
    DepthEstimator,
    DepthKind,
    DepthVideo,
    InputError,
    Pinhole,
    ResumableDepthEstimator,
)


class EstimatedDepth:
    """Clips with depth from an estimator in place of their own, if they have any: a `ClipSource`.

    What the estimator leaves unknown is chosen (`between`): near, far are metres, by one minimum and maximum per clip,
    as ZeroStereo makes disparity for photos. Metric depth stays as it is. Clips without pinhole cameras get ones of
    this field of view that stand still. Raw estimates are kept below `cache`, named after the frames, the estimator
    and the seed.
    """

    def __init__(
        self,
        *,
        clips: ClipSource,
        estimator: DepthEstimator,
        cache: str,
        near: float,
        far: float,
        horizontal_fov_deg: float,
        seed: int,
    ):
        if not 0 < near < far < float("inf"):
            expected = "distances 0 < near < far, in metres"
            raise InputError("near, far", expected=expected, found=f"{near:g} and {far:g}", fix="correct them")
        if not 0 < horizontal_fov_deg < 180:
            found = f"{horizontal_fov_deg:g}"
            raise InputError("horizontal_fov_deg", expected="0 to 180 degrees", found=found, fix="correct it")
        self.clips, self.estimator, self.cache, self.seed = clips, estimator, Path(cache), seed
        self.near, self.far, self.horizontal_fov_deg = near, far, horizontal_fov_deg
        self.drops = Drops("clips with estimated depth")

    def ids(self) -> Sequence[str]:
        return self.clips.ids()

    def clip(self, id: str) -> Clip:
        """DroppedError: it cannot serve, or its estimate is not finite."""
        with self.drops.named(id):
            clip = self.clips.clip(id)
            decides = [self._fingerprint, str(self.seed), digest(clip.video)]
            raw = kept(self.cache, decides, lambda: self._estimate(clip))["depth"]
            depth = between(DepthVideo(values=raw, kind=self.estimator.kind), self.near, self.far)
        sources = {"depth": f"estimated by {self.estimator.name}"}
        if not isinstance(clip.cameras, Pinhole):
            sources["cameras"] = f"assumed, {self.horizontal_fov_deg:g} degrees wide"
            clip = replace(clip, cameras=still_cameras(clip, self.horizontal_fov_deg))
        return replace(clip, depth=DepthVideo(values=depth, kind=DepthKind.METRIC), sources={**clip.sources, **sources})

    def _estimate(self, clip: Clip) -> dict[str, Tensor]:
        values = torch.stack(list(self.estimator.stream(clip.video, seed=self.seed)))
        if not values.isfinite().all():
            found = f"{int((~values.isfinite()).sum())} that are not finite"
            raise InputError(f"clip {clip.id}", expected="finite depth", found=found, fix="choose another estimator")
        return {"depth": values.float()}

    @cached_property
    def _fingerprint(self) -> str:
        if isinstance(self.estimator, ResumableDepthEstimator):
            return self.estimator.fingerprint()
        return self.estimator.name


def between(depth: DepthVideo, near: float, far: float) -> Float[Tensor, "t h w"]:
    """Metres, with what the kind leaves unknown chosen so that the nearest point of the clip stands at `near` metres
    and, where a shift is unknown too, the farthest at `far`. Affine disparity is linear in 1 / metres.

    Affine kinds that are the same everywhere stand at `far`.
    """
    values = depth.values
    low, high = values.min(), values.max()
    share = (values - low) / (high - low).clamp(min=torch.finfo(values.dtype).tiny)
    match depth.kind:
        case DepthKind.METRIC:
            return values
        case DepthKind.SCALE_INVARIANT:
            return values * (near / low)
        case DepthKind.AFFINE_DEPTH:
            return near + share * (far - near) if high > low else torch.full_like(values, far)
        case DepthKind.AFFINE_DISPARITY:
            return 1 / (1 / far + share * (1 / near - 1 / far))


def still_cameras(clip: Clip, horizontal_fov_deg: float) -> Pinhole:
    """Of a camera at the origin that does not move."""
    frames, _, height, width = clip.video.shape
    return Pinhole(
        world_from_cam=torch.eye(4).expand(frames, 4, 4).clone(),
        intrinsics=intrinsics(height, width, horizontal_fov_deg=horizontal_fov_deg).expand(frames, 3, 3).clone(),
        height=height,
        width=width,
    )
