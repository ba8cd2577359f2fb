"""Procedural clips know their flow, moving bodies included, and a benchmark of them has metrics along it."""

import math

import pytest
import torch

from turnaround.datasets.procedural import ProceduralClips
from turnaround.evaluation.benchmark import Benchmark, FlowSource
from turnaround.evaluation.score import score_prediction
from turnaround.metrics.flow import OpticalWarpingError, RelativeTemporalConsistency
from turnaround.scenes.observe import observe
from turnaround.scenes.sample import WorldSampler

SAMPLER = WorldSampler(height=16, width=24, frames=3, moving=1.0, paths={"static": 1.0})


@pytest.fixture
def clips(tmp_path) -> ProceduralClips:
    return ProceduralClips(sampler=SAMPLER, first=5, count=1, cache=str(tmp_path))


def test_the_flow_is_that_of_the_oracle_and_of_moving_bodies(clips):
    assert isinstance(clips, FlowSource)
    found, expected = clips.backward_flow("00000005"), observe(SAMPLER(5), samples=1).backward
    assert torch.equal(found.pixels, expected.pixels)
    assert torch.equal(found.visible, expected.visible)
    moved = found.pixels.norm(dim=1)
    assert (moved > 0.1).any()  # although the camera stands still, where depth and cameras would give no flow
    assert (moved < 1e-5).any()


def test_a_benchmark_scores_along_it(clips, tmp_path):
    metrics = [OpticalWarpingError(), RelativeTemporalConsistency()]
    benchmark = Benchmark(
        name="little",
        source=clips,
        min_depth=0.1,
        max_depth=80.0,
        alignment=None,
        pooling="frames",
        metrics=[],
        temporal_metrics=[],
        flow_metrics=metrics,
    )
    clip, flow = clips.clip("00000005"), clips.backward_flow("00000005")
    found, meta = score_prediction(benchmark, clip, clip.depth, tmp_path / "a.npz", flow)
    truth = clip.depth.values.double()
    depth, valid = truth.clamp(0.1, 80), (truth > 0.1) & (truth < 80)
    expected = {m.name: m(depth, truth, valid, clip.video, flow).value for m in metrics}
    assert found == pytest.approx(expected, rel=1e-12)
    assert all(math.isfinite(value) for value in found.values())
    assert "flow" not in meta
