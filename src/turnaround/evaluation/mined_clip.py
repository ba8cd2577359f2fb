"""A mined clip against the world that it was filmed in: one figure, or a few, for each stage that made it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.lenses import perspective_lens
from turnaround.geometry.se3 import invert, transform
from turnaround.geometry.trajectory import (
    direction_error_deg,
    path_length,
    rigid_alignment,
    rotation_error_deg,
    trajectory_error,
)
from turnaround.io.clip_disparity import ClipDisparity
from turnaround.scenes.stereo_truth import CropTruth
from turnaround.scenes.stereo_video import Rig
from turnaround.scenes.world import Scene
from turnaround.types import ClipQuality, Stereo4DClip, Tracks

NEAREST = 0.05  # metres of path below which its error is no share of anything
FARTHEST = 20.0  # metres, of what should be known


@dataclass(frozen=True, kw_only=True)
class MinedClip:
    """shot: what was filmed, of the clip's frames only. samples: frames whose disparity is looked at, and tracks."""

    clip: Stereo4DClip
    quality: ClipQuality
    disparity: ClipDisparity
    shot: Scene
    rig: Rig
    frames: int
    tracks: int

    @cached_property
    def truth(self) -> CropTruth:
        """Of the crops as they were made, by the rotations that were found."""
        return CropTruth(
            shot=self.shot,
            rig=self.rig,
            eye_from_rectified=self.clip.eye_from_rectified.double(),
            lens=perspective_lens(self.quality.size, self.quality.horizontal_fov_deg),
        )

    def figures(self) -> dict[str, float | None]:
        return {**self.poses(), **self.calibration(), **self.matching(), **self.following()}

    def poses(self) -> dict[str, float | None]:
        """`path_error`: absolute trajectory error in percent of the path's length. `rotation_deg`: mean over frames of
        the error of the turn since the first."""
        found, true = self.clip.world_from_cam.double(), self.truth.left.camera.world_from_cam
        length = path_length(true)
        turns, wanted = (invert(poses[:1])[:, :3, :3] @ poses[:, :3, :3] for poses in (found, true))
        error = trajectory_error(found, true, rigid_alignment)
        return {
            "path_error": 100 * error / length if length > NEAREST else None,
            "rotation_deg": float(rotation_error_deg(turns, wanted).mean()),
        }

    def calibration(self) -> dict[str, float | None]:
        """`rig_rotation_deg`: of the right eye against the left. `rig_direction_deg`: of the line between them.
        `baseline_error`: in percent. `rectification_px`: median vertical distance of what both crops show."""
        left, right = self.clip.eye_from_rectified.double()
        true = self.rig.left_from_right
        vertical = [between[1][seen].abs() for between, seen in self._between.values()]
        return {
            "rig_rotation_deg": float(rotation_error_deg(left @ right.T, true[:3, :3])),
            "rig_direction_deg": float(direction_error_deg(left[:, 0], true[:3, 3])),
            "baseline_error": 100 * abs(self.quality.baseline / self.rig.baseline - 1),
            "rectification_px": _median(torch.cat(vertical)),
        }

    def matching(self) -> dict[str, float | None]:
        """Of what both eyes see within `FARTHEST` metres. `disparity_px`: median error. `disparity_bad2`: share of more
        than 2 pixels. `completeness`: share that is known."""
        errors, known, wanted = [], 0, 0
        for frame, found in enumerate(self.disparity):
            if frame not in self._between:
                continue
            between, seen = self._between[frame]
            asked = seen & (self.truth.depth(frame) < FARTHEST)
            told = asked & found.isfinite()
            errors.append((found - between[0])[told].abs())
            known, wanted = known + int(told.sum()), wanted + int(asked.sum())
        error = torch.cat(errors)
        return {
            "disparity_px": _median(error),
            "disparity_bad2": float((error > 2).float().mean()) if len(error) else None,
            "completeness": known / wanted if wanted else None,
        }

    def following(self) -> dict[str, float | None]:
        """Of tracks that are known in the middle frame, whose points are followed from there. `track_px`: median error
        in the other frames. `track_found`: share of the samples that are truly visible. `epe3d`: median distance in
        the camera's axes, before (`_lifted`) and after the optimisation, of points at rest and of `_moving` ones.
        `jitter`: root mean square distance of a track at rest to its mean, the median over tracks, before and after;
        `jitter_cut`: how many times less it is.
        """
        middle = len(self.clip.timestamps) // 2
        held = self.quality.pixels[middle].isfinite().all(-1) & self.clip.tracks[middle].isfinite().all(-1)
        chosen = held.nonzero()[:, 0]
        chosen = chosen[torch.linspace(0, len(chosen) - 1, min(self.tracks, len(chosen))).round().long()]
        if not len(chosen):
            return {}
        pixels = self.quality.pixels[:, chosen].double()
        truth = self.truth.tracks(pixels[middle], frame=middle)
        moving = self.truth.moving(pixels[middle], frame=middle)
        known = self.clip.tracks[:, chosen].isfinite().all(-1)
        others = torch.arange(len(known)) != middle
        both = truth.visible & pixels.isfinite().all(-1) & others[:, None]
        after, before = (
            self._distances(points[:, chosen], truth) for points in (self.clip.tracks, self.quality.lifted)
        )
        shared = known & before.isfinite() & after.isfinite() & truth.visible
        steady = [_jitter(points[:, chosen], shared)[~moving] for points in (self.quality.lifted, self.clip.tracks)]
        jitter = [_median(each[each.isfinite()]) for each in steady]
        cut = None if jitter[0] is None or not jitter[1] else jitter[0] / jitter[1]
        return {
            "track_px": _median((pixels - truth.pixels).norm(dim=-1)[both]),
            "track_found": float(known[truth.visible].float().mean()),
            "epe3d_lifted": _median(before[shared & ~moving]),
            "epe3d": _median(after[shared & ~moving]),
            "epe3d_moving_lifted": _median(before[shared & moving]),
            "epe3d_moving": _median(after[shared & moving]),
            "jitter_lifted": jitter[0],
            "jitter": jitter[1],
            "jitter_cut": cut,
        }

    @cached_property
    def _between(self) -> Mapping[int, tuple[Float[Tensor, "2 h w"], Bool[Tensor, "h w"]]]:
        """True disparity of the frames that are looked at (`CropTruth.disparity`)."""
        count = len(self.clip.timestamps)
        chosen = sorted({int((part + 0.5) / self.frames * count) for part in range(self.frames)})
        return {frame: self.truth.disparity(frame) for frame in chosen}

    def _distances(self, points: Float[Tensor, "t n 3"], truth: Tracks) -> Float[Tensor, "t n"]:
        """In the camera's axes, so that an error of a pose counts only as far as it moves points against the camera."""
        found = transform(invert(self.clip.world_from_cam.double()), points.double())
        true = transform(invert(self.truth.left.camera.world_from_cam), truth.world.double())
        return (found - true).norm(dim=-1)


def of_frames(shot: Scene, start: int, stop: int) -> Scene:
    """A part of a shot, whose clock begins where the part does."""
    camera = replace(shot.camera, world_from_cam=shot.camera.world_from_cam[start:stop])
    time = start * shot.world.seconds_per_frame
    bodies = tuple(replace(body, motion=body.motion.from_time(time)) for body in shot.world.bodies)
    return replace(shot, camera=camera, world=replace(shot.world, bodies=bodies))


def _jitter(points: Float[Tensor, "t n 3"], known: Bool[Tensor, "t n"]) -> Float[Tensor, "n"]:
    """NaN of tracks with less than two samples."""
    count = known.sum(0)
    whole = torch.where(known[..., None], points.double(), 0.0)
    mean = whole.sum(0) / count[:, None]
    away = torch.where(known, (points.double() - mean).square().sum(-1), 0.0)
    return torch.where(count > 1, (away.sum(0) / count).sqrt(), torch.nan)


def _median(values: Float[Tensor, "n"]) -> float | None:
    return float(values.double().median()) if len(values) else None
