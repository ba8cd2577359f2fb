import copy

import pytest
import torch

from turnaround.diffusion.estimate import DepthDiffusion
from turnaround.diffusion.sample import EulerSampler, WindowStart
from turnaround.diffusion.schedule import TrainedLevels
from turnaround.diffusion.store import WindowStore
from turnaround.geometry.align import fit_affine_l1
from turnaround.io.shots import OneShot, ShotCuts
from turnaround.nets.codec import PatchCodec
from turnaround.nets.svd import PerFrameUNet, SvdDepthNetwork
from turnaround.nets.tokens import PooledTokens
from turnaround.scenes.observe import film
from turnaround.scenes.sample import WorldSampler


@pytest.fixture(scope="module")
def network() -> SvdDepthNetwork:
    torch.manual_seed(0)
    unet = PerFrameUNet(
        in_channels=16,
        out_channels=4,
        down_block_types=("DownBlockSpatioTemporal", "CrossAttnDownBlockSpatioTemporal"),
        up_block_types=("CrossAttnUpBlockSpatioTemporal", "UpBlockSpatioTemporal"),
        block_out_channels=(32, 32),
        layers_per_block=1,
        cross_attention_dim=8,
        num_attention_heads=2,
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
    )
    tokens = PooledTokens(latent_channels=12, channels=8)
    return SvdDepthNetwork(unet=unet, codec=PatchCodec(factor=2), tokens=tokens).eval()


def estimator(network, *, shots=None, window=4, overlap=1, highest=2.0, device="cpu") -> DepthDiffusion:
    levels = TrainedLevels(steps=3, mean=0.7, std=1.6, highest=highest, lowest=-2.0)
    return DepthDiffusion(
        network=network,
        sampler=EulerSampler(levels=levels, start=WindowStart(known=0.5, new=3.0)),
        shots=shots or OneShot(),
        window=window,
        overlap=overlap,
        pixels=8 * 12,
        device=device,
        name="ours",
    )


@pytest.fixture(scope="module")
def video() -> torch.Tensor:
    sampler = WorldSampler(height=16, width=24, frames=9)
    return torch.cat([film(sampler(seed)) for seed in (1, 2)])


def test_one_map_per_frame_at_its_size(network, video):
    for count in (0, 1, 3, 4, 5, 11):
        maps = list(estimator(network).stream(video[:count], seed=0))
        assert [tuple(values.shape) for values in maps] == [(16, 24)] * count


def test_the_seed_decides(network, video):
    first, again, other = (torch.stack(list(estimator(network).stream(video[:6], seed=s))) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("stopped", [0, 1, 2, 3])
def test_a_stopped_run_goes_on_to_the_same_maps(network, video, tmp_path, stopped, monkeypatch):
    whole = torch.stack(list(estimator(network).resume(video[:11], seed=0, work=tmp_path / "whole")))
    append, calls = WindowStore.append, []

    def stop(self, window):
        if len(calls) == stopped:
            raise KeyboardInterrupt
        calls.append(window)
        append(self, window)

    with monkeypatch.context() as patch:
        patch.setattr(WindowStore, "append", stop)
        maps = estimator(network).resume(video[:11], seed=0, work=tmp_path / "parts")
        with pytest.raises(KeyboardInterrupt):
            list(maps)
    assert len(list((tmp_path / "parts").iterdir())) == stopped
    resumed = torch.stack(list(estimator(network).resume(video[:11], seed=0, work=tmp_path / "parts")))
    assert torch.equal(resumed, whole)
    for number in range(WindowStore(tmp_path / "whole").count):
        name = f"window_{number:06d}.safetensors"
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_finished_windows_are_not_estimated_again(network, video, tmp_path, monkeypatch):
    list(estimator(network).resume(video[:11], seed=0, work=tmp_path))

    def refuse(*inputs):
        raise AssertionError("asked again")

    monkeypatch.setattr(SvdDepthNetwork, "velocity", refuse)
    assert len(list(estimator(network).resume(video[:11], seed=0, work=tmp_path))) == 11


def test_no_window_reaches_across_a_cut(network, video):
    cuts = ShotCuts(least=15.0, ratio=3.0, around=2)
    found = torch.stack(list(estimator(network, shots=cuts).stream(video, seed=0)))
    alone = torch.stack(list(estimator(network).stream(video[:9], seed=0)))
    scale, shift = fit_affine_l1(alone, found[:9], torch.ones_like(alone, dtype=torch.bool))
    torch.testing.assert_close(
        found[:9], scale * alone + shift, rtol=0, atol=1e-5
    )  # a scale and shift of the shot's own
    across = torch.stack(list(estimator(network).stream(video, seed=0)))
    assert not torch.allclose(across[:9], alone, rtol=0, atol=1e-3)


def test_memory_holds_a_window_of_frames(network, video):
    asked = 0

    def frames():
        nonlocal asked
        for frame in video[torch.arange(60) % len(video)]:
            asked += 1
            yield frame

    store_counts = []
    original = WindowStore.append

    def append(self, window):
        store_counts.append(asked - (window.start + len(window.maps)))
        original(self, window)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WindowStore, "append", append)
        assert len(list(estimator(network).stream(frames(), seed=0))) == 60
    assert set(store_counts) == {0}  # windows are estimated as soon as their frames are read


def test_the_fingerprint_tells_settings_and_weights_apart(network):
    first = estimator(network).fingerprint()
    assert first == estimator(network).fingerprint()
    assert first != estimator(network, overlap=2).fingerprint()
    assert first != estimator(network, highest=2.5).fingerprint()
    torch.manual_seed(0)
    with torch.no_grad():
        network.tokens.project.bias[0] += 1
        changed = estimator(network).fingerprint()
        network.tokens.project.bias[0] -= 1
    assert first != changed


def test_the_network_is_moved_to_where_it_runs(network):
    """The meta device stands for a GPU: it needs no hardware."""
    moved = estimator(copy.deepcopy(network), device="meta")
    assert {parameter.device.type for parameter in moved.network.parameters()} == {"meta"}
