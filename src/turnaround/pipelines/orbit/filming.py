"""Filming along given cameras, for benchmarks: no files but the frames."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.pipelines.orbit.growth import observed
from turnaround.pipelines.orbit.motion import Still
from turnaround.pipelines.orbit.orbiter import Orbiter
from turnaround.pipelines.orbit.packing import packed_view
from turnaround.pipelines.orbit.relief import estimated, fitted_to
from turnaround.pipelines.stage import Stages
from turnaround.types import Inpainter, KeyView, Pinhole, SceneCache, Video, View, WeightsNotice


@dataclass(frozen=True, kw_only=True)
class CacheFilmer:
    """The orbit of this house. inpainter: in place of the orbiter's own."""

    name: str
    orbiter: Orbiter
    inpainter: Inpainter

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return replace(self.orbiter, grower=replace(self.orbiter.grower, inpainter=self.inpainter)).weights

    def film(self, first: View, cameras: Pinhole, pivot: Float[Tensor, "3"], *, closed: bool, seed: int) -> Video:
        grower = replace(self.orbiter.grower, inpainter=self.inpainter, seed=seed)
        orbiter = replace(self.orbiter, grower=grower)
        still = Still()
        with TemporaryDirectory(prefix="turnaround-") as folder:
            stages = Stages(Path(folder))
            view = opening(orbiter, first)
            result = stages.run("depth", lambda: packed_view(view), inputs=[], settings=self.name)
            grown = orbiter.grown(stages, result, cameras, pivot, closed=closed, subject=None)
            return orbiter.filmed(stages, grown, cameras, still.scenes(view), still.settings).video


@dataclass(frozen=True, kw_only=True)
class MeshFilmer:
    """The surfaces that the first view shows, and black where it shows none."""

    name: str
    orbiter: Orbiter

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self.orbiter.grower.estimator.weights

    def film(self, first: View, cameras: Pinhole, pivot: Float[Tensor, "3"], *, closed: bool, seed: int) -> Video:
        cache = SceneCache(views=(opening(self.orbiter, first),))
        frames = (self.orbiter.grower.seen(cache, cameras.at(frame)).image for frame in range(len(cameras)))
        return torch.stack(list(frames))


def opening(orbiter: Orbiter, first: View) -> KeyView:
    """The first view with estimated depth, of the scale that its known depth tells."""
    grower = orbiter.grower
    estimate = estimated(grower.estimator, first.image, grower.seed)
    inverse = fitted_to(first.depth, estimate, grower.estimator.kind)
    inverse = grower.relief.shaped(inverse, first.image, first.camera)
    return observed(replace(first, depth=1 / inverse))
