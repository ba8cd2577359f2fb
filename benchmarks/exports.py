"""How long an orbit's files take: python benchmarks/exports.py [--size 384] [--frames 120] [--views 25] [--only a,b].

Prints the seconds of each file of configs/exports/default.yaml (with --vr180 of vr180.yaml too), for a procedural world
that is filmed all the way around, and each as a share of what rendering the frames from the cache takes: shares of one
run compare across machines, seconds do not. That is measured on eight frames.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from turnaround.geometry.visibility import seen_from
from turnaround.pipelines.orbit.exports.export import Exports, Setting
from turnaround.pipelines.orbit.frames import without_holes
from turnaround.render.cache import Surfaces, render
from turnaround.render.elements import Edges
from turnaround.scenes.observe import color, surface
from turnaround.scenes.sample import WorldSampler
from turnaround.types import DepthKind, KeyView, OrbitVideo, Pinhole, Provenance, SceneCache, View

SURFACES = Surfaces(edges=Edges(depth_ratio=0.06, stretch=2.5), tolerance=0.05, company=4)
CONFIGS = Path(__file__).parents[1] / "configs"
TIMED = 8  # frames


def finished(size: int, frames: int, views: int) -> tuple[OrbitVideo, SceneCache]:
    """A filmed world and exact key views that show what the first does not, one every so many frames."""
    scene = WorldSampler(height=size, width=size, frames=frames, moving=0.0, paths={"closed_orbit": 1.0})(11)
    assert isinstance(scene.camera, Pinhole)
    cameras = scene.camera
    pictures = [color(scene, frame, samples=1).float() for frame in range(frames)]
    depths = [surface(scene, frame).depth for frame in range(frames)]
    labels, views_made = [], []
    for frame, (image, depth) in enumerate(zip(pictures, depths, strict=True)):
        camera = cameras.at(frame)
        _, seen, _ = seen_from(depth, camera, depths[0], cameras.at(0), tolerance=SURFACES.tolerance)
        label = torch.where(seen, int(Provenance.OBSERVED), int(Provenance.GENERATED)).to(torch.uint8)
        labels.append(label)
        if frame % (frames // views) == 0 and len(views_made) < views:
            view = View(image=image, depth=depth.masked_fill(seen, torch.nan) if frame else depth, camera=camera)
            sure = torch.linspace(0.25, 1, depth.numel()).view(depth.shape)
            views_made.append(KeyView(view=view, label=label, confidence=sure, step=len(views_made)))
    orbit = OrbitVideo(
        video=(255 * torch.stack(pictures)).round() / 255,
        depth=torch.stack(depths),
        label=torch.stack(labels),
        confidence=torch.linspace(0, 1, frames * size * size).view(frames, size, size),
        step=torch.stack(labels).long(),
        cameras=cameras,
    )
    return orbit, SceneCache(views=tuple(views_made))


def exports(name: str, only: str) -> Exports:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("exports/" + name)
    made = instantiate(config).exports
    kept = {key: export for key, export in made.files.items() if not only or key in only.split(",")}
    return Exports(files=kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--views", type=int, default=25)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="names of files in the config, with commas")
    parser.add_argument("--vr180", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    orbit, cache = finished(options.size, options.frames, options.views)
    middle = (cache.views[0].view.depth.median()).double()
    pose = orbit.cameras.world_from_cam[0].double()
    setting = Setting(
        fps=24.0, closed=True, kind=DepthKind.METRIC, pivot=pose[:3, 3] + middle * pose[:3, 2], surfaces=SURFACES
    )
    render(cache, orbit.cameras.at(0), SURFACES)
    started = time.perf_counter()
    for frame in range(0, options.frames, max(options.frames // TIMED, 1)):
        without_holes(render(cache, orbit.cameras.at(frame), SURFACES))
    made = len(range(0, options.frames, max(options.frames // TIMED, 1)))
    rendering = (time.perf_counter() - started) * options.frames / made
    print(f"{options.frames} frames of {options.size} x {options.size}, {len(cache.views)} key views")
    print(f"{'file':<16}{'seconds':>9}{'share':>8}")
    print(f"{'rendering':<16}{rendering:>9.1f}{1:>8.2f}", flush=True)
    with TemporaryDirectory() as folder:
        seconds = exports("vr180" if options.vr180 else "default", options.only).write(
            Path(folder), orbit, cache, setting
        )
    for name, spent in {**seconds, "in all": sum(seconds.values())}.items():
        print(f"{name:<16}{spent:>9.1f}{spent / rendering:>8.2f}")


if __name__ == "__main__":
    main()
