import re
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file
from torchvision.models.optical_flow import raft_small

from turnaround.nets.raft_disparity import RaftDisparity, load_raft
from turnaround.run.build import build_value
from turnaround.types import DisparityEstimator, InputError, WeightsNotice


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return raft_small(weights=None).eval()


def published_key(key):
    """The name that princeton-vl/RAFT gives to a key of torchvision's, written the other way round and by hand."""
    for pattern, name in (
        (r"^feature_encoder\.convnormrelu\.0", "fnet.conv1"),
        (r"^feature_encoder\.conv\b", "fnet.conv2"),
        (r"^context_encoder\.convnormrelu\.0", "cnet.conv1"),
        (r"^context_encoder\.conv\b", "cnet.conv2"),
        (r"^feature_encoder", "fnet"),
        (r"^context_encoder", "cnet"),
        (r"convnormrelu(\d)\.0", r"conv\1"),
        (r"motion_encoder\.convcorr1\.0", "encoder.convc1"),
        (r"motion_encoder\.convflow(\d)\.0", r"encoder.convf\1"),
        (r"motion_encoder\.conv\.0", "encoder.conv"),
        (r"recurrent_block\.convgru1", "gru"),
    ):
        key = re.sub(pattern, name, key)
    return f"module.{key}"


def published(network):
    return {published_key(key): tensor for key, tensor in network.state_dict().items()}


def load(path, size="small"):
    return load_raft(path=str(path), size=size, licence="BSD-3-Clause")


@pytest.fixture
def own(network, tmp_path):
    save_file(network.state_dict(), tmp_path / "raft.safetensors")
    return tmp_path / "raft.safetensors"


def estimator(path, iterations=2):
    return RaftDisparity(network=load(path), iterations=iterations, device="cpu")


def pictures(height=128, width=136):
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_both_ways_are_torchvisions_own(network, own):
    left, right = pictures()
    forth, back = estimator(own).match(left, right)
    with torch.inference_mode():
        expected = [network(2 * a[None] - 1, 2 * b[None] - 1, 2)[-1][0] for a, b in ((left, right), (right, left))]
    # a batch of two against two of one: float32 sums in another order
    torch.testing.assert_close(forth, expected[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(back, expected[1], rtol=0, atol=1e-4)
    assert forth.abs().max() > 1e-2


def test_any_size_comes_back_as_it_was(own):
    left, right = pictures(50, 131)
    forth, _ = estimator(own).match(left, right)
    assert forth.shape == (2, 50, 131)
    padded = [torch.nn.functional.pad(side[None], (0, 5, 0, 78), mode="replicate")[0] for side in (left, right)]
    torch.testing.assert_close(forth, estimator(own).match(*padded)[0][:, :50, :131])


def test_the_published_layout_is_the_same_network(network, own, tmp_path):
    keys = published(network)
    assert "module.update_block.encoder.convf2.weight" in keys
    assert "module.fnet.layer2.0.downsample.0.bias" in keys
    torch.save(keys, tmp_path / "raft-small.pth")
    left, right = pictures()
    found, expected = (estimator(path).match(left, right) for path in (tmp_path / "raft-small.pth", own))
    assert torch.equal(found[0], expected[0])


def test_whose_weights_and_what_decides(own):
    matcher = estimator(own)
    before = matcher.fingerprint()
    matcher.match(*pictures())
    assert matcher.fingerprint() == before
    assert isinstance(matcher, DisparityEstimator)
    assert matcher.weights == (WeightsNotice(name="RAFT small", source=str(own), licence="BSD-3-Clause"),)
    assert matcher.fingerprint() == estimator(own).fingerprint() != estimator(own, iterations=3).fingerprint()


def test_the_shipped_config_builds_it(own):
    config = OmegaConf.load(Path(__file__).parents[2] / "configs" / "disparity" / "raft.yaml")
    config.network.path = str(own)
    built = build_value(OmegaConf.to_container(config), "disparity")
    assert built.fingerprint() == estimator(own, iterations=12).fingerprint()


def test_other_files_are_refused(network, own, tmp_path):
    with pytest.raises(InputError, match="expected weights of RAFT"):
        load(tmp_path / "none.pth")
    with pytest.raises(InputError, match="size: expected small or large, found medium"):
        load(own, size="medium")
    with pytest.raises(InputError, match="this is a checkpoint of another net"):
        load(own, size="large")
    state = dict(network.state_dict())
    state.pop("feature_encoder.conv.bias")
    save_file(state, tmp_path / "part.safetensors")
    with pytest.raises(InputError, match=r"feature_encoder\.conv\.bias: expected this key, found none"):
        load(tmp_path / "part.safetensors")
    broken = dict(network.state_dict())
    broken["feature_encoder.conv.bias"] = broken["feature_encoder.conv.bias"] * torch.nan
    torch.save(broken, tmp_path / "broken.pth")
    with pytest.raises(InputError, match="expected finite weights"):
        load(tmp_path / "broken.pth")


def test_no_code_of_a_file_is_run(network, tmp_path):
    torch.save(network, tmp_path / "module.pth")  # a pickled module, not its tensors
    with pytest.raises(InputError, match="expected a mapping of tensors"):
        load(tmp_path / "module.pth")
    torch.save([torch.zeros(3)], tmp_path / "list.pth")
    with pytest.raises(InputError, match="expected a mapping of tensors, found list"):
        load(tmp_path / "list.pth")
    (tmp_path / "noise.pth").write_bytes(b"not a zip file")
    with pytest.raises(InputError, match="expected a mapping of tensors"):
        load(tmp_path / "noise.pth")
