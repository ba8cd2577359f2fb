"""From a first view and a path to a video: the cache grows along the path, then every frame is rendered from it."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.surroundings import Surroundings, surroundings_of
from turnaround.pipelines.orbit.growth import Grower
from turnaround.pipelines.orbit.motion import Scenes
from turnaround.pipelines.orbit.packing import (
    packed_frames,
    packed_view,
    packed_views,
    unpacked_frames,
    unpacked_view,
    unpacked_views,
)
from turnaround.pipelines.orbit.splats import Splats
from turnaround.pipelines.orbit.stops import Arc, Stops
from turnaround.pipelines.stage import Result, Stages
from turnaround.types import OrbitVideo, PicturedObject, Pinhole, SceneCache, WeightsNotice

FIGURE = "figures."
CHUNK = 12  # frames that are rendered and kept together


@dataclass(frozen=True, kw_only=True)
class Grown:
    """A finished cache. figures: of each key view (`Grower.key_view`), with its `frame` of the path. last: the result
    that decides all of it."""

    cache: SceneCache
    figures: Sequence[Mapping[str, float]]
    last: Result


@dataclass(frozen=True, kw_only=True)
class Orbiter:
    """Films a scene of which one view is known. splats: how frames are made of the cache."""

    grower: Grower
    stops: Stops
    splats: Splats

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        """Of all its parts."""
        return [*self.grower.weights, *self.splats.weights]

    def grown(
        self,
        stages: Stages,
        first: Result,
        cameras: Pinhole,
        pivot: Float[Tensor, "3"],
        *,
        closed: bool,
        subject: PicturedObject | None,
    ) -> Grown:
        """first: a packed key view, that of the path's first camera. pivot: the world point that the path turns about.
        closed: whether the path's end meets its start, so that it is grown from both. subject: what a prior is asked
        about."""
        view = unpacked_view(first.tensors)
        around = surroundings_of(view.view.depth, view.view.camera, cameras, pivot)
        settings = (self.grower.settings, self.stops, camera_digest(cameras), pivot.tolist())
        last = stages.run(
            "layers", lambda: packed_views(self.grower.behind(view, around, subject)), inputs=[first], settings=settings
        )
        cache = SceneCache(views=(view,), behind=unpacked_views(last.tensors))
        figures: list[Mapping[str, float]] = []
        arcs = [Arc(first=0, last=len(cameras), backwards=False)]
        while arcs:
            held, ahead, arcs = cache, arcs[0], arcs[1:]
            last = stages.run(
                f"view_{len(cache.views):03d}",
                lambda held=held, ahead=ahead: self._next(held, cameras, ahead, around, subject),
                inputs=[last],
                settings=(settings, ahead),
            )
            if "frame" not in last.tensors:
                continue
            figures.append(
                {key.removeprefix(FIGURE): float(last.tensors[key]) for key in last.tensors if key.startswith(FIGURE)}
            )
            cache = cache.with_view(unpacked_view(last.tensors))
            rest, over = ahead.parted(int(last.tensors["frame"]), both_ways=closed)
            arcs = [rest, *arcs, over]
        return Grown(cache=cache, figures=figures, last=last)

    def filmed(self, stages: Stages, grown: Grown, cameras: Pinhole, scenes: Scenes, settings: str) -> OrbitVideo:
        """Without holes. scenes: the cache as it is in each frame. settings: all that decides these, as text."""

        def rendered(places: range) -> Mapping[str, Tensor]:
            frames = ((scenes(grown.cache, frame), cameras.at(frame)) for frame in places)
            return packed_frames([self.splats.filmed(*each, self.grower.surfaces) for each in frames])

        chunks = [
            stages.run(
                f"frames_{places.start:05d}",
                lambda places=places: rendered(places),
                inputs=[grown.last],
                settings=(CHUNK, camera_digest(cameras), settings, self.splats.settings),
            ).tensors
            for places in chunked(len(cameras))
        ]
        return unpacked_frames({name: torch.cat([chunk[name] for chunk in chunks]) for name in chunks[0]})

    def _next(
        self,
        cache: SceneCache,
        cameras: Pinhole,
        arc: Arc,
        around: Surroundings,
        subject: PicturedObject | None,
    ) -> Mapping[str, Tensor]:
        """The next key view, or only that there is none."""
        frame = self.stops.next(arc, cameras, partial(self.grower.unknown, cache))
        if frame is None:
            return {"done": torch.tensor(True)}
        view, figures = self.grower.key_view(cache, cameras.at(frame), len(cache.ordered), around, subject)
        kept = {f"{FIGURE}{name}": torch.tensor(value) for name, value in figures.items()}
        return {**packed_view(view), "frame": torch.tensor(frame), FIGURE + "frame": torch.tensor(float(frame)), **kept}


def chunked(frames: int) -> Iterator[range]:
    for start in range(0, frames, CHUNK):
        yield range(start, min(start + CHUNK, frames))


def camera_digest(cameras: Pinhole) -> str:
    """Not a path's settings: the file of an imported one may change."""
    tensors = (cameras.world_from_cam, cameras.intrinsics)
    return hashlib.sha256(b"".join(each.contiguous().numpy().tobytes() for each in tensors)).hexdigest()
