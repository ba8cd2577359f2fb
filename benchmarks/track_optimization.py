"""Track optimisation: benchmarks/track_optimization.py [--tracks 2000] [--frames 180] [--steps 10] [--threads 1].

Prints, for the presets of configs/track_optimization on synthetic tracks of known truth: RMS distance of static tracks
to their mean, before, after and as a ratio; the mean error of points before and after, of tracks that stand still, that
go straight and that turn; and seconds. Then seconds of so many steps of Adam with both forms of the static loss, their
ratio (ratios of one run compare across machines, seconds do not) and the largest difference of their points, metres.
"""

import argparse
import time
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from turnaround.geometry.track_losses import (
    OriginDistance,
    PaddedEnds,
    PairwiseStatic,
    Static,
    SummedStatic,
    TrackLosses,
)
from turnaround.geometry.track_optimization import Adam, OptimizedTracks, TrackOptimization
from turnaround.scenes.lifted_tracks import LiftedTracks, LiftedTrackSampler

CONFIGS = Path(__file__).parents[1] / "configs" / "track_optimization"


def preset(name: str, *overrides: str) -> TrackOptimization:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return instantiate(compose(name, list(overrides)))


def timed(run: TrackOptimization, sample: LiftedTracks) -> tuple[OptimizedTracks, float]:
    start = time.perf_counter()
    found = run(sample.lifted, sample.centres, sample.motion)
    return found, time.perf_counter() - start


def errors(world: torch.Tensor, sample: LiftedTracks, visible: torch.Tensor) -> list[float]:
    """Metres, of what stands still, goes straight and turns."""
    distance = (world - sample.truth.world).norm(dim=-1)
    half, quarter = visible.shape[1] // 2, visible.shape[1] // 4
    parts = (slice(0, half), slice(half, half + quarter), slice(half + quarter, None))
    return [distance[:, part][visible[:, part]].mean().item() for part in parts]


def report(name: str, run: TrackOptimization, sample: LiftedTracks) -> str:
    found, seconds = timed(run, sample)
    still = ~sample.moving & found.before.isfinite()
    jitter = [r[still].square().mean().sqrt().item() for r in (found.before, found.after)]
    before = errors(sample.lifted.world, sample, found.tracks.visible)
    after = errors(found.tracks.world, sample, found.tracks.visible)
    pairs = "".join(f"{b:>9.4f}{a:>8.4f}" for b, a in zip(before, after, strict=True))
    return f"{name:<14}{jitter[0]:>8.4f}{jitter[1]:>8.4f}{jitter[0] / jitter[1]:>7.1f}{pairs}{seconds:>8.2f}"


def with_static(static: Static, steps: int, batch: int) -> TrackOptimization:
    losses = TrackLosses(
        static=static,
        ends=PaddedEnds(),
        static_weight=100.0,
        dynamic_weight=100.0,
        regularization=0.1,
        switch=20.0,
        strides=(1, 3, 5),
    )
    return TrackOptimization(losses=losses, solver=Adam(learning_rate=0.05, steps=steps), dilation=5, batch=batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=2000)
    parser.add_argument("--frames", type=int, default=180)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sample = LiftedTrackSampler(frames=options.frames, count=options.tracks)(0)
    print(f"{options.tracks} tracks of {options.frames} frames, {options.threads} threads")
    print(f"{'preset':<14}{'jitter':>16}{'ratio':>7}{'still':>17}{'straight':>17}{'turning':>17}{'seconds':>8}")
    for name in sorted(path.stem for path in CONFIGS.glob("*.yaml")):
        print(report(name, preset(name), sample))
    summed, fast = timed(with_static(SummedStatic(scale=OriginDistance()), options.steps, 250), sample)
    pairwise, slow = timed(with_static(PairwiseStatic(scale=OriginDistance()), options.steps, 20), sample)
    apart = (summed.tracks.world - pairwise.tracks.world).abs().max().item()
    print(
        f"{options.steps} steps: pairwise {slow:.1f} s, summed {fast:.2f} s, ratio {slow / fast:.0f}, apart {apart:.1e}"
    )


if __name__ == "__main__":
    main()
