"""What adapters of published point trackers share: their weights, their coordinates, when a point is visible."""

import importlib
from pathlib import Path
from types import ModuleType

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from turnaround.types import InputError, Video

Places = Float[Tensor, "*batch 2"]


def installed(module: str, *, fix: str) -> ModuleType:
    """A module of a package that is not on PyPI. fix: the line that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(module, expected="this package", found=str(error), fix=fix) from error


def load_checkpoint(network: nn.Module, path: Path) -> None:
    """Weights from a file of torch, of which only tensors are read. InputError: none there, or those of another net."""
    fix = "download it from its publisher"
    if not path.is_file():
        raise InputError(path, expected="a file of weights", found="none", fix=fix)
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(stored.get("model", stored))
    except Exception as error:  # torch raises what the bytes at hand happen to trip
        said = str(error).strip().partition("\n")[0]
        raise InputError(path, expected="weights of this tracker", found=said, fix=fix) from error


def resized(video: Video, size: int) -> Float[Tensor, "t 3 y x"]:
    """Frames of size x size pixels."""
    return F.interpolate(video, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def scaled(pixels: Places, source: tuple[int, int], target: tuple[int, int]) -> Places:
    """Where pixels are once a picture of (width, height) is resized to another; centres stay at +0.5."""
    return pixels * torch.tensor([target[0] / source[0], target[1] / source[1]]).to(pixels)


def confident(occlusion: Float[Tensor, "*batch"], distance: Float[Tensor, "*batch"]) -> Bool[Tensor, "*batch"]:
    """TAPIR's rule: the chance that a point is seen and near enough to where it is said to be is above one half.

    occlusion, distance: logits of being hidden, and of being far off.
    """
    return (1 - occlusion.sigmoid()) * (1 - distance.sigmoid()) > 0.5


def timed(frame: int, places: Float[Tensor, "n 2"]) -> Float[Tensor, "n 3"]:
    """(frame, x, y) of queries in one frame."""
    return F.pad(places, (1, 0), value=float(frame))
