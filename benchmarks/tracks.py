"""How well points are followed on procedural worlds, where they truly are and are hidden: python benchmarks/tracks.py.

Prints, per number of frames from the query, the median and 90th percentile of the error in pixels of samples that are
kept and truly visible; which share of truly visible samples is kept; which share of kept ones is off by more than 3
pixels or hidden; and seconds.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import cv2
import torch
from omegaconf import OmegaConf

from turnaround.geometry.patches import texture
from turnaround.run.build import build_value
from turnaround.scenes.observe import film, surface, track
from turnaround.scenes.sample import WorldSampler
from turnaround.types import Tracks

CONFIG = Path(__file__).parents[1] / "configs" / "tracker" / "lucas_kanade.yaml"
PATHS = {"orbit": 1.0, "dolly": 1.0, "handheld": 1.0}
STRIDE, FAR_OFF, EDGE = 8, 3.0, 5
AFTER = (1, 6, 12, 18, 24)


def worlds(seeds, size, cache):
    """Each with its film, the queries and where they truly go."""
    for seed in seeds:
        scene = WorldSampler(height=size, width=size, frames=25, seconds=1.0, moving=0.5, paths=PATHS)(seed)
        path = cache / f"{size}_{seed}.pt"
        if not path.is_file():
            cache.mkdir(parents=True, exist_ok=True)
            torch.save(film(scene), path)
        line = torch.arange(STRIDE / 2, size, STRIDE) + 0.3
        queries = torch.cartesian_prod(line, line).flip(-1)
        yield scene, torch.load(path, weights_only=True), queries, track(scene, queries.double(), frame=0)


def off_edges(scene, queries):
    """Whether one body alone is seen around each query."""
    ids = surface(scene, 0).ids.float()[None]
    size = 2 * EDGE + 1
    around = [torch.nn.functional.max_pool2d(values, size, 1, EDGE) for values in (ids, -ids)]
    x, y = queries.long().unbind(-1)
    return (around[0] == -around[1])[0, y, x]


def score(name, found, truth, chosen):
    wrong = [(f.pixels - t.pixels).norm(dim=-1)[:, c] for f, t, c in zip(found, truth, chosen, strict=True)]
    kept = [f.visible[:, c] for f, c in zip(found, chosen, strict=True)]
    seen = [t.visible[:, c] for t, c in zip(truth, chosen, strict=True)]

    def total(masks):
        return sum(int(mask[1:].sum()) for mask in masks)

    both = [k & s for k, s in zip(kept, seen, strict=True)]
    far = [k & (w > FAR_OFF) for k, w in zip(kept, wrong, strict=True)]
    hidden = [k & ~s for k, s in zip(kept, seen, strict=True)]
    errors = {n: torch.cat([w[n][b[n]] for w, b in zip(wrong, both, strict=True)]) for n in AFTER}
    quantiles = ", ".join(f"{n}: {e.median():.2f} / {e.quantile(0.9):.2f}" for n, e in errors.items())
    shares = [total(both) / total(seen), total(far) / total(kept), total(hidden) / total(kept)]
    print(f"{name:34} kept {shares[0]:.3f}  off {shares[1]:.3f}  hidden {shares[2]:.3f}  px {quantiles}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4, 5, 6, 7, 8])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--cache", type=Path, default=Path("data/cache/tracks"), help="where films are kept")
    parser.add_argument("--set", nargs="*", default=[], help="settings such as window=15")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    settings = OmegaConf.merge(OmegaConf.load(CONFIG), OmegaConf.from_dotlist(options.set))
    tracker = build_value(OmegaConf.to_container(settings), "tracker")
    made = list(worlds(options.seeds, options.size, options.cache))
    truth: list[Tracks] = [tracks for *_, tracks in made]
    plain = [off_edges(scene, queries) for scene, _, queries, _ in made]
    textured = []
    for _, video, queries, _ in made:
        least, most = texture(video[0] * 255, queries, tracker.window)
        textured.append((least >= tracker.limits.texture) & (least >= tracker.limits.roundness * most))
    for name, used in (("chained", replace(tracker, reach=0.0)), ("anchored", tracker)):
        start = time.perf_counter()
        found = [used.track(video, 0, queries) for _, video, queries, _ in made]
        print(f"{name}: {time.perf_counter() - start:.1f} s for {sum(len(q) for *_, q, _ in made)} points x 25 frames")
        score(f"{name}, all", found, truth, [torch.ones_like(mask) for mask in plain])
        score(f"{name}, textured", found, truth, textured)
        both = [a & b for a, b in zip(plain, textured, strict=True)]
        score(f"{name}, textured, off edges", found, truth, both)


if __name__ == "__main__":
    main()
