"""The orbit for programs: where its pixels came from, depth and masks."""

from pathlib import Path

import torch

from turnaround.io.depth import DepthPngWriter, write_depth_npz
from turnaround.io.image import write_mask
from turnaround.io.npz import write_npz
from turnaround.pipelines.orbit.exports.export import Export, Finished
from turnaround.types import DepthVideo, Provenance


class ProvenanceArrays(Export):
    """`provenance.npz`: `label` [t h w] uint8 (`Provenance`), `confidence` [t h w] float32, `step` [t h w] int16."""

    names = ("provenance.npz",)

    def write(self, out: Path, finished: Finished) -> None:
        orbit = finished.orbit
        arrays = {"label": orbit.label, "confidence": orbit.confidence.float(), "step": orbit.step.to(torch.int16)}
        write_npz(out / "provenance.npz", arrays)


class DepthMaps(Export):
    """`depth.npz`, and `depth/00000.png` and so on: 16 bits, the video's least depth / depth, so bright is near."""

    names = ("depth.npz", "depth/")

    def write(self, out: Path, finished: Finished) -> None:
        depths = finished.orbit.depth
        write_depth_npz(out / "depth.npz", DepthVideo(values=depths, kind=finished.setting.kind))
        nearest = depths[depths > 0].min()
        with DepthPngWriter(out / "depth") as pictures:
            for depth in depths:
                pictures.write(nearest / depth)


class Masks(Export):
    """`masks/00000.png` and so on: 255 where a pixel was generated, else 0."""

    names = ("masks/",)

    def write(self, out: Path, finished: Finished) -> None:
        for number, label in enumerate(finished.orbit.label):
            write_mask(out / "masks" / f"{number:05d}.png", label == int(Provenance.GENERATED))
