"""What lies in shares is a share, and comes together again."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from turnaround.tasks.sharding import FullySharded, ShardedGradients, gathered, require_shardable, reshard, shared_as
from turnaround.types import InputError


class Halves(nn.Module):
    """Two parts, the second frozen, and a parameter of neither."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(5, 3), nn.Linear(3, 2).requires_grad_(False)
        self.third = nn.Parameter(torch.ones(2), requires_grad=False)

    def shards(self):
        return [self.first, self.second]

    def forward(self, values):
        return self.second(self.first(values)) * self.third


def test_a_network_must_say_how_it_is_sharded():
    with pytest.raises(InputError, match=r"^trainer\.strategy: expected a network that can be sharded, found Linear"):
        require_shardable(nn.Linear(1, 1))


def test_what_is_trained_must_have_its_part():
    network = Halves()
    require_shardable(network)
    network.third.requires_grad_(True)
    with pytest.raises(InputError, match=r"in parts that can be sharded, found third; freeze it, or train it with"):
        require_shardable(network)


def test_tensors_of_one_process_stay_as_they_are():
    parameter = nn.Parameter(torch.rand(3))
    assert gathered({"a": parameter})["a"] is parameter
    copy = shared_as(parameter.detach(), parameter)
    assert copy.equal(parameter)
    assert copy.data_ptr() != parameter.data_ptr()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [FullySharded, ShardedGradients])
def test_two_processes_hold_a_share_each(tmp_path, strategy):
    mp.spawn(_hold_shares, args=(tmp_path / "meeting", strategy), nprocs=2)  # raises what they raise


def _hold_shares(rank: int, meeting: Path, kind: type[FullySharded]) -> None:
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    torch.manual_seed(0)
    network, strategy = Halves(), kind()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    strategy._device_mesh = init_device_mesh("cpu", (2, 1), mesh_dim_names=("data_parallel", "tensor_parallel"))
    strategy.shard(network)
    weight = network.first.weight
    assert isinstance(weight, DTensor)
    assert weight.to_local().shape == ((2, 1)[rank], 5)  # 3 rows, in pieces of 2
    assert not isinstance(network.second.weight, DTensor), "what is frozen stays whole"

    with torch.no_grad():
        network(torch.rand(1, 5))
    kept = not isinstance(network.first.weight, DTensor)
    assert kept == (kind is ShardedGradients)
    reshard(network)
    assert network.first.weight is weight

    whole = gathered(network.state_dict())
    frozen = {"second.weight", "second.bias", "third"}
    assert whole.keys() == (before.keys() if rank == 0 else frozen)
    assert all(tensor.equal(before[name]) for name, tensor in whole.items())

    copy = shared_as(before["first.weight"] + 1, weight)
    assert isinstance(copy, DTensor)
    assert copy.to_local().equal(weight.to_local() + 1)
    again = shared_as(weight.detach(), weight)
    again.zero_()
    assert weight.full_tensor().equal(before["first.weight"]), "a copy is no view"
    dist.destroy_process_group()
