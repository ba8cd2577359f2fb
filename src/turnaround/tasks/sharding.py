"""Training state in shares, one per process: FSDP (arXiv 2304.11277), ZeRO-3 and ZeRO-2 (arXiv 1910.02054)."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
import torch.distributed as dist
from pytorch_lightning import Trainer
from pytorch_lightning.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from turnaround.types import InputError

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


@runtime_checkable
class Shardable(Protocol):
    """A network that can gather its weights part by part."""

    def shards(self) -> Sequence[nn.Module]:
        """Parts that are used by a call of each and by nothing else; inner ones before those that hold them."""
        ...


class FullySharded(ModelParallelStrategy):
    """Each process holds its share of weights, gradients and optimizer states, and gathers the weights of a part only
    while it computes that part, forward and backward.

    What is frozen outside of trained parts stays whole. Checkpoints are those of one process, so that a training can be
    resumed in another way. (Lightning's own number the trained parameters among the frozen.)
    """

    gather_again: ClassVar[bool] = True  # for the backward pass

    def __init__(self):
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False)

    def setup_environment(self) -> None:
        self._data_parallel_size = self.num_nodes * self.num_processes  # Lightning's "auto" shards between nodes only
        super().setup_environment()

    def setup(self, trainer: Trainer) -> None:
        super().setup(trainer)
        for part in _sharded(self._task()):  # the memory of the first gathering is used again, and were it an inference
            part.unshard()  # tensor, by a validation that comes before training, then none could be trained
            part.reshard()

    def shard(self, network: nn.Module) -> None:
        """In place."""
        for part in _parts(network):
            if any(parameter.requires_grad for parameter in part.parameters()):
                mesh = self.device_mesh["data_parallel"]
                fully_shard(part, mesh=mesh, reshard_after_forward=self.gather_again)

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Whole and on the CPU in the first process, empty in the others."""
        state: Any = get_optimizer_state_dict(self._task(), optimizer, options=WHOLE)
        return state and _renamed(state, {name: number for number, name in enumerate(self._names(optimizer))})

    def load_checkpoint(self, checkpoint_path: str | Path, weights_only: bool | None = None) -> dict[str, Any]:
        checkpoint = torch.load(checkpoint_path, map_location="cpu", mmap=True, weights_only=True)
        set_model_state_dict(self._task(), checkpoint.pop("state_dict"), options=WHOLE)
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            named = _renamed(state, dict(enumerate(self._names(optimizer))))
            set_optimizer_state_dict(self._task(), optimizer, named, options=WHOLE)
        return checkpoint

    def _names(self, optimizer: Optimizer) -> list[str]:
        """Of its parameters, in its order."""
        names = {parameter: name for name, parameter in self._task().named_parameters()}
        return [names[parameter] for group in optimizer.param_groups for parameter in group["params"]]

    def _task(self) -> nn.Module:
        assert self.lightning_module is not None
        return self.lightning_module


class ShardedGradients(FullySharded):
    """As `FullySharded`, but gathered weights are kept from the forward pass to the backward pass: more memory, less
    communication."""

    gather_again = False


def reshard(network: nn.Module) -> None:
    """Lets go of gathered weights, which without a backward pass would outlive a change of the shares."""
    for part in _sharded(network):
        part.reshard()


def gathered(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What lies in shares, whole and on the CPU in the first process and left out in the others; the rest as it is.

    Every process must ask for the same, in the same order.
    """
    kept = {}
    for name, tensor in tensors.items():
        full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        if full is tensor:
            kept[name] = tensor
        elif dist.get_rank() == 0:
            kept[name] = full.cpu()
    return kept


def shared_as(tensor: Tensor, parameter: nn.Parameter) -> Tensor:
    """A copy of a whole tensor, or of its share, on the parameter's device and in shares where that is."""
    if isinstance(parameter, DTensor) and not isinstance(tensor, DTensor):
        mesh, placements = parameter.device_mesh, parameter.placements
        return distribute_tensor(tensor.to(parameter.device), mesh, placements, src_data_rank=None).clone()
    return tensor.to(parameter.device, copy=True)


def require_shardable(network: nn.Module) -> None:
    """InputError: a network, or a trained parameter of it, that has no part to be sharded with."""
    fix = "train it with trainer=ddp"
    if not isinstance(network, Shardable):
        expected = "a network that can be sharded"
        raise InputError("trainer.strategy", expected=expected, found=type(network).__name__, fix=fix)
    covered = {parameter for part in network.shards() for parameter in part.parameters()}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad and parameter not in covered:
            expected = "trained parameters in parts that can be sharded"
            raise InputError("trainer.strategy", expected=expected, found=name, fix=f"freeze it, or {fix}")


def _renamed(state: Mapping[str, Any], new: Mapping[Any, Any]) -> dict[str, Any]:
    """An optimizer's state, its parameters under other names."""
    groups = [group | {"params": [new[name] for name in group["params"]]} for group in state["param_groups"]]
    return {"state": {new[name]: values for name, values in state["state"].items()}, "param_groups": groups}


def _parts(network: nn.Module) -> Sequence[nn.Module]:
    assert isinstance(network, Shardable)
    return network.shards()


def _sharded(network: nn.Module) -> Iterator[FSDPModule]:
    return (module for module in network.modules() if isinstance(module, FSDPModule))
