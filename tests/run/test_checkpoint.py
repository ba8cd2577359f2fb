"""Weights on disk: what is read back is what was saved, and nothing else is accepted."""

import resource

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from turnaround.nets.tokens import PooledTokens
from turnaround.run.checkpoint import AtomicCheckpointIO, load_network, read_training_state, save_weights
from turnaround.types import InputError

NET = {"_target_": "turnaround.nets.tokens.PooledTokens", "latent_channels": 2, "channels": 3}


@pytest.fixture
def saved(tmp_path):
    network = PooledTokens(latent_channels=2, channels=3)
    save_weights(tmp_path, network, NET)
    return tmp_path, network


@pytest.mark.parametrize("name", [".", "weights.safetensors"])
def test_round_trip_is_exact_and_leaves_the_random_numbers_alone(saved, name):
    folder, network = saved
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    loaded = load_network(folder / name)
    assert torch.equal(torch.rand(1), expected)
    assert not loaded.training
    for key, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor)
    assert sorted(path.name for path in folder.iterdir()) == ["net.yaml", "weights.safetensors"]


def test_half_precision_storage_loads_as_the_networks_own_type(saved):
    folder, network = saved
    save_weights(folder, network, NET, dtype=torch.float16)
    assert {tensor.dtype for tensor in load_file(folder / "weights.safetensors").values()} == {torch.float16}
    weight = load_network(folder).state_dict()["project.weight"]
    assert weight.dtype == torch.float32
    assert torch.equal(weight, network.project.weight.half().float())


def test_tied_weights_are_saved(tmp_path):
    network = PooledTokens(latent_channels=1, channels=2)
    network.twin = network.project
    save_weights(tmp_path, network, NET)
    stored = load_file(tmp_path / "weights.safetensors")
    assert torch.equal(stored["twin.weight"], stored["project.weight"])


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"project.weight": torch.zeros(3, 4)}, "project.bias: expected this key, found none"),
        ({"project.weight": torch.zeros(3, 4), "project.bias": torch.zeros(3), "x": torch.zeros(1)}, "x: expected no"),
        ({"project.weight": torch.zeros(3, 5), "project.bias": torch.zeros(3)}, r"shape \(3, 4\), found \(3, 5\)"),
        ({"project.weight": torch.full((3, 4), torch.nan), "project.bias": torch.zeros(3)}, "finite weights"),
    ],
)
def test_weights_of_another_net_are_refused(saved, weights, said):
    folder, _ = saved
    save_file(weights, folder / "weights.safetensors")
    with pytest.raises(InputError, match=said):
        load_network(folder)


def test_missing_and_corrupt_files_are_refused(saved):
    folder, _ = saved
    with pytest.raises(InputError, match="no such file"):
        load_network(folder / "nowhere")
    whole = (folder / "weights.safetensors").read_bytes()
    for broken in (b"", b"PK", whole[:-4], whole[:20]):
        (folder / "weights.safetensors").write_bytes(broken)
        with pytest.raises(InputError, match="expected safetensors"):
            load_network(folder)
    (folder / "weights.safetensors").write_bytes(whole)
    (folder / "net.yaml").unlink()
    with pytest.raises(InputError, match=r"net\.yaml"):
        load_network(folder)


@pytest.mark.parametrize(
    "net",
    [
        NET | {"_target_": "os.system"},
        NET | {"_target_": "turnaround.nets.tokens.torch.nn.Linear"},
        NET | {"_target_": "turnaround.nets.tokens.PooledTokens.load_state_dict"},
        NET | {"_target_": "turnaround.nets_of_mine.Net"},
        NET | {"_target_": "turnaround.run.checkpoint.load_network"},
        NET | {"channels": {"_target_": "subprocess.run"}},
        NET | {"channels": [{"_target_": "builtins.print"}]},
        NET | {"channels": "${oc.env:HOME}"},
        NET | {"_args_": [1]},
        NET | {"_target_": ["turnaround.nets.tokens.PooledTokens"]},
        [NET],
        "text",
    ],
)
def test_a_net_config_runs_no_foreign_code(saved, net):
    folder, _ = saved
    (folder / "net.yaml").write_text(yaml.safe_dump(net))
    with pytest.raises(InputError, match=r"net\.yaml"):
        load_network(folder)


def test_a_net_config_with_a_misspelt_key_is_refused(saved):
    folder, _ = saved
    (folder / "net.yaml").write_text(yaml.safe_dump(NET | {"chanels": 3}))
    with pytest.raises(InputError, match="chanels"):
        load_network(folder)


@pytest.fixture
def little_room():
    """Files end at 512 bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (512, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_said_and_leaves_the_older_file(tmp_path, little_room):
    network = PooledTokens(latent_channels=20, channels=30)
    AtomicCheckpointIO().save_checkpoint({"step": 1}, tmp_path / "last.ckpt")
    little_room()
    with pytest.raises(InputError, match=r"weights\.safetensors: expected a writable place"):
        save_weights(tmp_path, network, NET)
    with pytest.raises(InputError, match=r"last\.ckpt: expected a writable place"):
        AtomicCheckpointIO().save_checkpoint(network.state_dict(), tmp_path / "last.ckpt")
    assert torch.load(tmp_path / "last.ckpt", weights_only=True) == {"step": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.ckpt", "net.yaml"]


class Foreign:
    """Something a checkpoint must not hold."""


@pytest.mark.parametrize("content", [b"", b"text", {"global_step": 3}, {"global_step": Foreign()}])
def test_training_states_of_anything_else_are_refused(tmp_path, content):
    path = tmp_path / "last.ckpt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(InputError, match="last"):
        read_training_state(path)
