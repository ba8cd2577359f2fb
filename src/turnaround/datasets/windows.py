"""Batches of short windows of clips."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from turnaround.types import ClipSource, DepthBatch, InputError


class DepthWindows(Dataset):
    """Batches of random windows, augmented; batch n depends on (seed, n) alone, so training resumes exactly.

    batch: windows per batch, all of one length. frames: least and most frames of a window. Windows are mirrored,
    reversed in time, and change brightness, contrast and the order of their colour channels, at random.
    """

    def __init__(self, *, clips: ClipSource, batch: int, frames: Sequence[int], seed: int):
        self.clips, self.batch, self.frames, self.seed = clips, batch, frames, seed
        self.ids = clips.ids()
        longest = len(clips.clip(self.ids[0]).video)
        if not 1 <= frames[0] <= frames[1] <= longest:
            expected = f"1 <= least <= most <= {longest}, the frames of a clip"
            raise InputError("frames", expected=expected, found=str(tuple(frames)), fix="give shorter windows")

    def __getitem__(self, number: int) -> DepthBatch:
        random = np.random.default_rng([self.seed, number])
        count = int(random.integers(self.frames[0], self.frames[1] + 1))
        videos, inverses = zip(*(self._window(random, count) for _ in range(self.batch)), strict=True)
        inverse = torch.stack(inverses)
        return DepthBatch(video=torch.stack(videos), inverse_depth=inverse, valid=inverse > 0)

    def _window(self, random: np.random.Generator, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        clip = self.clips.clip(self.ids[int(random.integers(len(self.ids)))])
        assert clip.depth is not None
        start = int(random.integers(len(clip.video) - count + 1))
        video, depth = clip.video[start : start + count], clip.depth.values[start : start + count]
        if random.random() < 0.5:
            video, depth = video.flip(-1), depth.flip(-1)
        if random.random() < 0.5:
            video, depth = video.flip(0), depth.flip(0)
        gain, lift, order = random.uniform(0.7, 1.2), random.uniform(-0.1, 0.1), random.permutation(3)
        inverse = torch.where(depth > 0, 1 / depth, 0.0)  # NaN, unknown, fails the comparison
        return (video[:, order] * gain + lift).clamp(0, 1), inverse
