from functools import cache

import pytest
import torch

from turnaround.diffusion.sample import EulerSampler, SingleStepSampler, WindowStart
from turnaround.diffusion.schedule import KarrasLevels, LogNormalSigma
from turnaround.geometry.holes import fill_holes
from turnaround.losses.depth import RelativeError, TemporalGradient, normalize_sequence
from turnaround.nets.codec import PatchCodec
from turnaround.nets.svd import PerFrameUNet, SvdDepthNetwork
from turnaround.nets.tokens import PooledTokens
from turnaround.scenes.observe import film, surface
from turnaround.scenes.sample import WorldSampler
from turnaround.tasks.base import Optimization, Task
from turnaround.tasks.latents import encode_truth
from turnaround.tasks.objectives import Diffusion, SingleStep, SingleStepLatent
from turnaround.tasks.video_depth import VideoDepth
from turnaround.types import Clip, DepthBatch, DepthKind, DepthVideo, InputError

OPTIMIZATION = Optimization(learning_rate=3e-3, weight_decay=0.0, warmup=5, decay_steps=None, final_share=0.1)


def network() -> SvdDepthNetwork:
    torch.manual_seed(0)
    unet = PerFrameUNet(
        in_channels=64,
        out_channels=16,
        down_block_types=("DownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "UpBlockSpatioTemporal"),
        block_out_channels=(32, 32),
        layers_per_block=1,
        cross_attention_dim=8,
        num_attention_heads=2,
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
    )
    return SvdDepthNetwork(unet=unet, codec=PatchCodec(factor=4), tokens=PooledTokens(latent_channels=48, channels=8))


def single_step() -> SingleStep:
    terms = {"relative": RelativeError(weight=1.0, floor=0.25), "temporal": TemporalGradient(weight=0.5)}
    return SingleStep(sampler=SingleStepSampler(sigma=700.0), terms=terms, anchor=0.5)


def diffusion() -> Diffusion:
    levels = KarrasLevels(steps=2, sigma_min=0.002, sigma_max=700.0, rho=7.0)
    sampler = EulerSampler(levels=levels, start=WindowStart(known=700.0, new=700.0))
    return Diffusion(noise=LogNormalSigma(mean=0.7, std=1.6, apart=0.0), sampler=sampler)


def task(objective=None, freeze=(), gradient_checkpointing=False) -> VideoDepth:
    return VideoDepth(
        network=network(),
        objective=objective or single_step(),
        optimization=OPTIMIZATION,
        freeze=freeze,
        gradient_checkpointing=gradient_checkpointing,
        seed=0,
        window=3,
        overlap=1,
        pixels=384,
    )


class Fit(Task):
    """Any network, as small as can be."""

    def __init__(self, **settings):
        super().__init__(optimization=OPTIMIZATION, freeze=[], seed=0, **settings)

    def losses(self, batch, generator):
        return {"fit": self.network(batch).square().mean()}


@cache  # rendering takes three times as long as a step of training
def clip() -> Clip:
    scene = WorldSampler(height=16, width=24, frames=3)(1)
    depth = torch.stack([surface(scene, frame).depth for frame in range(3)])
    return Clip(id="1", video=film(scene), depth=DepthVideo(values=depth, kind=DepthKind.METRIC))


def batch() -> DepthBatch:
    seen = clip()
    inverse = 1 / seen.depth.values
    return DepthBatch(video=seen.video[None], inverse_depth=inverse[None], valid=(inverse > 0)[None])


def total(learner: VideoDepth, step: int = 0) -> torch.Tensor:
    return torch.stack(list(learner.losses(batch(), torch.Generator().manual_seed(step)).values())).sum()


def single_step_latent() -> SingleStepLatent:
    return SingleStepLatent(sampler=SingleStepSampler(sigma=1.0), differences=0.5)


OBJECTIVES = {"single_step": single_step(), "single_step_latent": single_step_latent(), "diffusion": diffusion()}


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_a_clip_is_learned(objective):
    learner = task(objective)
    optimizer = learner.configure_optimizers()["optimizer"]
    before = sum(total(learner, 1000 + i).item() for i in range(8))
    for step in range(60):
        optimizer.zero_grad()
        total(learner, step).backward()
        optimizer.step()
    after = sum(total(learner, 1000 + i).item() for i in range(8))
    assert after < 0.6 * before


def test_the_loss_is_that_of_its_generator():
    learner = task(diffusion())
    assert total(learner, 1).item() == total(learner, 1).item()
    assert total(learner, 1).item() != total(learner, 2).item()


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_unknown_pixels_change_nothing(objective):
    learner, known = task(objective), batch()
    valid = known.valid.clone()
    valid[:, :, :4] = False
    garbage = known.inverse_depth.clone()
    garbage[:, :, :4] = 77.0
    first, second = (
        learner.losses(DepthBatch(video=known.video, inverse_depth=inverse, valid=valid), torch.Generator())
        for inverse in (known.inverse_depth, garbage)
    )
    assert {k: v.item() for k, v in first.items()} == {k: v.item() for k, v in second.items()}


def test_the_encoder_sees_no_holes():
    learner, known = task(), batch()
    valid = known.valid.clone()
    valid[:, :, 5:9, 7:15] = False
    holed = DepthBatch(video=known.video, inverse_depth=torch.where(valid, known.inverse_depth, 0.0), valid=valid)
    seen = learner.network.decode_disparity(encode_truth(learner.network, holed))
    smooth = fill_holes(normalize_sequence(holed.inverse_depth, valid), valid)
    torch.testing.assert_close(seen, smooth, rtol=0, atol=1e-6)
    assert (seen[~valid] > 0.001).all()


def test_freezing_by_name():
    learner = task(freeze=["temporal_res_block"])
    frozen = {name for name, p in learner.network.named_parameters() if not p.requires_grad}
    assert frozen
    assert all("temporal_res_block" in name for name in frozen)
    with pytest.raises(InputError, match="temporal_rez_block"):
        task(freeze=["temporal_rez_block"])


def gradients(learner: VideoDepth) -> tuple[list[torch.Tensor], int]:
    """Of one step, and how many tensors waited for its backward pass."""
    kept: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = total(learner)
    loss.backward()
    return [p.grad for p in learner.network.parameters()], len(kept)


def test_gradient_checkpointing_keeps_the_gradients():
    (expected, whole), (found, kept) = (gradients(task(gradient_checkpointing=switch)) for switch in (False, True))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
    assert kept < whole / 2


def test_a_network_that_cannot_checkpoint_gradients_is_named():
    with pytest.raises(InputError, match=r"task\.gradient_checkpointing: .* found Linear;"):
        Fit(network=torch.nn.Linear(1, 1), gradient_checkpointing=True)


def test_a_single_step_needs_its_sampler():
    with pytest.raises(InputError, match=r"objective\.sampler"):
        SingleStep(sampler=diffusion().sampler, terms={}, anchor=1.0)
    with pytest.raises(InputError, match=r"objective\.sampler"):
        SingleStepLatent(sampler=diffusion().sampler, differences=0.5)


def test_the_rate_warms_up_and_falls_along_a_cosine():
    schedule = Optimization(learning_rate=1.0, weight_decay=0.0, warmup=4, decay_steps=14, final_share=0.1)
    rates = [schedule.rate(step) for step in range(20)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[9] == pytest.approx((1 + 0.1) / 2)
    assert rates[14:] == pytest.approx([0.1] * 6)
    assert OPTIMIZATION.rate(10_000) == 1.0


def test_the_estimator_gives_a_map_per_frame_at_the_frames_size():
    maps = list(task().estimator().stream(torch.rand(5, 3, 21, 37), seed=0))
    assert [values.shape for values in maps] == [(21, 37)] * 5


def test_the_estimators_noise_follows_the_frame():
    estimator = task(diffusion()).estimator()
    video = torch.rand(5, 3, 16, 24)
    first, second = (torch.stack(list(estimator.stream(video, seed=seed))) for seed in (0, 0))
    other = torch.stack(list(estimator.stream(video, seed=1)))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
