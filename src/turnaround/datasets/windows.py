"""Batches of short windows of clips."""

import numpy as np
import torch
from torch.utils.data import Dataset

from turnaround.datasets.lengths import Lengths, draw_length
from turnaround.types import ClipSource, DepthBatch, InputError


class DepthWindows(Dataset):
    """Batches of random windows, augmented; batch n of a process depends on (seed, n, process) alone, so training
    resumes exactly.

    All windows of the batches n are equally long, whatever the process, and a batch has as many of them as
    `pixels_per_batch` holds, frames counted in, and at least one: short windows, which cost less and are less alike
    than the frames of a long one, come in larger batches. Windows are mirrored, reversed in time, and change
    brightness, contrast and the order of their colour channels, at random.
    """

    def __init__(self, *, clips: ClipSource, lengths: Lengths, pixels_per_batch: int, seed: int):
        self.clips, self.lengths, self.pixels_per_batch, self.seed = clips, lengths, pixels_per_batch, seed
        self.ids = clips.ids()
        available, _, height, width = clips.clip(self.ids[0]).video.shape
        self.frame_pixels = height * width
        if lengths.longest > available:
            expected, fix = f"at most {available} frames, those of a clip", "give shorter windows"
            raise InputError("lengths", expected=expected, found=str(lengths.longest), fix=fix)

    def __getitem__(self, place: tuple[int, int]) -> DepthBatch:
        length, random = draw_length(self.lengths, self.seed, place)
        count = max(self.pixels_per_batch // (length * self.frame_pixels), 1)
        videos, inverses = zip(*(self._window(random, length) for _ in range(count)), strict=True)
        inverse = torch.stack(inverses)
        return DepthBatch(video=torch.stack(videos), inverse_depth=inverse, valid=inverse > 0)

    def _window(self, random: np.random.Generator, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        clip = self.clips.clip(self.ids[int(random.integers(len(self.ids)))])
        assert clip.depth is not None
        start = int(random.integers(len(clip.video) - length + 1))
        video, depth = clip.video[start : start + length], clip.depth.values[start : start + length]
        if random.random() < 0.5:
            video, depth = video.flip(-1), depth.flip(-1)
        if random.random() < 0.5:
            video, depth = video.flip(0), depth.flip(0)
        gain, lift, order = random.uniform(0.7, 1.2), random.uniform(-0.1, 0.1), random.permutation(3)
        inverse = torch.where(depth > 0, 1 / depth, 0.0)  # NaN, unknown, fails the comparison
        return (video[:, order] * gain + lift).clamp(0, 1), inverse
