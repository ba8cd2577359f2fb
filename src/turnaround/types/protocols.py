"""What must meet across a line meets here; the config injects the implementation."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.types.camera import Pinhole
from turnaround.types.depth import DepthKind
from turnaround.types.inpaint import InpaintItem
from turnaround.types.prior import ObjectViews, PicturedObject
from turnaround.types.video import Clip, Video
from turnaround.types.views import FilledVideo, PartialVideo, View
from turnaround.types.weights import WeightsNotice


@runtime_checkable
class DepthEstimator(Protocol):
    """Turns frames into depth maps: one per frame, in order, at the frame's size.

    `stream` holds a bounded number of frames, so a video of any length runs in constant memory. All maps of one
    stream share one scale and shift, unless the method is one that treats frames apart.
    """

    name: str
    kind: DepthKind

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        """Whose weights it uses; none where it learned nothing."""
        ...

    def stream(self, frames: Iterable[Float[Tensor, "3 h w"]], *, seed: int) -> Iterator[Float[Tensor, "h w"]]: ...


@runtime_checkable
class ResumableDepthEstimator(DepthEstimator, Protocol):
    """One that keeps what it has done in a folder, and goes on from what lies there to the same maps."""

    def resume(
        self, frames: Iterable[Float[Tensor, "3 h w"]], *, seed: int, work: Path
    ) -> Iterator[Float[Tensor, "h w"]]:
        """As `stream`. What lies in `work` must be of the same frames, seed and fingerprint."""
        ...

    def fingerprint(self) -> str:
        """Changes with whatever decides the maps, but for the code."""
        ...


@runtime_checkable
class ClipSource(Protocol):
    """A finite, ordered list of clips, made or read one at a time."""

    def ids(self) -> Sequence[str]: ...

    def clip(self, id: str) -> Clip: ...


@runtime_checkable
class InpaintSource(Protocol):
    """A finite, ordered list of frames to fill, made or read one at a time."""

    def ids(self) -> Sequence[str]: ...

    def item(self, id: str) -> InpaintItem: ...


@runtime_checkable
class Inpainter(Protocol):
    """Fills the holes of frames; what is known comes back bit for bit."""

    name: str

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        """Whose weights it uses; none where it learned nothing."""
        ...

    def fill(self, partial: PartialVideo, *, seed: int) -> FilledVideo: ...

    def fingerprint(self) -> str:
        """Changes with whatever decides what it gives, but for the code."""
        ...


@runtime_checkable
class Filmer(Protocol):
    """Shows what other cameras see of a scene of which one view is known."""

    name: str

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        """Whose weights it uses; none where it learned nothing."""
        ...

    def film(self, first: View, cameras: Pinhole, pivot: Float[Tensor, "3"], *, closed: bool, seed: int) -> Video:
        """A frame of each camera, of which the first took the view.

        first: its depth is known at some pixels, for the scale, and NaN at the others. pivot: a world point in the
        middle of the scene. closed: whether the cameras come back to the first.
        """
        ...


@runtime_checkable
class MultiViewPrior(Protocol):
    """Invents the sides of an object that its picture does not show."""

    name: str

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        """Whose weights it uses, with their licences; none where it learned nothing."""
        ...

    def views(self, seen: PicturedObject, cameras: Pinhole, *, seed: int) -> ObjectViews:
        """cameras: in the world of the picture's own. Where the prior knows nothing of a camera, nothing is sure."""
        ...

    def fingerprint(self) -> str:
        """Changes with whatever decides what it gives, but for the code."""
        ...


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What a network sees beside the noisy latents: latents of each frame, and one image token (of k = 0 numbers, where
    it attends to none)."""

    latents: Float[Tensor, "b t c y x"]
    tokens: Float[Tensor, "b t k"]


@runtime_checkable
class VelocityNetwork(Protocol):
    """Predicts the velocity of noisy latents (EDM, sigma_data = 1)."""

    def velocity(
        self, scaled: Float[Tensor, "b t d y x"], c_noise: Float[Tensor, "b t"], condition: Condition
    ) -> Float[Tensor, "b t d y x"]:
        """scaled: noisy latents times c_in. c_noise: ln(sigma) / 4 of each frame."""
        ...


@runtime_checkable
class DepthNetwork(VelocityNetwork, Protocol):
    """A velocity network with the ways into its latents and out of them."""

    size_multiple: int  # height and width of its videos are multiples of this
    depth_channels: int  # of its disparity latents, whose cells are those of the condition
    weights: Sequence[WeightsNotice]  # whose they are, where they were published

    def condition(
        self, video: Float[Tensor, "b t 3 h w"], noisy: Float[Tensor, "b t 3 h w"] | None = None
    ) -> Condition:
        """RGB in [0, 1]. noisy: the video with noise added, which the latents then show instead; not clamped."""
        ...

    def encode_disparity(self, disparity: Float[Tensor, "b t h w"]) -> Float[Tensor, "b t d y x"]:
        """Disparity in [0, 1]."""
        ...

    def decode_disparity(self, latents: Float[Tensor, "b t d y x"]) -> Float[Tensor, "b t h w"]:
        """Not clamped."""
        ...

    def decode_published(self, latents: Float[Tensor, "b t d y x"]) -> Float[Tensor, "b t h w"]:
        """As DepthCrafter's release decodes: in separate chunks, each channel clamped to [0, 1] before their mean."""
        ...


@runtime_checkable
class InpaintNetwork(VelocityNetwork, Protocol):
    """A velocity network of pictures with holes, with the ways into its latents and out of them.

    Pictures have `picture_channels` channels: RGB in [0, 1], and then, where there are four, disparity in [0, 1].
    """

    size_multiple: int  # height and width of its pictures are multiples of this
    factor: int  # pixels per latent cell and side
    picture_channels: int
    latent_channels: int
    color_channels: int  # of the latent channels, the first, which hold colour; the others hold disparity
    weights: Sequence[WeightsNotice]  # whose they are, where they were published

    def condition(self, seen: Float[Tensor, "b t p h w"], hole: Bool[Tensor, "b t h w"]) -> Condition:
        """seen: 0 in holes."""
        ...

    def encode(self, pictures: Float[Tensor, "b t p h w"]) -> Float[Tensor, "b t d y x"]: ...

    def decode(self, latents: Float[Tensor, "b t d y x"]) -> Float[Tensor, "b t p h w"]:
        """Not clamped."""
        ...


@runtime_checkable
class MotionNetwork(Protocol):
    """Tells from one picture how what it shows moves."""

    size_multiple: int  # height and width of its pictures are multiples of this
    weights: Sequence[WeightsNotice]  # whose they are, where they were published

    def motion(self, pictures: Float[Tensor, "b 3 h w"], moving: Bool[Tensor, "b h w"]) -> Float[Tensor, "b 2 h w"]:
        """x, y in shares of the picture's longer side per second. pictures: RGB in [0, 1]. moving: what may move."""
        ...

    def fingerprint(self) -> str:
        """Changes with whatever decides what it gives, but for the code."""
        ...
