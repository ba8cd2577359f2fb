"""Motion: where pixels and points go."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Flow from frame i to its neighbour, in pixels (x, y), and whether the point is seen there.

    Forward flow of frame i leads to i + 1; backward flow of entry i leads from frame i + 1 to i.
    visible is False where the point leaves the image, passes behind the camera or is hidden in the other frame.
    """

    pixels: Float[Tensor, "s 2 h w"]
    visible: Bool[Tensor, "s h w"]


@dataclass(frozen=True, kw_only=True)
class Tracks:
    """Surface points followed through time.

    world: metres. pixels: x, y in image pixels (centres at +0.5), also given when out of view.
    visible: inside the image, in front of the camera and not hidden.
    """

    world: Float[Tensor, "t n 3"]
    pixels: Float[Tensor, "t n 2"]
    visible: Bool[Tensor, "t n"]


@dataclass(frozen=True, kw_only=True)
class MotionField:
    """How a still picture moves: each place has one velocity for all time, as the water of a river has (Eulerian).

    velocity: x, y in pixels per frame, 0 where nothing moves. moving: the pixels that flow; none comes in from others.
    """

    velocity: Float[Tensor, "2 h w"]
    moving: Bool[Tensor, "h w"]
