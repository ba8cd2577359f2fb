"""Pairs of views of one moment, whole, with their depth and cameras."""

import numpy as np
import torch
from torch.utils.data import Dataset

from turnaround.datasets.drops import drawn
from turnaround.types import Clip, ClipSource, Pinhole, ViewPairBatch

VIEW_PAIRS = 3  # tells these draws from others of (seed, number, process)


class ViewPairBatches(Dataset):
    """Two views, which differ, of each of some clips in which nothing but the camera moves; all of one size.

    Batch n of a process depends on (seed, n, process) alone; it has as many pairs as `pixels_per_batch` holds pictures
    of one view, and at least one.
    """

    def __init__(self, *, clips: ClipSource, pixels_per_batch: int, seed: int):
        self.clips, self.pixels_per_batch, self.seed = clips, pixels_per_batch, seed

    def __getitem__(self, place: tuple[int, int]) -> ViewPairBatch:
        number, process = place
        random = np.random.default_rng([self.seed, number, process, VIEW_PAIRS])
        clips = [drawn(self.clips.ids(), self.clips.clip, random)]
        count = max(self.pixels_per_batch // clips[0].video[0, 0].numel(), 1)
        clips += [drawn(self.clips.ids(), self.clips.clip, random) for _ in range(count - 1)]
        return _stacked([(clip, random.permutation(len(clip.video))[:2].tolist()) for clip in clips])


def _stacked(chosen: list[tuple[Clip, list[int]]]) -> ViewPairBatch:
    pictures, depth, poses, intrinsics = [], [], [], []
    for clip, pair in chosen:
        assert clip.depth is not None
        assert isinstance(clip.cameras, Pinhole)
        pictures.append(clip.video[pair])
        depth.append(clip.depth.values[pair])
        poses.append(clip.cameras.world_from_cam[pair])
        intrinsics.append(clip.cameras.intrinsics[pair])
    return ViewPairBatch(
        pictures=torch.stack(pictures),
        depth=torch.stack(depth),
        world_from_cam=torch.stack(poses),
        intrinsics=torch.stack(intrinsics),
    )
