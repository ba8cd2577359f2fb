"""Procedural worlds as clips."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from turnaround.io.atomic import atomic_file
from turnaround.scenes.observe import backward_flow, film, surface
from turnaround.scenes.sample import VERSION, WorldSampler
from turnaround.scenes.views import ViewSampler
from turnaround.types import Clip, DepthKind, DepthVideo, Flow, Pinhole


class ProceduralClips:
    """The clips of seeds first, first + 1, …: a `ClipSource` with 8-bit colour, exact metric depth and cameras.

    Clips are rendered on first use and kept under `cache`, in files named after all that decides their bytes (the
    sampler, the renderer's version, the seed), so that sources with other settings never meet.
    """

    def __init__(self, *, sampler: WorldSampler | ViewSampler, first: int, count: int, cache: str):
        self.sampler, self.first, self.count = sampler, first, count
        settings = json.dumps([VERSION, asdict(sampler)], sort_keys=True)
        self.folder = Path(cache) / hashlib.sha256(settings.encode()).hexdigest()[:16]

    def ids(self) -> Sequence[str]:
        return [f"{seed:08d}" for seed in range(self.first, self.first + self.count)]

    def clip(self, id: str) -> Clip:
        path = self.folder / f"{id}.npz"
        if not path.exists():
            self._render(int(id), path)
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: torch.from_numpy(stored[name]) for name in ("video", "depth", "poses", "intrinsics")}
        height, width = arrays["depth"].shape[1:]
        return Clip(
            id=id,
            video=arrays["video"].float() / 255,
            cameras=Pinhole(
                world_from_cam=arrays["poses"], intrinsics=arrays["intrinsics"], height=height, width=width
            ),
            depth=DepthVideo(values=arrays["depth"], kind=DepthKind.METRIC),
            sources=dict.fromkeys(("video", "cameras", "depth"), f"procedural/{int(id)}"),
        )

    def backward_flow(self, id: str) -> Flow:
        """Exact. It is not kept with the clip, of whose size it would be, since few ask for it."""
        return backward_flow(self.sampler(int(id)))

    def _render(self, seed: int, path: Path) -> None:
        scene = self.sampler(seed)
        assert isinstance(scene.camera, Pinhole)
        video = (film(scene) * 255).round().byte()
        depth = torch.stack([surface(scene, frame).depth for frame in range(len(scene.camera))])
        poses, intrinsics = scene.camera.world_from_cam, scene.camera.intrinsics
        with atomic_file(path) as temporary:
            np.savez(temporary, video=video, depth=depth, poses=poses, intrinsics=intrinsics)
