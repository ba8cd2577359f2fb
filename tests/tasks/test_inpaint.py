from dataclasses import replace

import pytest
import torch
from inpainting import SINGLE_STEP, randomise_output, small_network

from turnaround.datasets.procedural import ProceduralClips
from turnaround.diffusion.sample import EulerSampler, SingleStepSampler, WindowStart
from turnaround.diffusion.schedule import KarrasLevels, LogNormalSigma
from turnaround.losses.image import Regions
from turnaround.render.elements import Edges
from turnaround.scenes.sample import WorldSampler
from turnaround.scenes.views import ViewSampler
from turnaround.tasks.base import Optimization
from turnaround.tasks.inpaint import Inpainting, views_from_first
from turnaround.tasks.inpaint_objectives import InpaintDiffusion, SingleStepInpaint, pictures_of_batch
from turnaround.types import InpaintBatch

EDGES = Edges(depth_ratio=0.1, stretch=3.0)
REGIONS = Regions(hole=1.0, ring=0.3, known=0.1, width=2)
LEVELS = KarrasLevels(steps=2, sigma_min=0.1, sigma_max=10.0, rho=7.0)


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(2, 1, 3, 8, 12, generator=generator)
    inverse = torch.rand(2, 1, 8, 12, generator=generator) + 0.1
    hole = torch.zeros(2, 1, 8, 12, dtype=torch.bool)
    hole[..., 2:5, 3:7] = True
    return InpaintBatch(
        target=target,
        seen=target.masked_fill(hole[:, :, None], 0.0),
        hole=hole,
        valid=torch.ones_like(hole),
        inverse_depth=inverse,
        seen_inverse_depth=inverse.masked_fill(hole, 0.0),
    )


def objectives():
    single = SingleStepInpaint(
        sampler=SingleStepSampler(sigma=SINGLE_STEP),
        regions=REGIONS,
        gradient=1.0,
        scales=2,
        depth=0.5,
        typical=0.1,
        floor=0.01,
    )
    diffusion = InpaintDiffusion(
        noise=LogNormalSigma(mean=0.0, std=1.0, apart=0.0),
        sampler=EulerSampler(levels=LEVELS, start=WindowStart(known=10.0, new=10.0)),
        hole=5.0,
        ring=0.1,
        regions=REGIONS,
    )
    return {"single step": single, "diffusion": diffusion}


@pytest.mark.parametrize("name", ["single step", "diffusion"])
def test_an_objective_falls_when_it_is_followed(name):
    network, objective = small_network(), objectives()[name]
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    values = []
    for _ in range(25):
        losses = objective.losses(network, batch(), torch.Generator().manual_seed(0))
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        values.append(total.item())
    assert values[-1] < 0.8 * values[0]


@pytest.mark.parametrize("name", ["single step", "diffusion"])
def test_what_is_not_true_does_not_count(name):
    """No gradient reaches what the network gives for a cell of which neither colour nor depth is true."""
    network, objective, clean = randomise_output(small_network()), objectives()[name], batch()
    valid, known = clean.valid.clone(), clean.inverse_depth.clone()
    valid[..., 2:4, 4:6], known[..., 2:4, 4:6] = False, 0.0  # a cell of 2 x 2 pixels inside the hole
    given = replace(clean, valid=valid, inverse_depth=known)
    outputs = []

    def keep(module, inputs, output):
        output.retain_grad()
        outputs.append(output)

    network.unet.unet.conv_out.register_forward_hook(keep)
    if name == "single step":
        objective = replace(objective, gradient=0.0)  # differences reach beyond the cell, to what is true
    terms = objective.losses(network, given, torch.Generator().manual_seed(0))
    torch.stack(list(terms.values())).sum().backward()
    (output,) = outputs
    assert set(terms) == ({"color", "gradient", "depth"} if name == "single step" else {"velocity", "depth", "ring"})
    assert (output.grad[:, :, 1, 2] == 0).all()
    assert (output.grad[:, :16, 1, 1] != 0).all()  # what is added; weights of equal fillings do not matter


def test_pictures_carry_disparity_where_the_network_wants_it():
    seen, target, known = pictures_of_batch(small_network(), batch())
    assert seen.shape == target.shape == (2, 1, 4, 8, 12)
    assert seen[:, :, 3].amax() == 1
    assert known.all()
    assert pictures_of_batch(small_network(channels=3), batch())[0].shape[2] == 3


def test_validation_fills_what_the_first_view_does_not_see(tmp_path):
    worlds = WorldSampler(height=24, width=32, frames=1, moving=0.0)
    views = ViewSampler(worlds=worlds, eyes=[0.05, 0.08], orbits=1, degrees=[10.0, 20.0], tilt=3.0)
    clip = ProceduralClips(sampler=views, first=0, count=1, cache=str(tmp_path)).clip("00000000")
    partial = views_from_first(clip, EDGES)
    assert len(partial.video) == 2
    assert torch.equal(partial.cameras.world_from_cam, clip.cameras.world_from_cam[1:])
    known = ~partial.hole
    assert 0 < known.float().mean() < 1
    task = Inpainting(
        network=small_network(),
        objective=objectives()["single step"],
        optimization=Optimization(learning_rate=1e-3, weight_decay=0.0, warmup=1, decay_steps=None, final_share=1.0),
        freeze=[],
        gradient_checkpointing=False,
        seed=0,
        edges=EDGES,
        context=0.5,
        pixels=10**6,
        seam=2,
    )
    task.validation_step(clip, 0)
    filled = task.media()["filled"]
    assert filled.shape == (2, 3, 24, 3 * 32 + 4)
    spread = known[:, None].expand_as(partial.video)
    assert torch.equal(filled[..., 34:66][spread], partial.video[spread])
    assert filled[..., 34:66][~spread].std() > 0
    assert (partial.video - clip.video[1:]).abs().mean(dim=1)[known].median() < 0.03


def test_pictures_count_by_what_is_left_of_the_rough_filling():
    """Twice the contrast, in what is seen and what belongs there, is twice as hard and counts the same."""
    network, objective, one = small_network(channels=3), objectives()["single step"], batch()
    faint = replace(one, seen=one.seen / 2, target=one.target / 2)
    # the first output layer is 0, so what is left is one and the same share
    found = [sum(objective.losses(network, each, torch.Generator()).values()).item() for each in (one, faint)]
    assert found[0] == pytest.approx(found[1], rel=1e-3)  # zeros for noise count for 1 part in 10^4
    assert found[0] > 0.01
