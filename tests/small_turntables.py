"""A benchmark of one turntable in memory: twelve cameras around a point, 30 degrees apart."""

from dataclasses import replace

import torch
from holed_pictures import whole_steps
from inpainting import camera

from turnaround.evaluation.orbits import OrbitBenchmark
from turnaround.geometry.paths import closed_orbit
from turnaround.metrics.consistency import LoopError
from turnaround.metrics.image import Lpips, Psnr, Ssim
from turnaround.metrics.perceptual import PerceptualDistance
from turnaround.types import Clip, DepthKind, DepthVideo

HEIGHT, WIDTH, FRAMES = 32, 40, 12
EYE, TARGET = (torch.tensor(point, dtype=torch.float64) for point in ([1.0, -1.0, -3.0], [1.0, 0.5, 1.0]))


def turntable(eye=EYE, target=TARGET, frames=FRAMES):
    return replace(camera(HEIGHT, WIDTH, frames), world_from_cam=closed_orbit(eye, target, frames))


class Turntables:
    """`scenes/one`, of random pictures and depths."""

    def __init__(self):
        depth = 2 + torch.rand(FRAMES, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
        clip = Clip(
            id="scenes/one",
            video=whole_steps(FRAMES, 3, HEIGHT, WIDTH),
            cameras=turntable(),
            depth=DepthVideo(values=depth, kind=DepthKind.METRIC),
            sources={"video": "numbers"},
        )
        self.clips = {clip.id: clip}

    def ids(self):
        return list(self.clips)

    def clip(self, id):
        return self.clips[id]


def make_benchmark(source, *, weights="nowhere.pth", angles=(60.0, 135.0, 180.0)):
    distance = PerceptualDistance(net="squeeze", weights=str(weights))
    return OrbitBenchmark(
        name="little",
        source=source,
        angles=list(angles),
        within=8.0,
        perceptual=distance,
        metrics=[Psnr(), Ssim(), Lpips(distance=distance)],
        video_metrics=[LoopError()],
    )
