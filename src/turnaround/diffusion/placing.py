"""What estimators do to their network and their frames before anything is estimated."""

import hashlib

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from turnaround.types import InputError, VelocityNetwork


def place(network: VelocityNetwork, device: torch.device | str) -> torch.device:
    """Moves the network; "auto" is a GPU where there is one. Returns where it is."""
    found = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    if isinstance(network, nn.Module):
        network.to(found)
    return found


def fingerprint(settings: object, network: VelocityNetwork) -> str:
    """Of the `repr` of settings and of a network's weights."""
    found = hashlib.sha256(repr(settings).encode())
    if isinstance(network, nn.Module):
        for name, tensor in network.state_dict().items():
            found.update(name.encode())
            found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


def require_overlap(window: int, overlap: int) -> None:
    if not 0 <= overlap < window:
        fix = "give a longer window or less overlap"
        raise InputError("overlap", expected=f"0 to window - 1 = {window - 1}", found=str(overlap), fix=fix)


def scaled_size(height: int, width: int, *, ratio: float, multiple: int) -> tuple[int, int]:
    """The sides times ratio, to the nearest multiple, at least one."""
    rows, columns = (max(round(side * ratio / multiple), 1) * multiple for side in (height, width))
    return rows, columns


def resize(images: Float[Tensor, "n c h w"], size: tuple[int, int]) -> Float[Tensor, "n c y x"]:
    """Bilinear, with antialiasing where it shrinks."""
    if images.shape[-2:] == size:
        return images
    return interpolate(images, size=size, mode="bilinear", antialias=True)


def frame_noise(shape: tuple[int, ...], seed: int, number: int) -> Tensor:
    """Unit normal noise of one frame, a function of the seed and the frame's number."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)
    return torch.randn(shape, generator=generator)
