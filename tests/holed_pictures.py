"""An inpainting benchmark of two small items in memory, and predictions for it."""

import torch

from turnaround.evaluation.inpainting import InpaintBenchmark
from turnaround.io.image import write_image
from turnaround.metrics.consistency import WarpedError
from turnaround.metrics.image import HoleLpips, HolePsnr, KnownError, Lpips, Psnr
from turnaround.metrics.perceptual import PerceptualDistance
from turnaround.types import InpaintItem, PartialVideo, Pinhole

HEIGHT, WIDTH = 12, 16


def whole_steps(*shape, seed=0):
    """Random colours that 8 bits hold exactly."""
    return torch.randint(20, 200, shape, generator=torch.Generator().manual_seed(seed)) / 255


class Holes:
    """`single`: one picture; `a/pair`: two frames of a still scene with geometry, the first without holes."""

    def __init__(self):
        hole = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.bool)
        hole[:, 4:8, 4:8] = True
        pair_hole = torch.cat([torch.zeros_like(hole), hole])
        counted = torch.ones_like(pair_hole)
        counted[0] = False
        k = torch.tensor([[16.0, 0, 8], [0, 16, 6], [0, 0, 1]]).repeat(2, 1, 1)
        cameras = Pinhole(world_from_cam=torch.eye(4).repeat(2, 1, 1), intrinsics=k, height=HEIGHT, width=WIDTH)
        still = whole_steps(1, 3, HEIGHT, WIDTH, seed=1).repeat(2, 1, 1, 1)
        single = whole_steps(1, 3, HEIGHT, WIDTH)
        self.items = {
            "single": InpaintItem(
                id="single",
                given=PartialVideo(video=torch.where(hole[:, None], 0, single), hole=hole),
                truth=single,
                hole=hole,
                counted=torch.ones_like(hole),
                sources={"left": "left.png"},
            ),
            "a/pair": InpaintItem(
                id="a/pair",
                given=PartialVideo(video=torch.where(pair_hole[:, None], 0, still), hole=pair_hole, cameras=cameras),
                truth=still,
                hole=pair_hole,
                counted=counted,
                depth=torch.full((2, HEIGHT, WIDTH), 2.0),
            ),
        }

    def ids(self):
        return list(self.items)

    def item(self, id):
        return self.items[id]


def make_benchmark(source, weights="nowhere.pth"):
    distance = PerceptualDistance(net="squeeze", weights=str(weights))
    return InpaintBenchmark(
        name="little",
        source=source,
        perceptual=distance,
        metrics=[Psnr(), HolePsnr(), Lpips(distance=distance), HoleLpips(distance=distance), KnownError()],
        consistency_metrics=[WarpedError(tolerance=0.01)],
    )


def write_filled(folder, source, image=lambda truth: truth):
    """As a foreign method would: numbered frames, or one picture of a single one."""
    for id in source.ids():
        video = image(source.item(id).truth)
        if len(video) == 1:
            write_image(folder / f"{id}.png", video[0])
        for number, frame in enumerate(video if len(video) > 1 else ()):
            write_image(folder / id / f"{number:05d}.png", frame)
