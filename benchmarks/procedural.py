"""How fast procedural worlds are made: python benchmarks/procedural.py [--seeds 6] [--height 128] [--width 192].

Prints frames per second of colour, surface (depth, normals, ids), flow and sampling, for one thread and for all, and
each as a ratio to the surface with one thread: ratios of one run compare across machines, frames per second do not.
"""

import argparse
import time
from collections.abc import Callable

import torch

from turnaround.scenes.observe import color, flow, surface
from turnaround.scenes.sample import WorldSampler
from turnaround.scenes.world import Scene

PARTS: dict[str, Callable[[Scene], object]] = {
    "surface": lambda scene: surface(scene, 0),
    "flow": lambda scene: flow(scene, 0, 1),
    "color, 1 sample": lambda scene: color(scene, 0, samples=1),
    "color, 2 x 2 samples": lambda scene: color(scene, 0, samples=2),
}


def seconds_per_frame(part: Callable[[Scene], object], scenes: list[Scene]) -> float:
    """The mean over scenes of the best of three."""
    return sum(min(_seconds(part, scene) for _ in range(3)) for scene in scenes) / len(scenes)


def _seconds(part: Callable[[Scene], object], scene: Scene) -> float:
    start = time.perf_counter()
    part(scene)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--height", type=int, default=128)
    parser.add_argument("--width", type=int, default=192)
    options = parser.parse_args()
    sampler = WorldSampler(height=options.height, width=options.width, frames=2)
    start = time.perf_counter()
    scenes = [sampler(seed) for seed in range(options.seeds)]
    print(f"sampling: {options.seeds / (time.perf_counter() - start):.0f} worlds/s")

    print(f"\n{options.height} x {options.width}, {options.seeds} worlds")
    print(f"{'part':<22}{'threads':>8}{'frames/s':>10}{'ratio':>8}")
    reference = None
    for threads in sorted({1, torch.get_num_threads()}):
        torch.set_num_threads(threads)
        for name, part in PARTS.items():
            seconds = seconds_per_frame(part, scenes)
            reference = reference or seconds
            print(f"{name:<22}{threads:>8}{1 / seconds:>10.1f}{reference / seconds:>8.2f}")


if __name__ == "__main__":
    main()
