"""A benchmark of two still scenes in memory, and predictions for it."""

import torch

from turnaround.evaluation.benchmark import Benchmark
from turnaround.io.depth import write_depth_npz
from turnaround.metrics.depth import AbsRel, Delta, Rmse
from turnaround.metrics.temporal import TemporalAlignmentError
from turnaround.types import Clip, DepthKind, DepthVideo, Equirectangular180, Pinhole

HEIGHT, WIDTH = 6, 8


class Clips:
    """Two still scenes in memory, seen by still cameras: a pinhole, and a half sphere, which temporal metrics skip."""

    def __init__(self, frames=3):
        generator = torch.Generator().manual_seed(0)
        still = {name: 2 + 3 * torch.rand(HEIGHT, WIDTH, generator=generator) for name in ("a", "b")}
        k = torch.tensor([[10.0, 0, WIDTH / 2], [0, 10.0, HEIGHT / 2], [0, 0, 1]])
        poses = torch.eye(4).repeat(frames, 1, 1)
        cameras = {
            "a": Pinhole(world_from_cam=poses, intrinsics=k.repeat(frames, 1, 1), height=HEIGHT, width=WIDTH),
            "b": Equirectangular180(world_from_cam=poses, height=HEIGHT, width=WIDTH),
        }
        self.clips = {
            name: Clip(
                id=name,
                video=torch.rand(frames, 3, HEIGHT, WIDTH, generator=generator),
                depth=DepthVideo(values=depth.repeat(frames, 1, 1), kind=DepthKind.METRIC),
                cameras=cameras[name],
            )
            for name, depth in still.items()
        }

    def ids(self):
        return list(self.clips)

    def clip(self, id):
        return self.clips[id]


def make_benchmark(source, **changes):
    settings = {
        "name": "little",
        "source": source,
        "min_depth": 0.1,
        "max_depth": 50.0,
        "alignment": None,
        "pooling": "frames",
        "metrics": [AbsRel(), Rmse(), Delta(power=1)],
        "temporal_metrics": [TemporalAlignmentError(tolerance=0.02)],
        "flow_metrics": [],
    }
    return Benchmark(**(settings | changes))


def write_predictions(folder, source, kind, image=lambda depth: depth):
    folder.mkdir(parents=True)
    for item in source.ids():
        values = image(source.clip(item).depth.values)
        write_depth_npz(folder / f"{item}.npz", DepthVideo(values=values, kind=kind))
