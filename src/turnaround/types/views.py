"""Single views with depth, views of which a part is known, and what a warp makes of one."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor

from turnaround.types.camera import Pinhole
from turnaround.types.video import Video


@dataclass(frozen=True, kw_only=True)
class View:
    """One picture with its geometry.

    image: any channels, RGB in [0, 1] first. depth: metres along z, NaN where unknown. camera: of one frame, of the
    picture's size. Of a rectified stereo pair of which only the disparity is known, metres are baselines
    (`geometry.stereo.view_of_disparity`).
    """

    image: Float[Tensor, "c h w"]
    depth: Float[Tensor, "h w"]
    camera: Pinhole


@dataclass(frozen=True, kw_only=True)
class Warped:
    """A view as another camera sees it.

    image: 0 in holes. depth: along the z of the camera it was warped to, NaN in holes. hole: pixels that the view knows
    nothing of. source: the row-major index of the view's pixel that each pixel came from, -1 in holes.
    """

    image: Float[Tensor, "c h w"]
    depth: Float[Tensor, "h w"]
    hole: Bool[Tensor, "h w"]
    source: Int[Tensor, "h w"]


@dataclass(frozen=True, kw_only=True)
class PartialVideo:
    """Frames, or one picture, of which a part is known.

    video: RGB in [0, 1], 0 in holes. hole: unknown pixels. depth: metres along z, NaN where unknown, all of a hole
    included; None where no geometry is known. cameras: of the frames, where they are known; they tie what is random to
    places in the scene.
    """

    video: Video
    hole: Bool[Tensor, "t h w"]
    depth: Float[Tensor, "t h w"] | None = None
    cameras: Pinhole | None = None


@dataclass(frozen=True, kw_only=True)
class FilledVideo:
    """The same frames without holes; what was known is the same, bit for bit.

    depth: also of the holes, where the inpainter completes it; else as it was given.
    """

    video: Video
    depth: Float[Tensor, "t h w"] | None = None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Frames with holes (one, of a picture), and what belongs there; fields as of `InpaintBatch`, of which it is one.

    source: where it came from.
    """

    target: Video
    seen: Video
    hole: Bool[Tensor, "t h w"]
    valid: Bool[Tensor, "t h w"]
    inverse_depth: Float[Tensor, "t h w"]
    seen_inverse_depth: Float[Tensor, "t h w"]
    source: str


@dataclass(frozen=True, kw_only=True)
class StereoPair:
    """A rectified pair: x_right = x_left - disparity, in pixels, NaN where unknown.

    right_disparity: that of the right eye's pixels, positive too, where it is known.
    """

    id: str
    left: Float[Tensor, "3 h w"]
    right: Float[Tensor, "3 h w"]
    disparity: Float[Tensor, "h w"]
    right_disparity: Float[Tensor, "h w"] | None = None
