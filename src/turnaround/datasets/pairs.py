"""Pairs that inpainters learn from: pictures with holes and what belongs there, from three kinds of material."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from turnaround.datasets.drops import drawn
from turnaround.datasets.holes import Holes
from turnaround.datasets.realism import Realism
from turnaround.geometry.stereo import view_of_disparity
from turnaround.render.elements import Edges
from turnaround.render.engine import forward_splat
from turnaround.render.reprojection import Lookup, backward_warp
from turnaround.types import Clip, ClipSource, InpaintBatch, InputError, Pair, Pinhole, StereoPair, View, Warped

PAIRS = 2  # tells these draws from others of (seed, number, process)
TRIES = 20  # draws before a source is refused for having no pair with a hole of the stated share


@runtime_checkable
class PairSource(Protocol):
    """Draws pairs; all that is random comes from `random`."""

    def draw(self, random: np.random.Generator) -> Pair: ...


@runtime_checkable
class StereoSource(Protocol):
    """A finite, ordered list of rectified pairs."""

    def ids(self) -> Sequence[str]: ...

    def pair(self, id: str) -> StereoPair: ...


@runtime_checkable
class ViewWarp(Protocol):
    """How one view becomes what another camera sees of it."""

    def __call__(self, view: View, there: View) -> Warped: ...


@dataclass(frozen=True, kw_only=True)
class ForwardWarp:
    """By the depth of the view: all that inference has."""

    edges: Edges

    def __call__(self, view, there):
        return forward_splat(view, there.camera, edges=self.edges)


@dataclass(frozen=True, kw_only=True)
class BackwardWarp:
    """By the depth of the target: without cracks, and holes also where the view would be stretched."""

    lookup: Lookup

    def __call__(self, view, there):
        return backward_warp(view, there.camera, there.depth, lookup=self.lookup)


@dataclass(frozen=True, kw_only=True)
class StereoWarps:
    """(a) Stereo: the left picture, warped by its disparity, with the right one for a target.

    Of the depth of the target what is known is the right eye's disparity.
    """

    pairs: StereoSource
    edges: Edges

    def draw(self, random):
        pair = drawn(self.pairs.ids(), self.pairs.pair, random)
        view, right = view_of_disparity(pair.left, pair.disparity)
        warped = forward_splat(view, right, edges=self.edges)
        width = pair.disparity.shape[1]
        known = torch.full_like(warped.depth, torch.nan) if pair.right_disparity is None else pair.right_disparity
        return pair_of(warped, pair.right, torch.where(known > 0, known / width, 0.0), f"stereo/{pair.id}")


@dataclass(frozen=True, kw_only=True)
class ViewWarps:
    """(b) Posed views with depth: one is warped to another's camera, which is the target.

    Nothing but the camera may move. first, second: which views are taken, None for any; they differ.
    """

    clips: ClipSource
    warp: ViewWarp
    first: int | None
    second: int | None

    def draw(self, random):
        clip = drawn(self.clips.ids(), self.clips.clip, random)
        order = random.permutation(len(clip.video)).tolist()
        first = self.first if self.first is not None else next(frame for frame in order if frame != self.second)
        second = self.second if self.second is not None else next(frame for frame in order if frame != first)
        view, there = view_of(clip, first), view_of(clip, second)
        warped = self.warp(view, there)
        return pair_of(warped, there.image, inverse(there.depth), f"views/{clip.id}/{first}/{second}")


@dataclass(frozen=True, kw_only=True)
class HoledPictures:
    """(c) Any pictures or videos with depth, true or estimated: holes are made in them, and they are the target.

    frames: of each pair; the holes of all its frames are made alike.
    """

    clips: ClipSource
    holes: Holes
    frames: int

    def draw(self, random):
        clip = drawn(self.clips.ids(), self.clips.clip, random)
        start = int(random.integers(len(clip.video) - self.frames + 1))
        views = [view_of(clip, start + index) for index in range(self.frames)]
        warped = self.holes.make(views, random)
        pairs = [pair_of(w, v.image, inverse(v.depth), "") for w, v in zip(warped, views, strict=True)]
        return joined(pairs, f"pictures/{clip.id}/{start}")


class PairBatches(Dataset):
    """Batches of pairs, cropped and augmented; batch n of a process depends on (seed, n, process) alone.

    height, width: of the crops, in pixels; a batch has as many as
    `pixels_per_batch` holds, frames counted in, and at least one. least, most: share of a crop that its holes may
    have. Crops are mirrored, and change brightness, contrast and the order of their colour channels, at random.

    InputError, when a batch is drawn: a source whose pairs are too small, or have no such holes.
    """

    def __init__(
        self,
        *,
        pairs: PairSource,
        realism: Realism,
        height: int,
        width: int,
        pixels_per_batch: int,
        least: float,
        most: float,
        seed: int,
    ):
        self.pairs, self.realism, self.height, self.width = pairs, realism, height, width
        self.pixels_per_batch, self.least, self.most, self.seed = pixels_per_batch, least, most, seed

    def __getitem__(self, place: tuple[int, int]) -> InpaintBatch:
        number, process = place
        random = np.random.default_rng([self.seed, number, process, PAIRS])
        drawn = [self._draw(random)]
        count = self.pixels_per_batch // drawn[0].hole.numel()
        drawn += [self._draw(random) for _ in range(count - 1)]
        names = [field.name for field in fields(InpaintBatch)]
        return InpaintBatch(**{name: torch.stack([getattr(pair, name) for pair in drawn]) for name in names})

    def _draw(self, random: np.random.Generator) -> Pair:
        share = 0.0
        for _ in range(TRIES):
            pair = self.realism.apply(self._cropped(self.pairs.draw(random), random), random)
            share = float(pair.hole.float().mean())
            if self.least <= share <= self.most:
                return recolored(pair, random)
        expected, fix = f"holes of {self.least:.1%} to {self.most:.1%} of a crop", "choose other holes or a larger crop"
        raise InputError(f"pairs, {pair.source}", expected=expected, found=f"{share:.1%} at the last try", fix=fix)

    def _cropped(self, pair: Pair, random: np.random.Generator) -> Pair:
        """A crop around a random pixel of a hole, mirrored half of the time."""
        height, width = pair.hole.shape[-2:]
        if height < self.height or width < self.width:
            expected, found = f"at least {self.height} x {self.width} pixels", f"{height} x {width}"
            raise InputError(f"pairs, {pair.source}", expected=expected, found=found, fix="give a smaller crop")
        places = pair.hole.any(0).nonzero()
        row, column = places[int(random.integers(len(places)))].tolist() if len(places) else (height // 2, width // 2)
        top = int(np.clip(row - random.integers(self.height), 0, height - self.height))
        left = int(np.clip(column - random.integers(self.width), 0, width - self.width))
        rows, columns = slice(top, top + self.height), slice(left, left + self.width)
        flips = [-1] if random.random() < 0.5 else []
        return _mapped(pair, lambda values: values[..., rows, columns].flip(flips))


def recolored(pair: Pair, random: np.random.Generator) -> Pair:
    """Another brightness, contrast and order of channels, the same for what is seen and what is to be found."""
    gain, lift, order = random.uniform(0.7, 1.2), random.uniform(-0.1, 0.1), random.permutation(3)
    target, seen = ((video[:, order] * gain + lift).clamp(0, 1) for video in (pair.target, pair.seen))
    return replace(pair, target=target, seen=seen.masked_fill(pair.hole[:, None], 0.0))


def view_of(clip: Clip, frame: int) -> View:
    """A frame with its depth and camera."""
    assert clip.depth is not None
    assert isinstance(clip.cameras, Pinhole)
    return View(image=clip.video[frame], depth=clip.depth.values[frame], camera=clip.cameras.at(frame))


def inverse(depth: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """1 / metres, 0 where the depth is unknown (NaN or not positive)."""
    return torch.where(depth > 0, 1 / depth, 0.0)


def pair_of(warped: Warped, target: Float[Tensor, "3 h w"], inverse_depth: Float[Tensor, "h w"], source: str) -> Pair:
    """One frame. inverse_depth: of the target, 0 where unknown."""
    return Pair(
        target=target[None],
        seen=warped.image[None, :3],
        hole=warped.hole[None],
        valid=torch.ones_like(warped.hole)[None],
        inverse_depth=inverse_depth[None],
        seen_inverse_depth=inverse(warped.depth)[None],
        source=source,
    )


def joined(pairs: Sequence[Pair], source: str) -> Pair:
    """Frames of one video."""
    names = [field.name for field in fields(Pair) if field.name != "source"]
    return Pair(**{name: torch.cat([getattr(pair, name) for pair in pairs]) for name in names}, source=source)


def _mapped(pair: Pair, change) -> Pair:
    names = [field.name for field in fields(Pair) if field.name != "source"]
    return replace(pair, **{name: change(getattr(pair, name)) for name in names})
