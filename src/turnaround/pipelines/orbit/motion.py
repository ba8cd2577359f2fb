"""What moves in the picture itself while the camera turns."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from turnaround.geometry.eulerian import field_of_arrows
from turnaround.io.motion_hints import read_motion_hints, read_motion_mask
from turnaround.pipelines.work import content_hash
from turnaround.render.moving import Loop, MovingScene
from turnaround.types import InputError, KeyView, MotionField, MotionNetwork, SceneCache, WeightsNotice

Scenes = Callable[[SceneCache, int], SceneCache]


class Motion(ABC):
    """How the scene moves."""

    weights: Sequence[WeightsNotice] = ()

    @property
    @abstractmethod
    def settings(self) -> str:
        """All that decides what it makes, as text."""

    @abstractmethod
    def scenes(self, first: KeyView) -> Scenes:
        """What makes of a cache that begins with this view what it is in a frame, counted from 0.

        InputError: files that say how it moves and do not fit it.
        """

    @abstractmethod
    def require_loop(self, frames: int) -> None:
        """InputError: the motion is not back at its start after so many frames, those of a closed path."""


class Still(Motion):
    """Nothing moves."""

    @property
    def settings(self) -> str:
        return "still"

    def scenes(self, first: KeyView) -> Scenes:
        return lambda cache, frame: cache

    def require_loop(self, frames: int) -> None:
        """It always is."""


class Flowing(Motion):
    """A steady motion of what flows in the picture. fps: of the video."""

    def __init__(self, *, loop: Loop, fps: float):
        self.loop, self.fps = loop, fps

    @abstractmethod
    def field(self, image: Float[Tensor, "3 h w"]) -> MotionField: ...

    def scenes(self, first: KeyView) -> Scenes:
        return MovingScene(field=self.field(first.view.image), loop=self.loop).at

    def require_loop(self, frames: int) -> None:
        if frames % self.loop.frames:
            raise InputError(
                "motion.loop.frames",
                expected=f"a divisor of the {frames} frames of a closed path",
                found=f"{self.loop.frames}",
                fix="give one, or an open path",
            )


class Hinted(Flowing):
    """By arrows and a mask (`io.motion_hints`). power: as of `field_of_arrows`."""

    def __init__(self, *, arrows: str, mask: str, power: float, loop: Loop, fps: float):
        super().__init__(loop=loop, fps=fps)
        self.arrows, self.mask, self.power = Path(arrows), Path(mask), power

    @property
    def settings(self) -> str:
        files = (content_hash(self.arrows), content_hash(self.mask))
        return repr((*files, self.power, self.loop, self.fps))

    def field(self, image: Float[Tensor, "3 h w"]) -> MotionField:
        height, width = image.shape[1:]
        hints = read_motion_hints(self.arrows, self.mask, height=height, width=width)
        return field_of_arrows(hints.at, hints.arrows / self.fps, hints.moving, power=self.power)


class Predicted(Flowing):
    """By a network. mask: a picture that is white where things may move; None for everywhere. still: pixels per frame
    below which nothing moves."""

    def __init__(self, *, network: MotionNetwork, mask: str | None, still: float, loop: Loop, fps: float):
        super().__init__(loop=loop, fps=fps)
        self.network, self.mask, self.still = network, None if mask is None else Path(mask), still

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self.network.weights

    @property
    def settings(self) -> str:
        mask = None if self.mask is None else content_hash(self.mask)
        return repr((self.network.fingerprint(), mask, self.still, self.loop, self.fps))

    @torch.no_grad()
    def field(self, image: Float[Tensor, "3 h w"]) -> MotionField:
        """InputError: a velocity that is not finite."""
        height, width = image.shape[1:]
        may = torch.ones(height, width, dtype=torch.bool)
        if self.mask is not None:
            may = read_motion_mask(self.mask, height=height, width=width)
        more = [-side % self.network.size_multiple for side in (height, width)]
        around = (0, more[1], 0, more[0])
        wide = pad(image[None], around, mode="replicate")
        found = self.network.motion(wide, pad(may[None], around))[0, :, :height, :width]
        velocity = found * max(height, width) / self.fps
        if not velocity.isfinite().all():
            fix = "try other weights"
            raise InputError("motion.network", expected="finite velocities", found="others", fix=fix)
        moving = may & (velocity.norm(dim=0) >= self.still)
        return MotionField(velocity=torch.where(moving, velocity, 0.0), moving=moving)
