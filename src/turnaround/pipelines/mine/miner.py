"""The miner: what is done to a stereo video, and to each of its clips, from frames to files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.lenses import fisheye_lens, perspective_lens
from turnaround.geometry.pixel_tests import PixelTests
from turnaround.geometry.rectification import Rectified, rectified
from turnaround.io.stereo_checks import Eyes
from turnaround.io.stereo_layout import StereoLayout
from turnaround.io.stereo_video import StereoVideo, open_stereo
from turnaround.pipelines.mine.clip_files import write_clip
from turnaround.pipelines.mine.clip_stages import (
    Matched,
    as_frames,
    as_video,
    longest_run,
    mean_shares,
    packed_crops,
    packed_poses,
    packed_tracks,
    unpacked_poses,
    unpacked_tracks,
)
from turnaround.pipelines.mine.clip_tests import ClipTests
from turnaround.pipelines.mine.crops import Crops
from turnaround.pipelines.mine.points import Points, PointStage
from turnaround.pipelines.mine.poses import stated_poses
from turnaround.pipelines.mine.queries import QueryGrid
from turnaround.pipelines.mine.settings import described
from turnaround.pipelines.mine.shots import ShotFinder
from turnaround.pipelines.mine.units import ClipUnit, MinedClip, Survey
from turnaround.pipelines.stage import Result, Stages
from turnaround.render.preview import SmoothResampling
from turnaround.types import (
    DisparityEstimator,
    DropError,
    Lens,
    PerspectiveLens,
    Pinhole,
    PointTracker,
    PoseEstimator,
    RigPoses,
    Shot,
    Video,
    WeightsNotice,
)

AHEAD = torch.eye(3, dtype=torch.float64)


@dataclass(frozen=True, kw_only=True)
class Looking:
    """Through what lenses films that are not perspective are looked at. preview, preview_fov_deg: pixels a side of the
    small pictures that shots and tests see, and degrees across. fisheye, fisheye_fov_deg: of those for structure from
    motion. Perspective films are looked at through their own lens, `preview` pixels wide for the former."""

    preview: int
    preview_fov_deg: float
    fisheye: int
    fisheye_fov_deg: float

    def small(self, lens: Lens) -> PerspectiveLens:
        if not isinstance(lens, PerspectiveLens):
            return perspective_lens(self.preview, self.preview_fov_deg)
        ratio = self.preview / lens.width
        k = lens.intrinsics * torch.tensor([ratio, ratio, 1.0], dtype=lens.intrinsics.dtype)[:, None]
        return PerspectiveLens(intrinsics=k, height=max(round(lens.height * ratio), 1), width=self.preview)

    def wide(self, lens: Lens) -> Lens:
        return lens if isinstance(lens, PerspectiveLens) else fisheye_lens(self.fisheye, self.fisheye_fov_deg)


@dataclass(frozen=True, kw_only=True)
class StereoMiner:
    """A `Miner`: Stereo4D's pipeline (Jin et al. 2024) with every stage that its authors did not release.

    baseline: metres between the eyes, which sets the scale, where the video does not say. least: frames of a clip, and
    tracks. Components as of their configs.
    """

    stereo: StereoLayout
    looking: Looking
    shots: ShotFinder
    tests: ClipTests
    poses: PoseEstimator
    crops: Crops
    disparity: DisparityEstimator
    pixel_tests: PixelTests
    tracker: PointTracker
    queries: QueryGrid
    points: PointStage
    baseline: float
    least_frames: int
    least_tracks: int
    seed: int

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return [notice for part in (self.disparity, self.tracker, self.points) for notice in part.weights]

    @cached_property
    def settings(self) -> str:
        parts = {name: described(getattr(self, name)) for name in self.__dataclass_fields__}
        return " ".join(f"{name}={part}" for name, part in parts.items())

    def survey(self, path: Path) -> Survey:
        video = open_stereo(path, self.stereo)
        found = self.shots.find(self._small(video, Shot(start=0, stop=len(video))), fps=video.rate)
        return Survey(
            shots=found.kept,
            times=[int(video.times[shot.start]) for shot in found.kept],
            left_out=found.left_out,
        )

    def mine(self, unit: ClipUnit, out: Path, work: Path) -> MinedClip:
        """As of `Miner`. Frames at its ends whose poses are not found are left out."""
        video, stages = open_stereo(unit.video.path, self.stereo), Stages(work)

        def stage(name: str, function, *inputs: Result) -> Result:
            return stages.run(name, function, inputs=inputs, settings=unit.key)

        posed = stage("poses", lambda: packed_poses(self._posed(video, unit.shot, work)))
        rig = unpacked_poses(posed.tensors)
        shot = self._found(rig, unit.shot)
        rig = replace(rig, world_from_left=rig.world_from_left[shot.start - unit.shot.start :][: len(shot)])
        flat = rectified(rig)
        cropped = stage("crops", lambda: packed_crops(self._cropped(video, shot, flat)), posed)
        crops = {eye: cropped.tensors[eye] for eye in ("left", "right")}
        matched = stage("depth", lambda: self._matched(crops, flat), cropped)
        seen = Matched.unpacked(matched.tensors)
        followed = stage("tracks", lambda: self._followed(as_video(crops["left"]), seen), cropped, matched)
        lifted = stage(
            "points",
            lambda: self.points.made(
                unpacked_tracks(followed.tensors), as_video(crops["left"]), seen, self._cameras(flat), flat.baseline
            ).packed(),
            cropped,
            matched,
            followed,
        )
        points = Points.unpacked(lifted.tensors)
        if points.count < self.least_tracks:
            raise DropError("tracks", value=float(points.count), limit=float(self.least_tracks))
        return write_clip(
            out,
            video=video,
            id=unit.video.id,
            shot=shot,
            rig=rig,
            flat=flat,
            crops=crops,
            lens=self.crops.lens,
            fov_deg=self.crops.horizontal_fov_deg,
            matched=seen,
            points=points,
            settings=self.settings,
        )

    def _posed(self, video: StereoVideo, shot: Shot, work: Path) -> RigPoses:
        """Of all frames of a shot that passes the tests, as the video states them, or as they are found."""
        pictures = torch.stack(list(self._small(video, shot)))
        self.tests.look(pictures)
        if video.world_from_left is not None and video.baseline is not None:
            poses = stated_poses(video.world_from_left[shot.start : shot.stop], video.baseline)
        else:
            lens = self.looking.wide(video.left_lens)
            frames, baseline = self._seen_through(video, shot, lens), video.baseline or self.baseline
            poses = self.poses.poses(frames, lens, baseline=baseline, seed=self.seed, work=work)
        self.tests.look_again(pictures, poses)
        return poses

    def _found(self, rig: RigPoses, shot: Shot) -> Shot:
        run = longest_run(rig.found)
        if len(run) < self.least_frames:
            raise DropError("poses", value=float(len(run)), limit=float(self.least_frames))
        return Shot(start=shot.start + run.start, stop=shot.start + run.stop)

    def _small(self, video: StereoVideo, shot: Shot) -> Iterator[Float[Tensor, "3 h w"]]:
        """Of the left eye."""
        look = SmoothResampling(video.left_lens, self.looking.small(video.left_lens), AHEAD)
        return (look(left) for left, _ in video.frames(shot.start, shot.stop))

    def _seen_through(self, video: StereoVideo, shot: Shot, lens: Lens) -> Iterator[Eyes]:
        if video.left_lens is lens and video.right_lens is lens:
            return video.frames(shot.start, shot.stop)
        left, right = (SmoothResampling(eye, lens, AHEAD) for eye in (video.left_lens, video.right_lens))
        return ((left(one), right(other)) for one, other in video.frames(shot.start, shot.stop))

    def _cropped(self, video: StereoVideo, shot: Shot, flat: Rectified) -> Iterator[Eyes]:
        frames, lenses = video.frames(shot.start, shot.stop), (video.left_lens, video.right_lens)
        return self.crops.crop(frames, lenses, flat.eye_from_rectified)

    def _matched(self, crops: Mapping[str, Tensor], flat: Rectified) -> Mapping[str, Tensor]:
        focal = float(self.crops.lens.intrinsics[0, 0])
        eyes = zip(as_frames(crops["left"]), as_frames(crops["right"]), strict=True)
        pairs = (self.disparity.match(left, right) for left, right in eyes)
        found = [self.pixel_tests(*pair, focal=focal, baseline=flat.baseline) for pair in pairs]
        return Matched(
            depth=torch.stack([each.depth for each in found]),
            left_right=torch.stack([each.left_right for each in found]),
            vertical=torch.stack([each.vertical for each in found]),
            removed=mean_shares([each.removed for each in found]),
        ).packed()

    def _followed(self, left: Video, seen: Matched) -> Mapping[str, Tensor]:
        return packed_tracks(self.queries.follow(left, seen.depth.isfinite(), self.tracker, seed=self.seed))

    def _cameras(self, flat: Rectified) -> Pinhole:
        lens, poses = self.crops.lens, flat.world_from_left.float()
        k = lens.intrinsics.float().expand(len(poses), 3, 3)
        return Pinhole(world_from_cam=poses, intrinsics=k, height=lens.height, width=lens.width)
