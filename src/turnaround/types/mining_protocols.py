"""The parts of mining that a config chooses."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from turnaround.types.lens import Lens
from turnaround.types.mining import PixelTracks, RigPoses
from turnaround.types.video import Video
from turnaround.types.weights import WeightsNotice


@runtime_checkable
class VideoMiner(Protocol):
    """Makes a folder of mined clips (`io.mined_manifest`) of stereo videos."""

    name: str

    @property
    def weights(self) -> Sequence[WeightsNotice]: ...

    def mine(self, videos: Path, out: Path) -> None:
        """videos: one, or a folder of them. A call that was killed is gone on with."""
        ...


@runtime_checkable
class PoseEstimator(Protocol):
    """Finds how a stereo rig moved, and how its right eye stands to its left one."""

    name: str

    def poses(
        self,
        frames: Iterable[tuple[Float[Tensor, "3 h w"], Float[Tensor, "3 h w"]]],
        lens: Lens,
        *,
        baseline: float,
        seed: int,
        work: Path | None = None,
    ) -> RigPoses:
        """frames: what the left and the right eye saw, in order, both through `lens`. baseline: metres between the
        eyes, which sets the scale. work: a folder for what is only needed meanwhile; None: one of the
        system's. DropError: no reconstruction comes of it."""
        ...

    def fingerprint(self) -> str:
        """Changes with whatever decides what it gives, but for the code."""
        ...


@runtime_checkable
class DisparityEstimator(Protocol):
    """Matches the pictures of a rectified pair."""

    name: str

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        """Whose weights it uses; none where it learned nothing."""
        ...

    def match(
        self, left: Float[Tensor, "3 h w"], right: Float[Tensor, "3 h w"]
    ) -> tuple[Float[Tensor, "2 h w"], Float[Tensor, "2 h w"]]:
        """Where each pixel of the left picture lies in the right one, and the other way, as flow: (x, y) in pixels, so
        that disparity is minus the x of the first. NaN where nothing is known."""
        ...

    def fingerprint(self) -> str:
        """Changes with whatever decides what it gives, but for the code."""
        ...


@runtime_checkable
class PointTracker(Protocol):
    """Follows points through a video, onwards and back from where they are given."""

    name: str

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        """Whose weights it uses; none where it learned nothing."""
        ...

    def track(self, video: Video, frame: int, pixels: Float[Tensor, "n 2"]) -> PixelTracks:
        """Points that are at `pixels` (x, y) in `frame`, in all frames."""
        ...

    def fingerprint(self) -> str:
        """Changes with whatever decides what it gives, but for the code."""
        ...


@runtime_checkable
class Segmenter(Protocol):
    """Tells what each pixel shows. classes: the names of its labels, in their order."""

    name: str
    classes: Sequence[str]

    @property
    def weights(self) -> Sequence[WeightsNotice]: ...

    def labels(self, frame: Float[Tensor, "3 h w"]) -> Int[Tensor, "h w"]: ...

    def fingerprint(self) -> str:
        """Changes with whatever decides what it gives, but for the code."""
        ...
