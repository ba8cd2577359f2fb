"""What must meet across a line meets here; the config injects the implementation."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from turnaround.types.depth import DepthKind
from turnaround.types.video import Clip


@runtime_checkable
class DepthEstimator(Protocol):
    """Turns frames into depth maps: one per frame, in order, at the frame's size.

    `stream` holds a bounded number of frames, so a video of any length runs in constant memory. All maps of one
    stream share one scale and shift.
    """

    name: str
    kind: DepthKind

    def stream(self, frames: Iterable[Float[Tensor, "3 h w"]], *, seed: int) -> Iterator[Float[Tensor, "h w"]]: ...


@runtime_checkable
class ClipSource(Protocol):
    """A finite, ordered list of clips, made or read one at a time."""

    def ids(self) -> Sequence[str]: ...

    def clip(self, id: str) -> Clip: ...


class Codec(Protocol):
    """Frames to latents and back; [-1, 1] exists only inside. Disparity is normalised to [0, 1] per sequence."""

    video_channels: int
    depth_channels: int
    factor: int

    def encode_video(self, video: Float[Tensor, "b t 3 h w"]) -> Float[Tensor, "b t c y x"]: ...

    def encode_disparity(self, disparity: Float[Tensor, "b t h w"]) -> Float[Tensor, "b t d y x"]: ...

    def decode_disparity(self, latents: Float[Tensor, "b t d y x"]) -> Float[Tensor, "b t h w"]: ...
