"""Batches of short windows of clips."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from turnaround.datasets.lengths import Lengths, draw_length
from turnaround.types import Clip, ClipSource, DepthBatch, InputError

Frames = tuple[Float[Tensor, "t 3 h w"], Float[Tensor, "t h w"]]  # RGB, and inverse depth with 0 where unknown


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
        _, _, height, width = first_clip(clips, lengths).video.shape
        self.frame_pixels = height * width

    def __getitem__(self, place: tuple[int, int]) -> DepthBatch:
        length, random = draw_length(self.lengths, self.seed, place)
        count = max(self.pixels_per_batch // (length * self.frame_pixels), 1)
        return stack([self._window(random, length) for _ in range(count)])

    def _window(self, random: np.random.Generator, length: int) -> Frames:
        clip = self.clips.clip(self.ids[int(random.integers(len(self.ids)))])
        start = int(random.integers(len(clip.video) - length + 1))
        video, inverse = cut(clip, start, length)
        flips = [axis for axis in (-1, 0) if random.random() < 0.5]
        gain, lift, order = random.uniform(0.7, 1.2), random.uniform(-0.1, 0.1), random.permutation(3)
        return (video[:, order].flip(flips) * gain + lift).clamp(0, 1), inverse.flip(flips)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Where in a clip a window lies, and how it is turned; rows and columns in pixels."""

    clip: str
    start: int
    length: int
    row: int
    column: int
    mirrored: bool
    reversed: bool


@dataclass(frozen=True, kw_only=True)
class Crop:
    """height, width: of what is cut out, in pixels, at multiples of `step`."""

    height: int
    width: int
    step: int


class GridWindows(Dataset):
    """Batches as of `DepthWindows`, of windows from a finite set, so that each comes again: starts are multiples of
    `step` frames, crops lie on a grid, colours stay.

    crop: None for whole frames. Every clip has the frames and the size of the first, or more, which is left out.
    """

    def __init__(
        self,
        *,
        clips: ClipSource,
        lengths: Lengths,
        step: int,
        crop: Crop | None,
        pixels_per_batch: int,
        seed: int,
    ):
        self.clips, self.lengths, self.pixels_per_batch, self.seed = clips, lengths, pixels_per_batch, seed
        self.ids = clips.ids()
        self.first = first_clip(clips, lengths)
        self.frames, _, height, width = self.first.video.shape
        self.step, self.crop = step, crop or Crop(height=height, width=width, step=1)
        self.rows = range(0, height - self.crop.height + 1, self.crop.step)
        self.columns = range(0, width - self.crop.width + 1, self.crop.step)
        if not self.rows or not self.columns:
            found = f"{self.crop.height} x {self.crop.width}"
            raise InputError("crop", expected=f"at most {height} x {width} pixels", found=found, fix="make it smaller")

    def __getitem__(self, place: tuple[int, int]) -> DepthBatch:
        return stack([self.read(window) for window in self.draw(place)])

    def draw(self, place: tuple[int, int]) -> list[Window]:
        """The windows of a batch, without reading any clip."""
        length, random = draw_length(self.lengths, self.seed, place)
        count = max(self.pixels_per_batch // (length * self.crop.height * self.crop.width), 1)
        starts = range(0, self.frames - length + 1, self.step)

        def one_of(values):
            return values[int(random.integers(len(values)))]

        return [
            Window(
                clip=one_of(self.ids),
                start=one_of(starts),
                length=length,
                row=one_of(self.rows),
                column=one_of(self.columns),
                mirrored=bool(random.random() < 0.5),
                reversed=bool(random.random() < 0.5),
            )
            for _ in range(count)
        ]

    def read(self, window: Window) -> Frames:
        clip = self.clips.clip(window.clip)
        kept, found = self.first.video.shape, clip.video.shape
        if any(has < needs for has, needs in zip(found, kept, strict=True)):
            expected, fix = f"at least {_size(kept)}, as the first clip has", "sort the clips by size, or leave it out"
            raise InputError(window.clip, expected=expected, found=_size(found), fix=fix)
        rows = slice(window.row, window.row + self.crop.height)
        columns = slice(window.column, window.column + self.crop.width)
        flips = [axis for axis, turned in ((-1, window.mirrored), (0, window.reversed)) if turned]
        video, inverse = cut(clip, window.start, window.length)
        return video[..., rows, columns].flip(flips), inverse[..., rows, columns].flip(flips)


def first_clip(clips: ClipSource, lengths: Lengths) -> Clip:
    """The first of the clips, once it is known to hold the longest windows."""
    first = clips.clip(clips.ids()[0])
    available = len(first.video)
    if lengths.longest > available:
        expected, fix = f"at most {available} frames, those of a clip", "give shorter windows"
        raise InputError("lengths", expected=expected, found=str(lengths.longest), fix=fix)
    return first


def cut(clip: Clip, start: int, length: int) -> Frames:
    """Some frames of a clip."""
    assert clip.depth is not None
    depth = clip.depth.values[start : start + length]
    inverse = torch.where(depth > 0, 1 / depth, 0.0)  # NaN, unknown, fails the comparison
    return clip.video[start : start + length], inverse


def stack(windows: Sequence[Frames]) -> DepthBatch:
    videos, inverses = zip(*windows, strict=True)
    inverse = torch.stack(inverses)
    return DepthBatch(video=torch.stack(videos), inverse_depth=inverse, valid=inverse > 0)


def _size(shape: torch.Size) -> str:
    frames, _, height, width = shape
    return f"{frames} frames of {height} x {width}"
