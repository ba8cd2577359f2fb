import pytest
import torch

from turnaround.losses.base import masked_mean
from turnaround.losses.depth import normalize_sequence
from turnaround.nets.codec import TemporalVae, TemporalVaeCodec, VaeDepthDecoder
from turnaround.nets.depth_decoder import LightDepthDecoder
from turnaround.nets.svd import PerFrameUNet, SvdDepthNetwork
from turnaround.nets.tokens import PooledTokens
from turnaround.scenes.observe import surface
from turnaround.scenes.sample import WorldSampler
from turnaround.tasks.base import Optimization
from turnaround.tasks.depth_decoder import DepthDecoderTraining
from turnaround.types import DepthBatch, InputError, WeightsNotice

NOTICE = WeightsNotice(name="Stable Video Diffusion", source="svd", licence="its own")


def teacher() -> SvdDepthNetwork:
    torch.manual_seed(0)
    channels = (32, 32, 64, 128)
    vae = TemporalVae(down_block_types=("DownEncoderBlock2D",) * 4, block_out_channels=channels, layers_per_block=1)
    unet = PerFrameUNet(
        in_channels=8,
        out_channels=4,
        down_block_types=("DownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "UpBlockSpatioTemporal"),
        block_out_channels=(32, 32),
        layers_per_block=1,
        cross_attention_dim=8,
        num_attention_heads=2,
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
    )
    codec = TemporalVaeCodec(vae=vae, chunk=8, decoder=VaeDepthDecoder(context=4))
    network = SvdDepthNetwork(unet=unet, codec=codec, tokens=PooledTokens(latent_channels=4, channels=8))
    network.weights = (NOTICE,)
    return network


def task(noise: float = 0.1, channels: int = 64, factor: int = 8, steps: int | None = None) -> DepthDecoderTraining:
    network = LightDepthDecoder(latent_channels=4, factor=factor, channels=channels, blocks=2)
    settings = {"learning_rate": 3e-3, "weight_decay": 0.0, "warmup": 10, "decay_steps": steps, "final_share": 0.02}
    return DepthDecoderTraining(
        network=network,
        teacher=teacher(),
        optimization=Optimization(**settings),
        freeze=[],
        seed=0,
        noise=noise,
        space=0.5,
        time=0.5,
    )


def world(seed: int, height: int = 16, width: int = 24, frames: int = 3) -> DepthBatch:
    scene = WorldSampler(height=height, width=width, frames=frames)(seed)
    depth = torch.stack([surface(scene, frame).depth for frame in range(frames)])[None]
    valid = depth > 0
    inverse = torch.where(valid, 1 / depth, 0.0)
    return DepthBatch(video=torch.zeros(1, frames, 3, height, width), inverse_depth=inverse, valid=valid)


def losses(learner: DepthDecoderTraining, batch: DepthBatch, seed: int = 0) -> dict[str, float]:
    return {name: loss.item() for name, loss in learner.losses(batch, torch.Generator().manual_seed(seed)).items()}


def test_the_noise_is_that_of_the_generator():
    batch, noisy, quiet = world(1), task(noise=0.5), task(noise=0.0)
    assert losses(noisy, batch, 1) == losses(noisy, batch, 1)
    assert losses(noisy, batch, 1) != losses(noisy, batch, 2)
    assert losses(quiet, batch, 1) == losses(quiet, batch, 2)


def test_unknown_pixels_change_nothing():
    batch, learner = world(1), task()
    valid, garbage = batch.valid.clone(), batch.inverse_depth.clone()
    valid[:, :, :4] = False
    garbage[:, :, :4] = 77.0
    first, second = (
        losses(learner, DepthBatch(video=batch.video, inverse_depth=inverse, valid=valid))
        for inverse in (batch.inverse_depth, garbage)
    )
    assert first == second


def test_only_the_decoder_is_trained_and_saved():
    learner = task()
    sum(learner.losses(world(1), torch.Generator()).values()).backward()
    graded = {name for name, parameter in learner.named_parameters() if parameter.grad is not None}
    assert graded == {f"network.{name}" for name, _ in learner.network.named_parameters()}
    assert set(learner.state_dict()) == {f"network.{name}" for name in learner.network.state_dict()}
    assert not any("unet" in name or "tokens" in name for name, _ in learner.named_modules())


def test_its_weights_say_whose_latents_they_read():
    assert task().network.weights == (NOTICE,)


def test_a_teacher_with_other_latents_is_refused():
    with pytest.raises(InputError, match="a factor of 8"):
        task(factor=4)


@pytest.mark.slow
def test_it_learns_to_read_disparity_of_worlds_it_has_not_seen():
    """The teacher is random, so its latents tell little; a constant, the best there is, tells less."""
    steps = 300
    learner = task(steps=steps)
    train, held_out = ([world(seed, 64, 96) for seed in seeds] for seeds in (range(100, 148), range(8)))
    setup = learner.configure_optimizers()
    optimizer, schedule = setup["optimizer"], setup["lr_scheduler"]["scheduler"]
    for step in range(steps):
        batches = [train[(3 * step + i) % len(train)] for i in range(3)]
        parts = {name: torch.cat([getattr(b, name) for b in batches]) for name in ("video", "inverse_depth", "valid")}
        optimizer.zero_grad()
        sum(learner.losses(DepthBatch(**parts), torch.Generator().manual_seed(step)).values()).backward()
        torch.nn.utils.clip_grad_norm_(learner.network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    learner.noise = 0.0
    truths = [normalize_sequence(batch.inverse_depth, batch.valid) for batch in held_out]
    median = torch.cat([truth[b.valid] for truth, b in zip(truths, held_out, strict=True)]).median()
    constant = [masked_mean((t - median).abs(), b.valid).item() for t, b in zip(truths, held_out, strict=True)]
    found = [losses(learner, batch)["absolute"] for batch in held_out]
    print(f"held-out error {sum(found) / 8:.3f}, of the best constant {sum(constant) / 8:.3f}")
    assert sum(found) < 0.7 * sum(constant)
