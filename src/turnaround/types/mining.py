"""What is made of stereo video: poses of its rig, tracks in space, and why a clip was left out."""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor


class DropError(Exception):
    """A clip that is sound but of no use. reason: one of a few words; value: the number that decided, against limit."""

    def __init__(self, reason: str, *, value: float, limit: float):
        self.reason, self.value, self.limit = reason, value, limit
        super().__init__(f"{reason}: {value:.4g} against {limit:.4g}")


@dataclass(frozen=True, kw_only=True)
class Shot:
    """Frames start to before stop of a video."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Frames of a video that become no clip, with what decided it, as of `DropError`."""

    shot: Shot
    reason: str
    value: float
    limit: float


@dataclass(frozen=True, kw_only=True)
class RigPoses:
    """A stereo rig on its way, as structure from motion finds it.

    world_from_left: of the left eye as it filmed, not rectified, in metres; NaN where it was not found.
    left_from_right: the right eye in the left one's frame; its translation is as long as the baseline that sets the
    scale. points: where the scene has been found. residual: root mean square distance in pixels between the points'
    projections and where they were seen. observations: how many of those there are.
    """

    world_from_left: Float[Tensor, "t 4 4"]
    left_from_right: Float[Tensor, "4 4"]
    points: Float[Tensor, "n 3"]
    residual: float
    observations: int

    @property
    def found(self) -> Bool[Tensor, "t"]:
        return self.world_from_left.isfinite().all(-1).all(-1)


@dataclass(frozen=True, kw_only=True)
class PixelTracks:
    """Points followed in a video. pixels: x, y (centres at +0.5). query: the frame each was started in."""

    pixels: Float[Tensor, "t n 2"]
    visible: Bool[Tensor, "t n"]
    query: Int[Tensor, "n"]


@dataclass(frozen=True, kw_only=True)
class Stereo4DClip:
    """What one file of Stereo4D's released format holds.

    name: `<video_id>_<first timestamp>`. timestamps: microseconds in the video. world_from_cam: of the rectified left
    eye, metres. tracks: world points, NaN where unknown. eye_from_rectified: of the left and the right eye, takes rays
    of the rectified picture to rays of the filmed one (the key `rectified2rig`). fov_bounds: of the filmed eye in
    degrees, as of `EquirectangularLens`: start_yaw, end_yaw, start_tilt, end_tilt.
    """

    name: str
    video_id: str
    timestamps: Int[Tensor, "t"]
    world_from_cam: Float[Tensor, "t 4 4"]
    tracks: Float[Tensor, "t n 3"]
    eye_from_rectified: Float[Tensor, "2 3 3"]
    fov_bounds: Float[Tensor, "4"]


@dataclass(frozen=True, kw_only=True)
class ClipQuality:
    """What the released format lacks: how far a clip and each of its tracks can be trusted.

    Of the clip: horizontal_fov_deg and size (pixels a side) of its crops, baseline (metres), calibration (RMS
    reprojection error of its structure from motion, pixels), dropped (tracks left out, by reason), version (of the
    pipeline, and the hash of its settings).
    Of tracks: pixels (x, y in the crop, NaN where unknown), lifted (world points before the optimisation, likewise),
    sigma (metres along the ray, the median over its samples, of a stated disparity error), left_right and vertical
    (median absolute residuals of the matching, pixels), motion (90th percentile over frames of its movement in the
    picture, that of the camera left out, pixels), static_residual (RMS distance of its points to their mean, metres).
    """

    horizontal_fov_deg: float
    size: int
    baseline: float
    calibration: float
    dropped: Mapping[str, int]
    version: str
    pixels: Float[Tensor, "t n 2"]
    lifted: Float[Tensor, "t n 3"]
    sigma: Float[Tensor, "n"]
    left_right: Float[Tensor, "n"]
    vertical: Float[Tensor, "n"]
    motion: Float[Tensor, "n"]
    static_residual: Float[Tensor, "n"]
