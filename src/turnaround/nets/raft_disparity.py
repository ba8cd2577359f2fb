"""RAFT (Teed and Deng, ECCV 2020) in torchvision's form, as a matcher of rectified pairs."""

import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.optical_flow import raft_large, raft_small

from turnaround.io.existing import existing_file
from turnaround.nets.architecture import announce
from turnaround.nets.device import placed
from turnaround.nets.fingerprint import fingerprint
from turnaround.nets.weights import read_shapes, read_tensors, require_same_net
from turnaround.types import InputError, WeightsNotice

BUILDERS = {"small": raft_small, "large": raft_large}
CELL, LEAST_SIDE = 8, 128  # sides are multiples of a cell, and at least 16 cells: RAFT halves their grid three times
MAX_BYTES = 2**28  # RAFT-large has 21 MB
PUBLISHED = (  # keys of princeton-vl/RAFT's small network, and what torchvision calls them
    (r"^module\.", ""),
    (r"^fnet\.", "feature_encoder."),
    (r"^cnet\.", "context_encoder."),
    (r"^((?:feature|context)_encoder)\.conv1\.", r"\1.convnormrelu.0."),
    (r"^((?:feature|context)_encoder)\.conv2\.", r"\1.conv."),
    (r"(layer\d\.\d)\.conv(\d)\.", r"\1.convnormrelu\2.0."),
    (r"^update_block\.encoder\.convc(\d)\.", r"update_block.motion_encoder.convcorr\1.0."),
    (r"^update_block\.encoder\.convf(\d)\.", r"update_block.motion_encoder.convflow\1.0."),
    (r"^update_block\.encoder\.conv\.", "update_block.motion_encoder.conv.0."),
    (r"^update_block\.gru\.", "update_block.recurrent_block.convgru1."),
)


class RaftDisparity:
    """A `DisparityEstimator`: flow from the left to the right picture, and back, by one network. All of it is known.

    iterations: of its refinement; 12 as published. device: "auto" is a GPU where there is one.
    """

    name = "raft"

    def __init__(self, *, network: "Raft", iterations: int, device: str):
        self.iterations = iterations
        self.network, self.device = placed(network, device)
        self.weights = network.weights

    def fingerprint(self) -> str:
        # not `corr_block`, which learned nothing and keeps what it saw last
        parts = {name: part for name, part in self.network.raft.named_children() if name != "corr_block"}
        return f"{fingerprint(parts)}-{self.iterations}"

    @torch.inference_mode()
    def match(
        self, left: Float[Tensor, "3 h w"], right: Float[Tensor, "3 h w"]
    ) -> tuple[Float[Tensor, "2 h w"], Float[Tensor, "2 h w"]]:
        height, width = left.shape[1:]
        pictures = torch.stack([left, right]).to(self.device)
        below, beside = (max(LEAST_SIDE, -(-side // CELL) * CELL) - side for side in (height, width))
        padded = nn.functional.pad(2 * pictures - 1, (0, beside, 0, below), mode="replicate")
        flows = self.network.flow(padded, padded.flip(0), self.iterations)[:, :, :height, :width].to(left)
        return flows[0], flows[1]


class Raft(nn.Module):
    """A RAFT of torchvision, and whose weights it has."""

    def __init__(self, *, raft: nn.Module, weights: tuple[WeightsNotice, ...]):
        super().__init__()
        self.raft, self.weights = raft, weights

    def flow(
        self, first: Float[Tensor, "b 3 h w"], second: Float[Tensor, "b 3 h w"], iterations: int
    ) -> Float[Tensor, "b 2 h w"]:
        """Pictures in [-1, 1], each side a multiple of 8 and at least 128."""
        return self.raft(first, second, num_flow_updates=iterations)[-1]


def load_raft(*, path: str, size: str, licence: str) -> Raft:
    """path: a file of weights, .safetensors or .pth, with torchvision's keys or, of the small network, those of
    princeton-vl/RAFT. size: small or large. licence: of these weights, as their publisher states it.

    InputError: no such file, another net, values that are not finite, a .pth that holds more than tensors.
    """
    if size not in BUILDERS:
        raise InputError("size", expected=" or ".join(BUILDERS), found=size, fix="choose one of them")
    file = Path(path).expanduser()
    existing_file(file, expected="weights of RAFT")
    if file.stat().st_size > MAX_BYTES:
        expected, found = f"at most {MAX_BYTES >> 20} MiB", f"{file.stat().st_size >> 20}"
        raise InputError(file, expected=expected, found=found, fix="give the weights of RAFT alone")
    raft = BUILDERS[size](weights=None)
    tensors = {torchvision_key(key): tensor for key, tensor in _tensors(file).items()}
    require_same_net(file, {key: tensor.shape for key, tensor in tensors.items()}, raft.state_dict())
    raft.load_state_dict(tensors)
    notice = WeightsNotice(name=f"RAFT {size}", source=path, licence=licence)
    announce((notice,))
    return Raft(raft=raft, weights=(notice,))


def torchvision_key(key: str) -> str:
    for pattern, replacement in PUBLISHED:
        key = re.sub(pattern, replacement, key)
    return key


def _tensors(file: Path) -> Mapping[str, Tensor]:
    if file.suffix == ".safetensors":
        read_shapes(file)  # names what is damaged
        return read_tensors(file)
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        said = str(error).strip().partition("\n")[0][:120]
        fix = "give a file of tensors alone"
        raise InputError(file, expected="a mapping of tensors", found=said, fix=fix) from error
    if not isinstance(found, dict) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        fix = "give the state dict of the network"
        raise InputError(file, expected="a mapping of tensors", found=type(found).__name__, fix=fix)
    for key, tensor in found.items():
        if not tensor.isfinite().all():
            raise InputError(f"{file}: {key}", expected="finite weights", found="NaN or inf", fix="download it again")
    return found
