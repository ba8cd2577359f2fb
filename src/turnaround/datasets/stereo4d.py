"""Clips of Stereo4D's format for training: whole, as windows with depth, and as rectified pairs."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from torch.utils.data import Dataset

from turnaround.datasets.clip_order import ClipOrder, drawn_clip
from turnaround.datasets.drops import DroppedError
from turnaround.datasets.stereo4d_store import ClipStore
from turnaround.datasets.windows import cut, stack
from turnaround.geometry.stereo import disparity_from_depth
from turnaround.types import Clip, ClipSource, DepthBatch, InputError, Pinhole, StereoPair

WINDOWS = 4  # tells these draws from others of (seed, number, process)


class Stereo4DClips:
    """Stretches of the clips: a `ClipSource` with video, cameras, tracks, and the right eye and depth where they are.

    frames: of each stretch, of which every clip gives as many as it holds whole; its id is <name>/<first frame>.
    """

    def __init__(self, *, store: ClipStore, frames: int):
        if frames < 1:
            raise InputError("frames", expected="at least 1", found=str(frames), fix="correct the data's config")
        self.store, self.frames = store, frames

    def ids(self) -> Sequence[str]:
        """InputError: no clip is long enough."""
        return self._ids

    def clip(self, id: str) -> Clip:
        """DroppedError: it cannot serve."""
        name, _, start = id.rpartition("/")
        return self.store.clip(name, range(int(start), int(start) + self.frames))

    @cached_property
    def _ids(self) -> list[str]:
        ids: list[str] = []
        for name in (name for group in self.store.groups() for name in group):
            try:
                starts = range(0, self.store.length(name) - self.frames + 1, self.frames)
            except DroppedError:
                continue
            ids += [f"{name}/{start:06d}" for start in starts]
        if not ids:
            expected = f"clips of {self.frames} frames or more that serve"
            raise InputError("clips", expected=expected, found="none", fix="ask for fewer frames or raise the limits")
        return ids


class Stereo4DWindows(Dataset):
    """Batches of windows with depth, augmented as those of `DepthWindows`; batch n of a process depends on
    (seed, n, process) alone.

    frames: of a window. A batch has as many windows as `pixels_per_batch` holds, frames counted in, and at least one.
    """

    def __init__(
        self,
        *,
        store: ClipStore,
        order: ClipOrder,
        frames: int,
        height: int,
        width: int,
        pixels_per_batch: int,
        seed: int,
    ):
        self.store, self.order, self.frames, self.seed = store, order, frames, seed
        self.count = max(pixels_per_batch // (frames * height * width), 1)

    def __getitem__(self, place: tuple[int, int]) -> DepthBatch:
        random = np.random.default_rng([self.seed, *place, WINDOWS])
        names = self.order.draw(self.store.groups(), place, self.count)
        return stack([self._window(name, random) for name in names])

    def _window(self, name: str, random: np.random.Generator):
        clip = drawn_clip(self.store, name, random, self._read)
        video, inverse = cut(clip, 0, self.frames)
        flips = [axis for axis in (-1, 0) if random.random() < 0.5]
        gain, lift, order = random.uniform(0.7, 1.2), random.uniform(-0.1, 0.1), random.permutation(3)
        return (video[:, order].flip(flips) * gain + lift).clamp(0, 1), inverse.flip(flips)

    def _read(self, name: str, random: np.random.Generator) -> Clip:
        length = self.store.length(name)
        if length < self.frames:
            expected = f"{self.frames} frames or more"
            raise DroppedError(name, expected=expected, found=str(length), fix="ask for fewer frames")
        start = int(random.integers(length - self.frames + 1))
        clip = self.store.clip(name, range(start, start + self.frames))
        if clip.depth is None:
            raise DroppedError(name, expected="a clip with its disparity", found="none", fix="mine with disparity")
        return clip


class Stereo4DStereo:
    """Frames of clips as rectified pairs: a `StereoSource`.

    clips: with the right eye and depth; of each its first frame is taken, so that clips of 1 frame give all. Where no
    disparity is kept, `StereoClips` matches the videos.
    """

    def __init__(self, *, clips: ClipSource):
        self.clips = clips

    def ids(self) -> Sequence[str]:
        return self.clips.ids()

    def pair(self, id: str) -> StereoPair:
        """DroppedError: it cannot serve."""
        clip = self.clips.clip(id)
        if clip.right is None or clip.depth is None or clip.baseline is None or not isinstance(clip.cameras, Pinhole):
            found = "the left eye alone" if clip.right is None else "no disparity"
            expected, fix = "both eyes and their disparity", "give the videos of both eyes, or mine with disparity"
            raise DroppedError(f"clip {id}", expected=expected, found=found, fix=fix)
        disparity = disparity_from_depth(clip.depth.values[:1], clip.cameras.intrinsics[:1].float(), clip.baseline)
        return StereoPair(id=id, left=clip.video[0], right=clip.right[0], disparity=disparity[0])
