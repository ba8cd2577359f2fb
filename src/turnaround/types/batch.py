"""What a task receives at each step."""

from dataclasses import dataclass, fields
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.types.camera import Pinhole
from turnaround.types.protocols import Condition
from turnaround.types.views import View


@dataclass(frozen=True, kw_only=True)
class DepthBatch:
    """Clips with true inverse depth.

    video: RGB in [0, 1]. inverse_depth: 1 / metres, 0 where unknown. valid: where the truth is known.
    """

    video: Float[Tensor, "b t 3 h w"]
    inverse_depth: Float[Tensor, "b t h w"]
    valid: Bool[Tensor, "b t h w"]

    def to(self, device) -> "DepthBatch":
        return DepthBatch(
            video=self.video.to(device),
            inverse_depth=self.inverse_depth.to(device),
            valid=self.valid.to(device),
        )


@dataclass(frozen=True, kw_only=True)
class LatentBatch:
    """What a network is given of such clips, and the disparity latents it should give.

    known: cells all of whose pixels have a true depth.
    """

    condition: Condition
    disparity: Float[Tensor, "b t d y x"]
    known: Bool[Tensor, "b t y x"]

    def to(self, device) -> "LatentBatch":
        return LatentBatch(
            condition=Condition(
                latents=self.condition.latents.to(device),
                tokens=self.condition.tokens.to(device),
            ),
            disparity=self.disparity.to(device),
            known=self.known.to(device),
        )


@dataclass(frozen=True, kw_only=True)
class InpaintBatch:
    """Pictures (t = 1) or videos with holes, and what belongs there.

    target, seen: RGB in [0, 1]; seen is 0 in holes. hole: what is to be filled. inverse_depth, seen_inverse_depth:
    1 / metres, 0 where unknown, holes of `seen` included. valid: where the colour of `target` is true. What is seen
    beside the holes was warped, and may differ from the target as warps do.
    """

    target: Float[Tensor, "b t 3 h w"]
    seen: Float[Tensor, "b t 3 h w"]
    hole: Bool[Tensor, "b t h w"]
    valid: Bool[Tensor, "b t h w"]
    inverse_depth: Float[Tensor, "b t h w"]
    seen_inverse_depth: Float[Tensor, "b t h w"]

    def to(self, device) -> "InpaintBatch":
        return InpaintBatch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


@dataclass(frozen=True, kw_only=True)
class ViewPairBatch:
    """Two views of one moment each.

    pictures: RGB in [0, 1]. depth: metres along z, NaN where unknown. world_from_cam, intrinsics: as of `Pinhole`.
    """

    pictures: Float[Tensor, "b 2 3 h w"]
    depth: Float[Tensor, "b 2 h w"]
    world_from_cam: Float[Tensor, "b 2 4 4"]
    intrinsics: Float[Tensor, "b 2 3 3"]

    def view(self, number: int, which: int) -> View:
        """One of the two views of a pair, counted from 0."""
        height, width = self.depth.shape[-2:]
        camera = Pinhole(
            world_from_cam=self.world_from_cam[number, which, None],
            intrinsics=self.intrinsics[number, which, None],
            height=height,
            width=width,
        )
        return View(image=self.pictures[number, which], depth=self.depth[number, which], camera=camera)

    def to(self, device) -> "ViewPairBatch":
        return ViewPairBatch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


@dataclass(frozen=True, kw_only=True)
class MotionBatch:
    """Pictures with the steady motion they show.

    pictures: RGB in [0, 1]. velocity: x, y in shares of the longer side per second, 0 where nothing moves.
    """

    pictures: Float[Tensor, "b 3 h w"]
    moving: Bool[Tensor, "b h w"]
    velocity: Float[Tensor, "b 2 h w"]

    def to(self, device) -> "MotionBatch":
        return MotionBatch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


@dataclass(frozen=True, kw_only=True)
class PointMapBatch:
    """Two frames, a and b, of a scene that moves: where what each pixel shows is, and where it goes.

    images: RGB in [0, 1]. points: of the moment of their own frame; motion: from there to where the point is at `time`,
    0 of a's moment, 1 of b's. Both in metres, in the axes of a's camera, and 0 where they are not known. valid,
    motion_valid: where they are; motion only where the point is.
    """

    images: Float[Tensor, "b 2 3 h w"]
    points: Float[Tensor, "b 2 h w 3"]
    valid: Bool[Tensor, "b 2 h w"]
    motion: Float[Tensor, "b 2 h w 3"]
    motion_valid: Bool[Tensor, "b 2 h w"]
    time: Float[Tensor, "b"]

    def to(self, device) -> "PointMapBatch":
        return PointMapBatch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


@runtime_checkable
class LatentEncoder(Protocol):
    """Pixels to latents, without randomness; `fingerprint` names all that decides what comes out."""

    fingerprint: str

    def encode(self, batch: DepthBatch) -> LatentBatch: ...
