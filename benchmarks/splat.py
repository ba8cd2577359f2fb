"""How fast views are splatted: python benchmarks/splat.py [--size 512] [--threads 2] [--seeds 3].

Prints milliseconds of the PyTorch and the compiled forward splat and of the soft one, for RGB-D views of procedural
worlds and a camera four frames further, and each as a ratio to the compiled one: ratios of one run compare across
machines, milliseconds do not. All run once before they are timed; of five runs the fastest counts.
"""

import argparse
import time
from collections.abc import Callable

import torch

from turnaround.render import fast_splat, splat
from turnaround.render.elements import Edges
from turnaround.scenes.observe import color, surface
from turnaround.scenes.sample import WorldSampler
from turnaround.types import Pinhole, View, Warped

EDGES = Edges(depth_ratio=0.05, stretch=4.0)
SPLATS: dict[str, Callable[[View, Pinhole], Warped]] = {
    "compiled (numba)": lambda view, camera: fast_splat.forward_splat(view, camera, edges=EDGES),
    "PyTorch": lambda view, camera: splat.forward_splat(view, camera, edges=EDGES),
    "soft (PyTorch)": lambda view, camera: splat.soft_splat(view, camera, sharpness=50.0),
}


def view_and_camera(seed: int, size: int) -> tuple[View, Pinhole]:
    scene = WorldSampler(height=size, width=size, frames=5)(seed)
    image, depth = color(scene, 0, samples=1).float(), surface(scene, 0).depth
    assert isinstance(scene.camera, Pinhole)
    return View(image=image, depth=depth, camera=scene.camera.at(0)), scene.camera.at(4)


def milliseconds(run: Callable[[View, Pinhole], Warped], cases: list[tuple[View, Pinhole]]) -> float:
    """The mean over cases of the best of five."""
    run(*cases[0])
    return 1e3 * sum(min(_seconds(run, case) for _ in range(5)) for case in cases) / len(cases)


def _seconds(run: Callable[[View, Pinhole], Warped], case: tuple[View, Pinhole]) -> float:
    start = time.perf_counter()
    run(*case)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cases = [view_and_camera(seed, options.size) for seed in range(options.seeds)]
    print(f"{options.size} x {options.size}, {options.seeds} views, {options.threads} threads")
    print(f"{'splat':<18}{'ms':>8}{'ratio':>8}")
    reference = None
    for name, run in SPLATS.items():
        taken = milliseconds(run, cases)
        reference = reference or taken
        print(f"{name:<18}{taken:>8.1f}{taken / reference:>8.1f}")


if __name__ == "__main__":
    main()
