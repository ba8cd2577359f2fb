"""The orbit for programs: where its pixels came from, depth, masks, cameras."""

from pathlib import Path

import torch

from turnaround.io.depth import DepthPngWriter, write_depth_npz
from turnaround.io.image import write_mask
from turnaround.io.nerfstudio import PosedFrames, write_transforms
from turnaround.io.npz import write_npz
from turnaround.pipelines.orbit.exports.export import Export, Setting
from turnaround.types import DepthVideo, OrbitVideo, Provenance, SceneCache


class ProvenanceArrays(Export):
    """`provenance.npz`: `label` [t h w] uint8 (`Provenance`), `confidence` [t h w] float32, `step` [t h w] int16."""

    names = ("provenance.npz",)

    def write(self, out: Path, orbit: OrbitVideo, cache: SceneCache, setting: Setting) -> None:
        arrays = {"label": orbit.label, "confidence": orbit.confidence.float(), "step": orbit.step.to(torch.int16)}
        write_npz(out / "provenance.npz", arrays)


class DepthMaps(Export):
    """`depth.npz`, and `depth/00000.png` and so on: 16 bits, the video's least depth / depth, so bright is near."""

    names = ("depth.npz", "depth/")

    def write(self, out: Path, orbit: OrbitVideo, cache: SceneCache, setting: Setting) -> None:
        write_depth_npz(out / "depth.npz", DepthVideo(values=orbit.depth, kind=setting.kind))
        nearest = orbit.depth[orbit.depth > 0].min()
        with DepthPngWriter(out / "depth") as pictures:
            for depth in orbit.depth:
                pictures.write(nearest / depth)


class Masks(Export):
    """`masks/00000.png` and so on: 255 where a pixel was generated, else 0."""

    names = ("masks/",)

    def write(self, out: Path, orbit: OrbitVideo, cache: SceneCache, setting: Setting) -> None:
        for number, label in enumerate(orbit.label):
            write_mask(out / "masks" / f"{number:05d}.png", label == int(Provenance.GENERATED))


class Transforms(Export):
    """`transforms.json`: the cameras of `frames/00000.png` and so on, in nerfstudio's layout."""

    names = ("transforms.json",)

    def write(self, out: Path, orbit: OrbitVideo, cache: SceneCache, setting: Setting) -> None:
        images = [out / "frames" / f"{number:05d}.png" for number in range(len(orbit.video))]
        write_transforms(out / "transforms.json", PosedFrames(images=images, depths=None, cameras=orbit.cameras))
