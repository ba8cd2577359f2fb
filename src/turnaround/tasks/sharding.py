"""Training state in shares, one per process: FSDP (arXiv 2304.11277), ZeRO-3 and ZeRO-2 (arXiv 1910.02054)."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol, runtime_checkable

import torch.distributed as dist
from pytorch_lightning.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from turnaround.types import InputError


@runtime_checkable
class Shardable(Protocol):
    """A network that can gather its weights part by part."""

    def shards(self) -> Sequence[nn.Module]:
        """Parts that are used by a call of each and by nothing else; inner ones before those that hold them."""
        ...


class FullySharded(ModelParallelStrategy):
    """Each process holds its share of weights, gradients and optimizer states, and gathers the weights of a part only
    while it computes that part, forward and backward.

    What is frozen outside of trained parts stays whole. Checkpoints are files as those of one process.
    """

    gather_again: ClassVar[bool] = True  # for the backward pass

    def __init__(self):
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False)

    def setup_environment(self) -> None:
        self._data_parallel_size = self.num_nodes * self.num_processes  # Lightning's "auto" shards between nodes only
        super().setup_environment()

    def shard(self, network: nn.Module) -> None:
        """In place. InputError: a network, or a trained parameter, that lies in no part."""
        if not isinstance(network, Shardable):
            expected, fix = "a network that can be sharded", "train it with trainer=ddp"
            raise InputError("trainer.strategy", expected=expected, found=type(network).__name__, fix=fix)
        for part in network.shards():
            if any(parameter.requires_grad for parameter in part.parameters()):
                mesh = self.device_mesh["data_parallel"]
                fully_shard(part, mesh=mesh, reshard_after_forward=self.gather_again)
        for name, parameter in network.named_parameters():
            if parameter.requires_grad and not isinstance(parameter, DTensor):
                expected, fix = "trained parameters in parts that can be sharded", "freeze it, or use trainer=ddp"
                raise InputError("trainer.strategy", expected=expected, found=name, fix=fix)


class ShardedGradients(FullySharded):
    """As `FullySharded`, but gathered weights are kept from the forward pass to the backward pass: more memory, less
    communication."""

    gather_again = False


def reshard(network: nn.Module) -> None:
    """Lets go of gathered weights, which without a backward pass would outlive a change of the shares."""
    for module in network.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


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
