"""`Clip`: the one record of the house."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from turnaround.types.camera import Camera
from turnaround.types.depth import DepthVideo
from turnaround.types.motion import Tracks

Video = Float[Tensor, "t 3 h w"]


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A short video and what is known of it.

    video: float32 RGB in [0, 1] (the left eye). right: the right eye, `baseline` metres along the left camera's +x.
    sources: for each field that is filled, where it came from (a file, a seed, a method).
    """

    id: str
    video: Video
    cameras: Camera | None = None
    depth: DepthVideo | None = None
    tracks: Tracks | None = None
    right: Video | None = None
    baseline: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
