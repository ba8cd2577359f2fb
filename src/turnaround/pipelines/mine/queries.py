"""Which points of a clip are followed: a grid in every few frames, where no track is yet."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.spatial import KDTree
from torch import Tensor

from turnaround.types import InputError, PixelTracks, PointTracker, Video


@dataclass(frozen=True, kw_only=True)
class QueryGrid:
    """Stereo4D's plan of queries.

    every: frames between key frames, of which frame 0 is the first. stride: pixels between queries. jitter: pixels by
    which each is moved at random, at most, in x and y. apart: pixels that a query must be farther than from every track
    that is visible in its frame. margin: pixels of known depth that a query needs on all sides. least: frames in which
    a track must be visible to be kept. most: tracks in all; the key frame that would go beyond gives a random part of
    its queries, and the later ones none.
    """

    every: int
    stride: int
    jitter: float
    apart: float
    margin: int
    least: int
    most: int

    def __post_init__(self):
        if min(self.every, self.stride, self.most) < 1 or min(self.jitter, self.apart, self.margin) < 0:
            expected = "every, stride and most of at least 1, jitter, apart and margin of at least 0"
            raise InputError("queries", expected=expected, found=repr(self), fix="correct the queries' config")

    def follow(self, video: Video, known: Bool[Tensor, "t h w"], tracker: PointTracker, *, seed: int) -> PixelTracks:
        """Tracks of all queries, in order of key frames. known: where depth is; elsewhere nothing is asked."""
        count, _, height, width = video.shape
        kept = _none(count)
        for frame in range(0, count, self.every):
            random = np.random.default_rng([seed, frame])
            queries = self._free(self._grid(height, width, random), known[frame])
            # The paper follows all queries and prunes their tracks afterwards, in order of key frames. Whether one is
            # kept hangs on its place in its own frame, which is the query itself, and on tracks of earlier key frames,
            # which are known by now. So to prune before tracking keeps the same tracks, and saves following the rest.
            queries = self._apart(queries, kept.pixels[frame][kept.visible[frame]])
            queries = _part(queries, self.most - kept.query.shape[0], random)
            if len(queries):
                found = tracker.track(video, frame, queries)
                kept = _joined(kept, _chosen(found, found.visible.sum(0) >= self.least))
        return kept

    def _grid(self, height: int, width: int, random: np.random.Generator) -> Float[Tensor, "n 2"]:
        x, y = (torch.arange(self.stride / 2, size, self.stride) for size in (width, height))
        grid = torch.cartesian_prod(y, x).flip(-1)
        moved = grid + torch.from_numpy(random.uniform(-self.jitter, self.jitter, tuple(grid.shape))).float()
        last = torch.tensor([math.nextafter(width, 0), math.nextafter(height, 0)]).float() - 0.5
        return moved.clamp(min=torch.full((2,), 0.5), max=last)

    def _free(self, queries: Float[Tensor, "n 2"], known: Bool[Tensor, "h w"]) -> Float[Tensor, "m 2"]:
        """Those with known depth all around. Where two surfaces meet, a tracker may follow the other one, and depth is
        not known or jumps: leave the margin to what the tracker looks at."""
        size = 2 * self.margin + 1
        unknown = (~known)[None].float()
        near = torch.nn.functional.max_pool2d(unknown, size, stride=1, padding=self.margin)[0] > 0
        x, y = queries.long().unbind(-1)
        return queries[~near[y, x]]

    def _apart(self, queries: Float[Tensor, "n 2"], taken: Float[Tensor, "k 2"]) -> Float[Tensor, "m 2"]:
        if not len(taken) or not len(queries):
            return queries
        distance, _ = KDTree(taken.numpy()).query(queries.numpy())
        return queries[torch.from_numpy(distance) > self.apart]


def _part(queries: Float[Tensor, "n 2"], most: int, random: np.random.Generator) -> Float[Tensor, "m 2"]:
    if len(queries) <= most:
        return queries
    return queries[torch.from_numpy(np.sort(random.permutation(len(queries))[:most]))]


def _none(frames: int) -> PixelTracks:
    return PixelTracks(
        pixels=torch.zeros(frames, 0, 2),
        visible=torch.zeros(frames, 0, dtype=torch.bool),
        query=torch.zeros(0, dtype=torch.long),
    )


def _chosen(tracks: PixelTracks, chosen: Bool[Tensor, "n"]) -> PixelTracks:
    return PixelTracks(pixels=tracks.pixels[:, chosen], visible=tracks.visible[:, chosen], query=tracks.query[chosen])


def _joined(first: PixelTracks, second: PixelTracks) -> PixelTracks:
    return PixelTracks(
        pixels=torch.cat([first.pixels, second.pixels], dim=1),
        visible=torch.cat([first.visible, second.visible], dim=1),
        query=torch.cat([first.query, second.query]),
    )
