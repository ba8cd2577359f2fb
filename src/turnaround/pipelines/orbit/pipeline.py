"""`run.py pipeline=orbit`: one picture to a video that turns around its scene."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from rich.console import Console
from torch import Tensor

from turnaround.geometry.camera_path import CameraPath
from turnaround.geometry.clearance import stopped_before
from turnaround.geometry.projection import intrinsics
from turnaround.io.existing import existing_file
from turnaround.io.picture import read_picture
from turnaround.pipelines.orbit.account import Account
from turnaround.pipelines.orbit.card import Card
from turnaround.pipelines.orbit.exports.export import Exports, Setting
from turnaround.pipelines.orbit.exports.report import ReportPage
from turnaround.pipelines.orbit.frames import without_holes
from turnaround.pipelines.orbit.growth import Grower
from turnaround.pipelines.orbit.packing import packed_frames, packed_view, unpacked_frames, unpacked_view
from turnaround.pipelines.orbit.relief import estimated
from turnaround.pipelines.orbit.stops import COARSE, Arc, Stops
from turnaround.pipelines.stage import Result, Stages
from turnaround.pipelines.work import content_hash
from turnaround.types import (
    DepthKind,
    InputError,
    KeyView,
    OrbitVideo,
    Pinhole,
    Provenance,
    SceneCache,
    View,
    WeightsNotice,
)

STAGES, FIGURE = "stages", "figures."
MULTIPLE = 8  # of both sides: what videos and networks need
LONGEST = 4  # times the shorter side, of what is read
CHUNK = 12  # frames that are rendered and kept together


@dataclass(frozen=True, kw_only=True)
class Camera:
    """The camera that took the picture, as far as it is known, and what its path must not do.

    horizontal_fov_deg: of the picture. distance: metres that the path keeps from surfaces that the picture shows.
    thickness: metres behind a surface that count as its inside.
    """

    horizontal_fov_deg: float
    distance: float
    thickness: float


class OrbitPipeline:
    """Depth of the picture, then a cache of key views that grows along the path, then its frames, then all files.

    Every stage is kept in `out/stages` under the hash of what decides it, so a run that was killed goes on where it
    stopped and ends with the same bytes, and a changed setting makes anew only what follows from it.

    size: pixels of the shorter side. path: from the picture's own camera. exports: what is written besides
    `report.html`. card: of the report. fps: of the videos.
    """

    def __init__(
        self,
        *,
        input: str,
        size: int,
        grower: Grower,
        stops: Stops,
        path: CameraPath,
        camera: Camera,
        exports: Exports,
        card: Card,
        fps: float,
    ):
        if not 64 <= size <= 2048:
            raise InputError("size", expected="64 to 2048 pixels", found=str(size), fix="give another size=PIXELS")
        self.input, self.size, self.grower, self.stops = input, size, grower, stops
        self.path, self.camera, self.exports, self.card, self.fps = path, camera, exports, card, fps

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return [*self.grower.estimator.weights, *self.grower.inpainter.weights]

    def run(self, out: Path) -> dict[str, float]:
        """Returns frames, key_views, and the shares observed, propagated and generated of all pixels."""
        path = Path(self.input)
        existing_file(path, expected="a picture")
        self.exports.require_apart(path, out)
        stages = Stages(out / STAGES)
        first = stages.run("depth", lambda: self._first(path), inputs=[], settings=(content_hash(path), self._settings))
        cache = SceneCache(views=(unpacked_view(first.tensors),))
        pivot = self._pivot(cache.views[0])
        cameras, warnings = self._cameras(cache.views[0], pivot)
        cache, figures, last = self._grown(stages, cache, cameras, first)
        orbit = self._frames(stages, cache, cameras, last)
        self._write(
            out,
            orbit,
            cache,
            pivot,
            Account(
                name=path.name,
                figures=figures,
                seconds=stages.seconds,
                models=(self.grower.estimator.name, self.grower.inpainter.name),
                weights=self.weights,
                warnings=warnings,
            ),
        )
        stages.forget_others()
        shares = {kind.name.lower(): float((orbit.label == int(kind)).float().mean()) for kind in Provenance}
        return {"frames": float(len(orbit.video)), "key_views": float(len(cache.views)), **shares}

    def _write(self, out: Path, orbit: OrbitVideo, cache: SceneCache, pivot: float, account: Account) -> None:
        kind = self.grower.estimator.kind
        setting = Setting(
            fps=self.fps,
            closed=self.path.closed,
            kind=kind if kind is DepthKind.METRIC else DepthKind.SCALE_INVARIANT,
            pivot=torch.tensor([0.0, 0.0, pivot], dtype=torch.float64),
            surfaces=self.grower.surfaces,
        )
        page = ReportPage(account=account, card=self.card)
        self.exports.with_file("report", page).write(out, orbit, cache, setting)

    @cached_property
    def _settings(self) -> str:
        """All that decides key views but for what they follow from."""
        return repr((self.size, self.camera, self.grower.settings))

    def _first(self, path: Path) -> Mapping[str, Tensor]:
        """The picture with its depth."""
        picture = read_picture(path, longest=LONGEST * self.size)
        image = scaled(picture.image, self.size)
        height, width = image.shape[1:]
        k = intrinsics(height, width, horizontal_fov_deg=self.camera.horizontal_fov_deg)
        if picture.focal is not None:
            k[[0, 1], [0, 1]] = picture.focal * width / picture.image.shape[2]
        camera = Pinhole(world_from_cam=torch.eye(4)[None], intrinsics=k[None].float(), height=height, width=width)
        raw = estimated(self.grower.estimator, image, self.grower.seed)
        inverse = self.grower.relief.inverse_depth(raw, self.grower.estimator.kind)
        return packed_view(
            KeyView(
                view=View(image=image, depth=(1 / inverse).float(), camera=camera),
                label=torch.zeros(height, width, dtype=torch.uint8),
                confidence=torch.ones(height, width),
                step=0,
            )
        )

    def _pivot(self, first: KeyView) -> float:
        """The median depth of the middle of the picture."""
        height, width = first.view.depth.shape
        return float(first.view.depth[height // 4 : -(height // 4), width // 4 : -(width // 4)].median())

    def _cameras(self, first: KeyView, pivot: float) -> tuple[Pinhole, Sequence[str]]:
        """Of the path, with what a person should know of it: an open one ends before a surface; a closed one, which
        would not be any more, goes through."""
        start = first.view.camera
        cameras = self.path.cameras(start, pivot)
        stopped = stopped_before(
            cameras,
            first.view.depth,
            start,
            distance=self.camera.distance,
            thickness=self.camera.thickness,
        )
        if stopped.frame is None:
            return cameras, ()
        cameras, outcome = (
            (cameras, "a closed path goes on, through it")
            if self.path.closed
            else (stopped.cameras, "the camera stands still from there")
        )
        warning = (
            f"the path comes within {self.camera.distance:g} m of a surface at frame {stopped.frame} of "
            f"{self.path.frames}; {outcome}"
        )
        Console(stderr=True).print(f"warning: {warning}")
        return cameras, (warning,)

    def _grown(
        self, stages: Stages, cache: SceneCache, cameras: Pinhole, first: Result
    ) -> tuple[SceneCache, Sequence[Mapping[str, float]], Result]:
        """The cache with all its key views, their figures, and the result that the last of them is."""
        figures: list[Mapping[str, float]] = []
        last, closed = first, self.path.closed
        digest = camera_digest(cameras)  # not the path's settings: the file of an imported one may change
        arc = Arc(first=0, last=len(cameras), backwards=False)
        while True:
            step = len(cache.views)
            held, ahead = cache, arc
            made = stages.run(
                f"view_{step:03d}",
                lambda held=held, ahead=ahead, step=step: self._next(held, cameras, ahead, step),
                inputs=[last],
                settings=(self._settings, self.stops, digest, ahead),
            )
            last = made
            if "frame" not in made.tensors:
                return cache, figures, last
            figures.append(
                {key.removeprefix(FIGURE): float(made.tensors[key]) for key in made.tensors if key.startswith(FIGURE)}
            )
            cache = cache.with_view(unpacked_view(made.tensors))
            arc = arc.grown(int(made.tensors["frame"]), both_ways=closed)

    def _next(self, cache: SceneCache, cameras: Pinhole, arc: Arc, step: int) -> Mapping[str, Tensor]:
        """The next key view, or only that there is none."""

        def unknown(camera: Pinhole) -> float:
            return float(self.grower.seen(cache, coarse(camera)).hole.float().mean())

        frame = self.stops.next(arc, cameras, unknown)
        if frame is None:
            return {"done": torch.tensor(True)}
        view, figures = self.grower.key_view(cache, cameras.at(frame), step)
        kept = {f"{FIGURE}{name}": torch.tensor(value) for name, value in figures.items()}
        return {**packed_view(view), "frame": torch.tensor(frame), FIGURE + "frame": torch.tensor(float(frame)), **kept}

    def _frames(self, stages: Stages, cache: SceneCache, cameras: Pinhole, last: Result) -> OrbitVideo:
        def rendered(places: range) -> Mapping[str, Tensor]:
            return packed_frames([without_holes(self.grower.seen(cache, cameras.at(frame))) for frame in places])

        chunks = [
            stages.run(
                f"frames_{places.start:05d}", lambda places=places: rendered(places), inputs=[last], settings=CHUNK
            ).tensors
            for places in chunked(len(cameras))
        ]
        return unpacked_frames({name: torch.cat([chunk[name] for chunk in chunks]) for name in chunks[0]})


def chunked(frames: int) -> Iterator[range]:
    for start in range(0, frames, CHUNK):
        yield range(start, min(start + CHUNK, frames))


def camera_digest(cameras: Pinhole) -> str:
    tensors = (cameras.world_from_cam, cameras.intrinsics)
    return hashlib.sha256(b"".join(each.contiguous().numpy().tobytes() for each in tensors)).hexdigest()


def coarse(camera: Pinhole) -> Pinhole:
    """`COARSE` times smaller."""
    k = camera.intrinsics.clone()
    k[:, :2] /= COARSE
    return replace(camera, intrinsics=k, height=camera.height // COARSE, width=camera.width // COARSE)


def scaled(image: Float[Tensor, "3 h w"], size: int) -> Float[Tensor, "3 y x"]:
    """With a shorter side of `size` pixels, both multiples of `MULTIPLE`: by area averages, or bilinearly enlarged."""
    height, width = image.shape[1:]
    ratio = size / min(height, width)
    wanted = tuple(max(round(side * ratio / MULTIPLE), 1) * MULTIPLE for side in (height, width))
    if wanted == (height, width):
        return image
    if ratio < 1:
        return torch.nn.functional.interpolate(image[None], wanted, mode="area")[0]
    return torch.nn.functional.interpolate(image[None], wanted, mode="bilinear", align_corners=False)[0].clamp(0, 1)
