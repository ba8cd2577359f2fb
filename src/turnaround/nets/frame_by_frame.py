"""A `ResumableDepthEstimator` from any network that knows the depth of single pictures."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from turnaround.io.tensors import write_tensors
from turnaround.nets.device import placed
from turnaround.nets.fingerprint import fingerprint
from turnaround.types import DepthKind, InputError, WeightsNotice

Frame = Float[Tensor, "3 h w"]
VALUES = "values"


class PictureDepth(nn.Module, ABC):
    """Depth of a picture by itself, in the scale and shift that its `kind` leaves open."""

    kind: DepthKind

    def __init__(self, *, kind: DepthKind, weights: Sequence[WeightsNotice]):
        super().__init__()
        self.kind, self._weights = kind, tuple(weights)

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self._weights

    @abstractmethod
    def depth(self, image: Frame, generator: torch.Generator) -> Float[Tensor, "h w"]:
        """image: RGB in [0, 1], where the network is. generator: on the CPU, of all that is random."""


class FrameByFrame:
    """Estimates each frame by itself, so each has a scale and shift of its own where `kind` leaves them open.

    What is random follows from the seed and the frame's number. device: where the network runs, "auto" for a GPU where
    there is one.
    """

    def __init__(self, *, network: PictureDepth, device: str, name: str):
        self.network, self.device = placed(network, device)
        self.name = name

    @property
    def kind(self) -> DepthKind:
        return self.network.kind

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self.network.weights

    def stream(self, frames: Iterable[Frame], *, seed: int) -> Iterator[Float[Tensor, "h w"]]:
        for number, frame in enumerate(frames):
            yield self._estimated(frame, number, seed)

    def resume(self, frames: Iterable[Frame], *, seed: int, work: Path) -> Iterator[Float[Tensor, "h w"]]:
        """As `stream`; maps go to the folder `work`, and those that lie there are not estimated again."""
        work.mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(frames):
            path = work / f"frame_{number:06d}.safetensors"
            if not path.is_file():
                write_tensors(path, {VALUES: self._estimated(frame, number, seed)})
            yield load_file(path)[VALUES]

    def fingerprint(self) -> str:
        """Changes with whatever decides the maps: settings and weights."""
        return fingerprint({"network": self.network})

    @torch.inference_mode()
    def _estimated(self, frame: Frame, number: int, seed: int) -> Float[Tensor, "h w"]:
        generator = torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)
        return self.network.depth(frame.to(self.device), generator).float().cpu()


def depth_kind(name: str) -> DepthKind:
    """InputError: none of that name."""
    try:
        return DepthKind(name)
    except ValueError as error:
        expected, fix = " or ".join(DepthKind), "say what the numbers of these weights mean"
        raise InputError("kind", expected=expected, found=name, fix=fix) from error
