"""What inpainters are scored on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.types.video import Video
from turnaround.types.views import PartialVideo


@dataclass(frozen=True, kw_only=True)
class InpaintItem:
    """Frames to fill, and what belongs there.

    truth: RGB in [0, 1]. counted: where the truth is known and asked for; a frame of which nothing is counted is only
    there to be seen. hole: the holes whose truth the others are told apart by, part of `given.hole`: of a stereo pair
    with both disparities what the left eye cannot see, without the cracks of a warp. depth: true depth of all frames
    (metres along z, NaN where unknown), for measures that follow a point from frame to frame with `given.cameras`.
    sources: where it came from.
    """

    id: str
    given: PartialVideo
    truth: Video
    hole: Bool[Tensor, "t h w"]
    counted: Bool[Tensor, "t h w"]
    depth: Float[Tensor, "t h w"] | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
