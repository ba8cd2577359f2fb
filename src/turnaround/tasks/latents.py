"""From pixels to latents: the part of a training step that no trained parameter takes part in."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from turnaround.geometry.holes import fill_holes
from turnaround.losses.depth import normalize_sequence
from turnaround.losses.diffusion import latent_mask
from turnaround.types import DepthBatch, DepthNetwork, InputError, LatentBatch

VERSION = 1  # raised whenever equal pixels and weights give other latents


def encode_truth(network: DepthNetwork, batch: DepthBatch) -> Float[Tensor, "b t d y x"]:
    """The disparity that the network should give, in [0, 1], as latents.

    Unknown pixels are filled, for an encoder mixes them with their neighbours; no loss counts the cells they lie in.
    """
    disparity = normalize_sequence(batch.inverse_depth, batch.valid)
    return network.encode_disparity(fill_holes(disparity, batch.valid))


def as_latents(network: DepthNetwork, batch: DepthBatch | LatentBatch) -> LatentBatch:
    """The batch as it is, if it holds latents; else encoded."""
    if isinstance(batch, LatentBatch):
        return batch
    disparity = encode_truth(network, batch)
    known = latent_mask(batch.valid, disparity.shape[-1])
    return LatentBatch(condition=network.condition(batch.video), disparity=disparity, known=known)


@runtime_checkable
class NamesEncoders(Protocol):
    """A network that tells the parts that encode from those that are trained."""

    def encoders(self) -> Mapping[str, nn.Module]:
        """All that `condition` and `encode_disparity` use, under the names it has in the network."""
        ...

    def encoder_fingerprint(self) -> str:
        """Another for other weights or settings of the encoders."""
        ...


class FrozenEncoder:
    """The encoders of a network, as a `LatentEncoder`.

    InputError: a network that does not name its encoders, or trains them.
    """

    def __init__(self, network: DepthNetwork, device: torch.device):
        if not isinstance(network, NamesEncoders):
            expected, fix = "a network that names its encoders", "train on pixels, for example data=procedural"
            raise InputError("net", expected=expected, found=type(network).__name__, fix=fix)
        for name, part in network.encoders().items():
            trained = [parameter for parameter, values in part.named_parameters() if values.requires_grad]
            if trained:
                found, fix = f"{name}.{trained[0]} in training", rf"add '^{name}\.' to task.freeze"
                raise InputError("net", expected="frozen encoders, for latents are kept", found=found, fix=fix)
        self.network, self.device = network, device
        self.fingerprint = f"{network.encoder_fingerprint()}-{VERSION}"

    @torch.inference_mode()
    def encode(self, batch: DepthBatch) -> LatentBatch:
        """Latents on the CPU."""
        return as_latents(self.network, batch.to(self.device)).to("cpu")


@contextmanager
def encoder_on(network: DepthNetwork, device: torch.device) -> Iterator[FrozenEncoder]:
    """The network's encoders at work on a device, and on the CPU afterwards."""
    encoder = FrozenEncoder(network, device)
    place_encoders(network, device)
    try:
        yield encoder
    finally:
        place_encoders(network, torch.device("cpu"))


def place_encoders(network: DepthNetwork, device: torch.device) -> None:
    """Moves them where they are not yet there; a network that does not name its encoders keeps all in one place."""
    parts = network.encoders().values() if isinstance(network, NamesEncoders) else ()
    for part in parts:
        first = next(part.parameters(), None)
        if first is not None and first.device != device:
            part.to(device)
