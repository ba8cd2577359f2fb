"""The README's picture of the inpainter, from what `eval.py benchmark=inpaint_procedural` predicted.

    python benchmarks/inpaint_picture.py FOLDER_OF_EVAL OUT.png ITEM:FRAME [ITEM:FRAME ...]

A row for each frame: the first view, warped (holes are white), Telea, background stretch, ours, and the truth.
"""

import argparse
from pathlib import Path

import torch

from turnaround.datasets.procedural import ProceduralClips
from turnaround.datasets.view_items import ViewItems
from turnaround.io.image import read_image, write_image
from turnaround.render.elements import Edges
from turnaround.scenes.sample import WorldSampler
from turnaround.scenes.views import ViewSampler
from turnaround.viz.layout import hcat

METHODS = ("telea", "background_stretch", "ours")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("frames", nargs="+")
    options = parser.parse_args()
    worlds = WorldSampler(height=96, width=128, frames=1, seconds=1.0, moving=0.0, paths={"static": 1.0})
    views = ViewSampler(worlds=worlds, eyes=[0.05, 0.08], orbits=4, degrees=[3.0, 45.0], tilt=8.0)
    clips = ProceduralClips(sampler=views, first=0, count=64, cache=".cache/procedural")
    items = ViewItems(clips=clips, edges=Edges(depth_ratio=0.1, stretch=3.0), tolerance=0.02)
    rows = []
    for place in options.frames:
        name, frame = place.split(":")
        item = items.item(f"{int(name):08d}")
        given = item.given.video[int(frame)].masked_fill(item.given.hole[int(frame)], 1.0)
        paths = [options.folder / "predictions" / method / item.id / f"{int(frame):05d}.png" for method in METHODS]
        rows.append(hcat([given, *(read_image(path) for path in paths), item.truth[int(frame)]], gap=2))
    write_image(options.out, torch.cat(rows, dim=1))


if __name__ == "__main__":
    main()
