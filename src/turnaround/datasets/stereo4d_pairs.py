"""Pairs of frames with point maps and motion, for networks of two frames (DynaDUSt3R)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.data import Dataset

from turnaround.datasets.clip_order import ClipOrder, drawn_clip
from turnaround.datasets.drops import DroppedError
from turnaround.datasets.stereo4d_store import ClipStore
from turnaround.geometry.point_maps import nearest_points
from turnaround.geometry.projection import unproject
from turnaround.geometry.se3 import invert, transform
from turnaround.types import Clip, InputError, Pinhole, PointMapBatch, Tracks

PAIRS = 6  # tells these draws from others of (seed, number, process)
Points = tuple[Float[Tensor, "h w 3"], Bool[Tensor, "h w"]]  # world points of pixels, and where they are known


@dataclass(frozen=True, kw_only=True)
class FramePair:
    """Frames a and b of a clip, a before b, and the frame `query` between them, whose time is asked for."""

    clip: str
    a: int
    b: int
    query: int

    @property
    def time(self) -> float:
        """0 of a, 1 of b."""
        return (self.query - self.a) / (self.b - self.a)


@runtime_checkable
class PointSource(Protocol):
    """Where points of pixels come from."""

    def points(self, clip: Clip, frame: int) -> Points: ...


@dataclass(frozen=True, kw_only=True)
class TrackPoints:
    """From tracks: sparse, but smooth in time."""

    def points(self, clip, frame):
        tracks, shown = _shown(clip, frame)
        return tracks.world[frame, shown.clamp(min=0)], shown >= 0


@dataclass(frozen=True, kw_only=True)
class DepthPoints:
    """From the depth of the clip: dense where it is known."""

    def points(self, clip, frame):
        if clip.depth is None:
            raise DroppedError(
                f"clip {clip.id}", expected="depth", found="none", fix="mine with disparity, or use tracks"
            )
        cameras, depth = clip.posed_depth()
        world = unproject(depth[frame : frame + 1].double(), cameras.at(frame))[0]
        known = depth[frame].isfinite() & (depth[frame] > 0)
        return world, known


@dataclass(frozen=True, kw_only=True)
class TracksThenDepth:
    """From tracks where there are any, elsewhere from the depth."""

    def points(self, clip, frame):
        of_tracks, tracked = TrackPoints().points(clip, frame)
        of_depth, known = DepthPoints().points(clip, frame)
        return torch.where(tracked[..., None], of_tracks.to(of_depth), of_depth), tracked | known


class Stereo4DPairs(Dataset):
    """Batches of pairs; batch n of a process depends on (seed, n, process) alone.

    apart: the least and the most frames from a to b; the frame that is asked for lies strictly between them. A batch
    has as many pairs as `pixels_per_batch` holds pictures of height x width of one of the two, and at least one.
    Brightness, contrast and the order of colour channels change at random, alike in both pictures.
    """

    def __init__(
        self,
        *,
        store: ClipStore,
        order: ClipOrder,
        points: PointSource,
        apart: Sequence[int],
        height: int,
        width: int,
        pixels_per_batch: int,
        seed: int,
    ):
        if len(apart) != 2 or not 2 <= apart[0] <= apart[1]:
            raise InputError(
                "apart", expected="two numbers of frames, from 2", found=str(list(apart)), fix="correct it"
            )
        self.store, self.order, self.points, self.apart, self.seed = store, order, points, tuple(apart), seed
        self.count = max(pixels_per_batch // (height * width), 1)

    def __getitem__(self, place: tuple[int, int]) -> PointMapBatch:
        random = np.random.default_rng([self.seed, *place, PAIRS])
        names = self.order.draw(self.store.groups(), place, self.count)
        return joined([self._pair(name, random) for name in names])

    def _pair(self, name: str, random: np.random.Generator) -> PointMapBatch:
        batch = drawn_clip(self.store, name, random, self._read)
        gain, lift, order = random.uniform(0.7, 1.2), random.uniform(-0.1, 0.1), random.permutation(3)
        return replace(batch, images=(batch.images[:, :, order] * gain + lift).clamp(0, 1))

    def _read(self, name: str, random: np.random.Generator) -> PointMapBatch:
        pair = draw_pair(name, self.store.length(name), self.apart, random)
        return point_maps(read_pair(self.store, pair), pair.time, self.points)


def draw_pair(clip: str, length: int, apart: Sequence[int], random: np.random.Generator) -> FramePair:
    """Every distance alike, then every place. DroppedError: a clip too short for any."""
    if length <= apart[0]:
        expected = f"more than {apart[0]} frames"
        raise DroppedError(clip, expected=expected, found=str(length), fix="ask for frames that are nearer")
    gap = int(random.integers(apart[0], min(apart[1], length - 1) + 1))
    a = int(random.integers(length - gap))
    return FramePair(clip=clip, a=a, b=a + gap, query=int(random.integers(a + 1, a + gap)))


def fixed_pairs(lengths: Mapping[str, int], *, each: int, apart: Sequence[int], seed: int) -> list[FramePair]:
    """Pairs to test on, `each` of every clip. lengths: frames of each clip.

    The pairs of a clip follow from the seed, its name and its length alone, so that they stay when others are taken
    down. Clips that are too short have none.
    """
    pairs = []
    for name, length in sorted(lengths.items()):
        digest = hashlib.sha256(name.encode()).digest()
        random = np.random.default_rng([seed, int.from_bytes(digest[:8], "big"), PAIRS])
        pairs += [draw_pair(name, length, apart, random) for _ in range(each if length > apart[0] else 0)]
    return pairs


def read_pair(store: ClipStore, pair: FramePair) -> Clip:
    """A clip of the three frames of a pair: a, the one that is asked for, and b."""
    return store.clip(pair.clip, [pair.a, pair.query, pair.b])


def point_maps(clip: Clip, time: float, source: PointSource) -> PointMapBatch:
    """A batch of one. clip: as of `read_pair`. time: of its middle frame. DroppedError: it has no tracks, or no depth
    where that is asked for."""
    cameras = clip.cameras
    if clip.tracks is None or clip.tracks.world.shape[1] == 0 or not isinstance(cameras, Pinhole):
        raise DroppedError(f"clip {clip.id}", expected="tracks and cameras", found="none", fix="choose another source")
    a_from_world = invert(cameras.world_from_cam[:1]).double()
    views = [_view(clip, frame, source, a_from_world) for frame in (0, 2)]
    points, valid, motion, moving = (torch.stack(parts)[None] for parts in zip(*views, strict=True))
    return PointMapBatch(
        images=clip.video[[0, 2]][None],
        points=points,
        valid=valid,
        motion=motion,
        motion_valid=moving,
        time=torch.tensor([time], dtype=torch.float32),
    )


def joined(batches: Sequence[PointMapBatch]) -> PointMapBatch:
    names = [field.name for field in fields(PointMapBatch)]
    return PointMapBatch(**{name: torch.cat([getattr(batch, name) for batch in batches]) for name in names})


def _view(clip: Clip, frame: int, source: PointSource, a_from_world: Float[Tensor, "1 4 4"]) -> tuple[Tensor, ...]:
    """Points, valid, motion, motion_valid of one frame; the query is frame 1."""
    world, valid = source.points(clip, frame)
    tracks, shown = _shown(clip, frame)
    moved = (tracks.world[1] - tracks.world[frame])[shown.clamp(min=0)].double()
    moves = (shown >= 0) & moved.isfinite().all(-1) & valid
    points = transform(a_from_world, world.double().reshape(1, -1, 3)).view_as(world)
    motion = moved @ a_from_world[0, :3, :3].T
    held = [torch.where(mask[..., None], v, 0.0).float() for v, mask in ((points, valid), (motion, moves))]
    return held[0], valid, held[1], moves


def _shown(clip: Clip, frame: int) -> tuple[Tracks, Tensor]:
    """The tracks, and the index of the one each pixel of a frame shows, -1 for none."""
    assert clip.tracks is not None
    assert isinstance(clip.cameras, Pinhole)
    camera, tracks = clip.cameras.at(frame), clip.tracks
    z = transform(invert(camera.world_from_cam).to(tracks.world), tracks.world[frame : frame + 1])[0, :, 2]
    return tracks, nearest_points(tracks.pixels[frame], z, height=camera.height, width=camera.width)
