"""`Clip`: the one record of the house."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from turnaround.types.camera import Camera, Pinhole
from turnaround.types.depth import DepthKind, DepthVideo
from turnaround.types.errors import InputError
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

    def posed_depth(self) -> tuple[Pinhole, Float[Tensor, "t h w"]]:
        """Cameras and metres along z of two frames or more. InputError: a clip of which that is not known."""
        known = self.depth is not None and self.depth.kind is DepthKind.METRIC and isinstance(self.cameras, Pinhole)
        if not known or len(self.video) < 2:
            found = f"{len(self.video)} frames {'with' if known else 'without'} them"
            expected = "two frames or more with pinhole cameras and depth in metres"
            raise InputError(f"clip {self.id}", expected=expected, found=found, fix="choose a source that has them")
        assert self.depth is not None
        assert isinstance(self.cameras, Pinhole)
        return self.cameras, self.depth.values
