from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch
from published_folders import write_svd

from turnaround.datasets.latents import LatentWindows
from turnaround.datasets.lengths import UniformLengths
from turnaround.datasets.mixture import Mixture, Source
from turnaround.datasets.procedural import ProceduralClips
from turnaround.datasets.windows import Crop, DepthWindows, GridWindows
from turnaround.diffusion.sample import EulerSampler, SingleStepSampler, WindowStart
from turnaround.diffusion.schedule import KarrasLevels, LogNormalSigma
from turnaround.nets.codec import PatchCodec, VaeDepthDecoder
from turnaround.nets.published import load_svd
from turnaround.nets.svd import PerFrameUNet, SvdDepthNetwork
from turnaround.nets.tokens import PooledTokens
from turnaround.scenes.sample import WorldSampler
from turnaround.tasks.latents import as_latents, encoder_on
from turnaround.tasks.objectives import Diffusion, SingleStep, SingleStepLatent
from turnaround.types import Condition, InputError, LatentBatch

CPU = torch.device("cpu")
LENGTHS = UniformLengths(least=1, most=4)


def small_network(seed: int = 0, factor: int = 4) -> SvdDepthNetwork:
    torch.manual_seed(seed)
    unet = PerFrameUNet(
        in_channels=4 * factor**2,
        out_channels=factor**2,
        down_block_types=("DownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "UpBlockSpatioTemporal"),
        block_out_channels=(32, 32),
        layers_per_block=1,
        cross_attention_dim=8,
        num_attention_heads=2,
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
    )
    tokens = PooledTokens(latent_channels=3 * factor**2, channels=8)
    return SvdDepthNetwork(unet=unet, codec=PatchCodec(factor=factor), tokens=tokens.requires_grad_(False))


def published_network(folder: Path) -> SvdDepthNetwork:
    return load_svd(path=str(write_svd(folder)), dtype="float32", chunk=8, decoder=VaeDepthDecoder(context=4))


def windows(cache: Path, *, step=2, crop=None, seed=0, height=32, **sampler) -> GridWindows:
    """Of two clips, some of whose pixels have no true depth."""
    clips = ProceduralClips(
        sampler=WorldSampler(height=height, width=48, frames=4, **sampler), first=7, count=2, cache=str(cache)
    )
    pixels = 2 * 4 * height * 48
    return GridWindows(clips=clips, lengths=LENGTHS, step=step, crop=crop, pixels_per_batch=pixels, seed=seed)


def latents(cache: Path, **settings) -> LatentWindows:
    return LatentWindows(windows=windows(cache, **settings), folder=str(cache / "latents"))


def opened(network: SvdDepthNetwork) -> Callable[[], AbstractContextManager]:
    return partial(encoder_on, network, CPU)


def files(cache: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (cache / "latents").rglob("*") if path.is_file()}


OBJECTIVES = {
    "diffusion": Diffusion(
        noise=LogNormalSigma(mean=0.7, std=1.6, apart=0.5),
        sampler=EulerSampler(
            levels=KarrasLevels(steps=2, sigma_min=0.002, sigma_max=700.0, rho=7.0),
            start=WindowStart(known=700.0, new=700.0),
        ),
    ),
    "single step": SingleStepLatent(sampler=SingleStepSampler(sigma=1.0), differences=0.5),
}


def losses(objective, network: SvdDepthNetwork, batch, seed: int) -> dict[str, float]:
    with torch.no_grad():
        found = objective.losses(network, batch, torch.Generator().manual_seed(seed))
    return {name: value.item() for name, value in found.items()}


def rounded(batch: LatentBatch) -> LatentBatch:
    """In bfloat16 and back."""
    video, tokens, disparity = (
        values.bfloat16().float() for values in (batch.condition.latents, batch.condition.tokens, batch.disparity)
    )
    return LatentBatch(condition=Condition(latents=video, tokens=tokens), disparity=disparity, known=batch.known)


@pytest.mark.parametrize("published", [False, True], ids=["small", "published layout"])
def test_losses_from_latents_equal_those_from_pixels(tmp_path, published):
    network = published_network(tmp_path / "svd") if published else small_network()
    crop = Crop(height=16, width=32, step=8)
    kept = latents(tmp_path, crop=crop)
    kept.prepare(opened(network), range(4), process=0)
    turned = set()
    for number in range(4):
        direct, read = kept.windows[number, 0], kept[number, 0]
        turned |= {(window.mirrored, window.reversed) for window in kept.windows.draw((number, 0))}
        encoded = as_latents(network, direct)
        # bfloat16 keeps 8 bits: what is read differs by half of the last of them, 2^-9 of the value
        torch.testing.assert_close(read.disparity, encoded.disparity, rtol=2**-8, atol=1e-5)
        torch.testing.assert_close(read.condition.latents, encoded.condition.latents, rtol=2**-8, atol=1e-5)
        torch.testing.assert_close(read.condition.tokens, encoded.condition.tokens, rtol=2**-8, atol=1e-5)
        assert torch.equal(read.known, encoded.known)
        for objective in OBJECTIVES.values():
            direct_losses, rounded_losses, read_losses = (
                losses(objective, network, batch, number) for batch in (direct, rounded(encoded), read)
            )
            # A sum in another order may round a latent to the next of 256 steps, one cell in thousands.
            assert read_losses == pytest.approx(rounded_losses, rel=1e-3)
            # The rounding is 2^-9 of the latents, which are several times what predictions are off by; squared, twice.
            assert read_losses == pytest.approx(direct_losses, rel=2**-5)
    assert len(turned) == 4, "mirrored and reversed, both, and neither"


def test_an_entry_is_made_once_and_shared_by_all_that_need_it(tmp_path):
    network, kept = small_network(), latents(tmp_path)
    kept.prepare(opened(network), range(6), process=0)
    made = files(tmp_path)
    drawn = [window for number in range(6) for window in kept.windows.draw((number, 0))]
    assert len(made) == len({kept.place(window) for window in drawn}) < len(drawn)
    latents(tmp_path).prepare(opened(small_network()), range(6), process=0)
    assert files(tmp_path) == made
    latents(tmp_path).prepare(opened(network), range(6), process=1)
    assert made.items() <= files(tmp_path).items()


def test_what_was_stopped_goes_on(tmp_path):
    """The encoder dies at the third window; what is made then is the rest, with the bytes of an unbroken run."""
    network = small_network()

    @contextmanager
    def dying():
        with encoder_on(network, CPU) as encoder:
            encode, count = encoder.encode, iter(range(3))

            def dies(batch):
                if next(count) == 2:
                    raise KeyboardInterrupt
                return encode(batch)

            encoder.encode = dies
            yield encoder

    with pytest.raises(KeyboardInterrupt):
        latents(tmp_path).prepare(dying, range(4), process=0)
    begun = files(tmp_path)
    assert len(begun) == 2
    latents(tmp_path).prepare(opened(network), range(4), process=0)
    assert begun.items() < files(tmp_path).items()
    whole = LatentWindows(windows=windows(tmp_path), folder=str(tmp_path / "whole"))
    whole.prepare(opened(network), range(4), process=0)
    for path in files(tmp_path):
        other = tmp_path / "whole" / path.relative_to(tmp_path / "latents")
        assert path.read_bytes() == other.read_bytes()


def changed_tokens() -> SvdDepthNetwork:
    network = small_network()
    network.tokens.project.bias.data[0] += 1e-3
    return network


@pytest.mark.parametrize("other", [changed_tokens, partial(small_network, factor=2)], ids=["weights", "settings"])
def test_latents_of_other_encoders_are_not_read(tmp_path, other):
    first, second = latents(tmp_path), latents(tmp_path)
    first.prepare(opened(small_network()), range(2), process=0)
    made = files(tmp_path)
    second.prepare(opened(other()), [], process=0)
    with pytest.raises(InputError, match=r"\.safetensors: expected latents, which are made before training"):
        second[0, 0]
    second.prepare(opened(other()), range(2), process=0)
    assert made.items() < files(tmp_path).items()
    assert second[0, 0].disparity.shape == as_latents(other(), second.windows[0, 0]).disparity.shape


def test_other_weights_of_the_trained_part_change_nothing(tmp_path):
    latents(tmp_path).prepare(opened(small_network()), range(2), process=0)
    made, trained = files(tmp_path), small_network()
    for parameter in trained.unet.parameters():
        parameter.data += 1
    latents(tmp_path).prepare(opened(trained), range(2), process=0)
    assert files(tmp_path) == made


def test_the_same_weights_from_another_folder_have_the_same_latents(tmp_path):
    prints = {published_network(tmp_path / name).encoder_fingerprint() for name in ("here", "there")}
    assert len(prints) == 1
    other = load_svd(
        path=str(write_svd(tmp_path / "other", seed=5)), dtype="float32", chunk=8, decoder=VaeDepthDecoder(context=4)
    )
    assert other.encoder_fingerprint() not in prints


def test_clips_of_other_settings_do_not_meet(tmp_path):
    first, second = latents(tmp_path), latents(tmp_path, moving=0.9)
    assert first.windows.ids == second.windows.ids
    for kept in (first, second):
        kept.prepare(opened(small_network()), [0], process=0)
    assert not torch.equal(first[0, 0].disparity, second[0, 0].disparity)


def test_trained_encoders_are_refused(tmp_path):
    network = small_network()
    network.tokens.requires_grad_(True)
    with pytest.raises(InputError, match=r"tokens\.project\.weight in training; add '\^tokens\\\.' to task\.freeze"):
        latents(tmp_path).prepare(opened(network), [0], process=0)
    assert not files(tmp_path)


def damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def damage_text(path: Path) -> None:
    path.write_text("latents")


def damage_moved(path: Path) -> None:
    """The file of a window of another length."""
    for other in path.parent.glob("*.safetensors"):
        if other.name.partition("_")[0].partition("+")[2] != path.name.partition("_")[0].partition("+")[2]:
            path.write_bytes(other.read_bytes())
            return
    raise AssertionError("all windows are equally long")


@pytest.mark.parametrize("damage", [damage_cut, damage_text, damage_moved])
def test_a_damaged_file_is_named(tmp_path, damage):
    kept = latents(tmp_path)
    kept.prepare(opened(small_network()), range(8), process=0)
    window = kept.windows.draw((0, 0))[0]
    damage(kept.place(window))
    with pytest.raises(InputError) as caught:
        kept[0, 0]
    line = str(caught.value)
    assert line.startswith(f"{kept.place(window)}: expected ")
    assert "delete it" in line
    assert "\n" not in line


def test_an_objective_that_decodes_refuses_latents(tmp_path):
    network, kept = small_network(), latents(tmp_path)
    kept.prepare(opened(network), [0], process=0)
    objective = SingleStep(sampler=SingleStepSampler(sigma=700.0), terms={}, anchor=1.0)
    with pytest.raises(InputError, match=r"^objective: expected one that compares latents.*found SingleStep"):
        objective.losses(network, kept[0, 0], torch.Generator())


def test_a_mixture_prepares_the_sources_that_need_it(tmp_path):
    network, kept = small_network(), latents(tmp_path)
    pixels = DepthWindows(clips=kept.windows.clips, lengths=LENGTHS, pixels_per_batch=1, seed=0)
    mixed = Mixture(sources={"a": Source(weight=1.0, batches=kept), "b": Source(weight=1.0, batches=pixels)}, seed=0)
    numbers = [number for number in range(12) if mixed.source(number).batches is kept]
    assert 0 < len(numbers) < 12
    mixed.prepare(opened(network), range(12), process=1)
    for number in numbers:
        assert torch.equal(mixed[number, 1].disparity, kept[number, 1].disparity)
    unread = next(n for n in range(100, 200) if any(not kept.place(w).exists() for w in kept.windows.draw((n, 0))))
    with pytest.raises(InputError, match="no such file"):
        kept[unread, 0]
    only_pixels = Mixture(sources={"b": Source(weight=1.0, batches=pixels)}, seed=0)
    only_pixels.prepare(lambda: pytest.fail("nothing is to be encoded"), iter([]), process=0)
