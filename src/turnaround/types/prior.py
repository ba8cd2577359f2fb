"""What a prior of objects is given and gives."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.types.camera import Pinhole
from turnaround.types.video import Video


@dataclass(frozen=True, kw_only=True)
class PicturedObject:
    """An object in a picture. image: RGB in [0, 1]. mask: its pixels, at least one. camera: of one frame, of the
    picture's size; upright where the object is. depth: metres along z to its middle."""

    image: Float[Tensor, "3 h w"]
    mask: Bool[Tensor, "h w"]
    camera: Pinhole
    depth: float


@dataclass(frozen=True, kw_only=True)
class ObjectViews:
    """What cameras see of an object. sure: its pixels, as far as the prior stands for them. video: 0 elsewhere."""

    video: Video
    sure: Bool[Tensor, "t h w"]
