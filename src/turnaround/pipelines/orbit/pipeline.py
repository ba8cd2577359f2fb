"""`run.py pipeline=orbit`: one picture to a video that turns around its scene."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from rich.console import Console
from torch import Tensor

from turnaround.geometry.camera_path import CameraPath, RigPath
from turnaround.geometry.clearance import stopped_before
from turnaround.geometry.projection import intrinsics
from turnaround.geometry.se3 import transform
from turnaround.geometry.surroundings import levelled
from turnaround.io.existing import existing_file
from turnaround.io.picture import read_picture
from turnaround.pipelines.orbit.account import Account
from turnaround.pipelines.orbit.card import Card
from turnaround.pipelines.orbit.exports.export import Exports, Setting
from turnaround.pipelines.orbit.exports.report import ReportPage
from turnaround.pipelines.orbit.growth import Grower, observed
from turnaround.pipelines.orbit.motion import Motion
from turnaround.pipelines.orbit.orbiter import Orbiter, camera_digest
from turnaround.pipelines.orbit.pace import Pace
from turnaround.pipelines.orbit.packing import packed_view, unpacked_view
from turnaround.pipelines.orbit.relief import estimated
from turnaround.pipelines.orbit.staging import Staging, resized
from turnaround.pipelines.stage import Result, Stages
from turnaround.pipelines.work import content_hash
from turnaround.types import (
    DepthKind,
    InputError,
    KeyView,
    OrbitVideo,
    PicturedObject,
    Pinhole,
    Provenance,
    SceneCache,
    View,
    WeightsNotice,
)

STAGES = "stages"
MULTIPLE = 8  # of both sides: what videos and networks need
LONGEST = 4  # times the shorter side, of what is read


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

    size: pixels of the shorter side. path: from the picture's own camera. pace: of all paths but imported ones.
    staging: what of the picture is shown. motion: of what it shows. exports: what is written besides `report.html`.
    card: of the report. fps: of the videos.
    """

    def __init__(
        self,
        *,
        input: str,
        size: int,
        orbiter: Orbiter,
        path: CameraPath,
        pace: Pace,
        motion: Motion,
        staging: Staging,
        camera: Camera,
        exports: Exports,
        card: Card,
        fps: float,
    ):
        if not 64 <= size <= 2048:
            raise InputError("size", expected="64 to 2048 pixels", found=str(size), fix="give another size=PIXELS")
        self.input, self.size, self.orbiter = input, size, orbiter
        self.path, self.pace, self.motion, self.staging, self.camera = path, pace, motion, staging, camera
        self.exports, self.card, self.fps = exports, card, fps

    @property
    def grower(self) -> Grower:
        return self.orbiter.grower

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return [*self.orbiter.weights, *self.motion.weights]

    def run(self, out: Path) -> dict[str, float]:
        """Returns frames, key_views, and the shares observed, propagated and generated of all pixels."""
        path = Path(self.input)
        existing_file(path, expected="a picture")
        self.exports.require_apart(path, out)
        if self.path.closed:
            self.motion.require_loop(self.path.frames)
        stages = Stages(out / STAGES)
        first = stages.run("depth", lambda: self._first(path), inputs=[], settings=(content_hash(path), self._settings))
        view = unpacked_view(first.tensors)
        scenes = self.motion.scenes(view)  # refuses its files before anything slow begins
        pivot = transform(view.view.camera.world_from_cam[0].double(), first.tensors["pivot"][None])[0]
        cameras, warnings = self._cameras(stages, first, first.tensors["pivot"], pivot)
        subject = subject_of(view, first.tensors["subject"], first.tensors["pivot"])
        grown = self.orbiter.grown(stages, first, cameras, pivot, closed=self.path.closed, subject=subject)
        orbit = self.orbiter.filmed(stages, grown, cameras, scenes, self.motion.settings)
        self._write(
            out,
            orbit,
            grown.cache,
            self._setting(pivot, float(first.tensors["radius"])),
            Account(
                name=path.name,
                figures=grown.figures,
                seconds=stages.seconds,
                models=(self.grower.estimator.name, self.grower.painters),
                weights=self.weights,
                warnings=warnings,
            ),
        )
        stages.forget_others()
        shares = {kind.name.lower(): float((orbit.label == int(kind)).float().mean()) for kind in Provenance}
        return {"frames": float(len(orbit.video)), "key_views": float(len(grown.cache.views)), **shares}

    def _write(
        self,
        out: Path,
        orbit: OrbitVideo,
        cache: SceneCache,
        setting: Setting,
        account: Account,
    ) -> None:
        page = ReportPage(account=account, card=self.card)
        self.exports.with_file("report", page).write(out, orbit, cache, setting)

    def _setting(self, pivot: Float[Tensor, "3"], radius: float) -> Setting:
        kind = self.grower.estimator.kind
        return Setting(
            fps=self.fps,
            closed=self.path.closed,
            kind=kind if kind is DepthKind.METRIC else DepthKind.SCALE_INVARIANT,
            pivot=pivot,
            radius=radius,
            surfaces=self.grower.surfaces,
        )

    @cached_property
    def _settings(self) -> str:
        """All that decides key views but for what they follow from."""
        return repr((self.size, self.camera, self.staging.settings, self.grower.settings))

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
        relief = self.grower.relief
        inverse = relief.shaped(relief.inverse_depth(raw, self.grower.estimator.kind), image, camera)
        camera = levelled(1 / inverse, camera)
        staged = self.staging.staged(resized(picture, image), (1 / inverse).float(), camera)
        view = View(image=staged.image, depth=staged.depth, camera=camera)
        return {
            **packed_view(observed(view)),
            "subject": staged.subject,
            "pivot": staged.pivot,
            "radius": torch.tensor(staged.radius),
        }

    def _cameras(
        self, stages: Stages, result: Result, ahead: Float[Tensor, "3"], pivot: Float[Tensor, "3"]
    ) -> tuple[Pinhole, Sequence[str]]:
        """Of the path about a pivot, in the first camera's axes and in the world's, with what a person should know.
        result: the packed first view."""
        first, path, surfaces = unpacked_view(result.tensors), self.path, self.grower.surfaces
        cameras, slow = path.cameras(first.view.camera, ahead), ()
        if isinstance(path, RigPath):
            paced = stages.run(
                "pace",
                lambda: self.pace.spread(path, first, ahead, pivot, surfaces),
                inputs=[result],
                settings=(camera_digest(cameras), path.closed, self.pace, surfaces),
            ).tensors
            cameras = path.cameras_at(paced["times"], first.view.camera, ahead)
            slow = self.pace.warnings(len(cameras), float(paced["most"]))
        cameras, stopped = self._stopped(cameras, first)
        for warning in (*slow, *stopped):
            Console(stderr=True).print(f"warning: {warning}")
        return cameras, (*slow, *stopped)

    def _stopped(self, cameras: Pinhole, first: KeyView) -> tuple[Pinhole, Sequence[str]]:
        """An open path ends before a surface; a closed one, which would not be any more, goes through."""
        stopped = stopped_before(
            cameras,
            first.view.depth,
            first.view.camera,
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
        return cameras, (
            f"the path comes within {self.camera.distance:g} m of a surface at frame {stopped.frame} of "
            f"{self.path.frames}; {outcome}",
        )


def subject_of(first: KeyView, mask: Bool[Tensor, "h w"], pivot: Float[Tensor, "3"]) -> PicturedObject | None:
    """What a prior is asked about; nothing where the whole scene is shown."""
    if not mask.any():
        return None
    return PicturedObject(image=first.view.image, mask=mask, camera=first.view.camera, depth=float(pivot[2]))


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
