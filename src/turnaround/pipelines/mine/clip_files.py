"""A mined clip as files: tracks and poses in Stereo4D's format, both eyes' videos, quality, disparity, a thumbnail."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from turnaround.geometry.rectification import Rectified
from turnaround.geometry.trajectory import path_length, rotation_error_deg
from turnaround.io.atomic import atomic_file
from turnaround.io.clip_disparity import ClipDisparityWriter
from turnaround.io.clip_quality import write_clip_quality
from turnaround.io.image import encode_jpeg
from turnaround.io.mined_files import mined_files
from turnaround.io.stereo4d import write_stereo4d
from turnaround.io.stereo_video import StereoVideo
from turnaround.io.video import VideoWriter
from turnaround.pipelines.mine.clip_stages import Matched, as_frames
from turnaround.pipelines.mine.points import Points
from turnaround.pipelines.mine.units import MinedClip
from turnaround.types import ClipQuality, EquirectangularLens, Lens, PerspectiveLens, RigPoses, Shot, Stereo4DClip

THUMBNAIL = 192  # pixels
MOVES = 5.0  # pixels that a track moves in the picture, to count as moving
HALF_SPHERE = (-90.0, 90.0, -90.0, 90.0)


def write_clip(
    out: Path,
    *,
    video: StereoVideo,
    id: str,
    shot: Shot,
    rig: RigPoses,
    flat: Rectified,
    crops: Mapping[str, UInt8[Tensor, "t 3 h w"]],
    lens: PerspectiveLens,
    fov_deg: float,
    matched: Matched,
    points: Points,
    settings: str,
) -> MinedClip:
    """Below `clips/`, `quality/` and `disparity/`. Of a video the digest is that of its pictures before coding, since
    H.264 files are not quite repeatable (`io.video.VideoWriter`)."""
    times = video.times[shot.start : shot.stop]
    name = f"{id}_{int(times[0])}"
    files = mined_files(out, name)
    digests: dict[Path, str] = {}
    for path, pictures in ((files.left, crops["left"]), (files.right, crops["right"])):
        with VideoWriter(path, fps=video.rate) as writer:
            for frame in as_frames(pictures):
                writer.write(frame)
        digests[path] = hashlib.sha256(pictures.numpy().tobytes()).hexdigest()
    clip = Stereo4DClip(
        name=name,
        video_id=id,
        timestamps=times,
        world_from_cam=flat.world_from_left,
        tracks=points.world,
        eye_from_rectified=flat.eye_from_rectified,
        fov_bounds=torch.tensor(bounds(video.left_lens), dtype=torch.float64),
    )
    quality = ClipQuality(
        horizontal_fov_deg=fov_deg,
        size=lens.width,
        baseline=flat.baseline,
        calibration=rig.residual,
        dropped=points.dropped,
        version=f"{version('turnaround')} {hashlib.sha256(settings.encode()).hexdigest()[:16]}",
        **{name: value for name, value in vars(points).items() if name not in ("world", "dropped")},
    )
    write_stereo4d(files.annotation, clip)
    write_clip_quality(files.quality, quality)
    _write_disparity(files.disparity, matched, lens, flat.baseline)
    _write_thumbnail(files.thumbnail, crops["left"][0])
    for path in (files.annotation, files.quality, files.disparity, files.thumbnail):
        digests[path] = hashlib.sha256(path.read_bytes()).hexdigest()
    return MinedClip(
        name=name,
        shot=shot,
        figures=_figures(rig, flat, matched, points),
        files={path.relative_to(out).as_posix(): digest for path, digest in digests.items()},
    )


def bounds(lens: Lens) -> tuple[float, float, float, float]:
    """`fov_bounds` of what filmed: those of an equirectangular picture, else those of a half sphere."""
    if not isinstance(lens, EquirectangularLens):
        return HALF_SPHERE
    return lens.start_yaw, lens.end_yaw, lens.start_tilt, lens.end_tilt


def _figures(rig: RigPoses, flat: Rectified, matched: Matched, points: Points) -> dict[str, float]:
    known = matched.depth.isfinite()
    moving = points.motion > MOVES
    return {
        "frames": float(len(flat.world_from_left)),
        "tracks": float(points.count),
        "moving": float(moving.float().mean()),
        "path": path_length(flat.world_from_left),
        "calibration": rig.residual,
        "rig_degrees": float(rotation_error_deg(rig.left_from_right[:3, :3], torch.eye(3, dtype=torch.float64))),
        "known": float(known.float().mean()),
        "vertical": float(matched.vertical[known].median()) if known.any() else 0.0,
        **{f"removed_{name}": share for name, share in matched.removed.items()},
        **{f"dropped_{name}": float(count) for name, count in points.dropped.items()},
    }


def _write_disparity(path: Path, matched: Matched, lens: PerspectiveLens, baseline: float) -> None:
    frames, height, width = matched.depth.shape
    focal = float(lens.intrinsics[0, 0])
    with ClipDisparityWriter(path, frames=frames, height=height, width=width, fx=focal, baseline=baseline) as writer:
        for depth in matched.depth:
            writer.write(focal * baseline / depth)


def _write_thumbnail(path: Path, picture: UInt8[Tensor, "3 h w"]) -> None:
    size = (THUMBNAIL, THUMBNAIL * picture.shape[1] // picture.shape[2])[::-1]
    small = torch.nn.functional.interpolate(picture[None].float() / 255, size, mode="area")[0]
    with atomic_file(path) as temporary:
        temporary.write_bytes(encode_jpeg(path, small, quality=85))
