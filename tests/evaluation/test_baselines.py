"""Baselines look at no picture and do what they say."""

import pytest
import torch
from still_clips import HEIGHT, WIDTH, Clips, make_benchmark

from turnaround.evaluation.baselines import ConstantDepth, PlanePrior
from turnaround.evaluation.predict import predict
from turnaround.evaluation.score import score
from turnaround.types import DepthEstimator, InputError


def plane_source() -> Clips:
    """Clips whose disparity is a plane in the image, at scales of their own."""
    source = Clips()
    rows = torch.linspace(0, 1, HEIGHT)[None, :, None].expand(3, HEIGHT, WIDTH)
    for scale, name in ((0.2, "a"), (0.7, "b")):
        source.clip(name).depth.values[:] = 1 / (0.1 + scale * rows)
    source.clip("a").depth.values[0, 0, 0] = torch.nan
    return source


def test_baselines_are_estimators_and_give_one_map_per_frame():
    frames = torch.rand(2, 3, HEIGHT, WIDTH)
    for baseline in (ConstantDepth(), PlanePrior(source=plane_source())):
        assert isinstance(baseline, DepthEstimator)
        assert [depth.shape for depth in baseline.stream(frames, seed=0)] == [(HEIGHT, WIDTH)] * 2


def test_plane_prior_learns_the_floor(tmp_path):
    source = plane_source()
    prior = PlanePrior(source=source)
    # Row centres run from -5/6 to 5/6 while the normalised disparity runs from 0 to 1.
    assert prior.coefficients.tolist() == pytest.approx([0.5, 0, 0.6], abs=1e-5)
    plane = next(iter(prior.stream(torch.rand(1, 3, HEIGHT, WIDTH), seed=0)))
    torch.testing.assert_close(plane[:, 0], torch.linspace(0, 1, HEIGHT), rtol=0, atol=1e-5)
    predict(prior, make_benchmark(source), tmp_path, 0, "settings")
    assert all(row["metrics"]["abs_rel"] < 1e-5 for row in score(make_benchmark(source), tmp_path))


def test_plane_prior_needs_depth_that_varies():
    source = Clips()
    for clip in source.clips.values():
        clip.depth.values[:] = 3.0
    with pytest.raises(InputError, match="plane prior"):
        _ = PlanePrior(source=source).coefficients
