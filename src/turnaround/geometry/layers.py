"""Layers of a depth map, cut where something hides something else; how many there are is decided by the scene.

Layered depth images (Shade et al., SIGGRAPH 1998), with layers from occlusion instead of a fixed number of clusters of
depth: what hides lies in a nearer layer than what it hides, and no more layers are made than the longest chain of
things that hide one another is long (Mirsky, A dual of Dilworth's decomposition theorem, 1971).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import distance_transform_edt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

RUN = 16  # steps of 1 / depth over which what goes on straight is a surface, however steep; blurred edges are shorter
STEADY = 1.5  # how much the largest of them may exceed the smallest
SIDES = 3  # of a square of the least size: what hides something else where it stands on a floor by the fourth


@dataclass(frozen=True, kw_only=True)
class Layers:
    """layer: from 0, the nearest, to count - 1; -1 where depth is unknown. behind: where each layer may go on behind
    nearer ones, to be filled so that one can see around their edges."""

    layer: Int[Tensor, "h w"]
    count: int
    behind: Bool[Tensor, "k h w"]


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """Neighbouring pixels by their row-major index. inverse: 1 / depth, 0 at infinity, NaN unknown. linked: whether
    they lie on one surface. cut: whether both are known and one hides what lies behind it."""

    inverse: np.ndarray
    first: np.ndarray
    second: np.ndarray
    linked: np.ndarray
    cut: np.ndarray


def split_layers(depth: Float[Tensor, "h w"], *, depth_ratio: float, least: int, most: int, reach: int) -> Layers:
    """At most `most` layers of a map of positive depths, infinity allowed; NaN and what is not positive is unknown.

    Neighbours lie on one surface where their depths differ by less than the share `depth_ratio` of the larger, as for
    `render.elements.Edges`, and also where 1 / depth goes on in a straight line, as it does on a plane seen at a
    grazing angle. A surface that hides parts of itself, as all that stands on one floor does, is cut at the depth that
    parts most of the pixels on both sides of its edges. What has fewer than `least` pixels joins the neighbour of the
    closest depth. Two regions that meet at an edge are in different layers unless the chain of regions that hide one
    another is longer than `most`: then consecutive layers of the closest mean 1 / depth become one. Regions that
    neither hide nor are hidden by all layers' go to the one closest in mean 1 / depth. What is infinitely far is the
    last layer. A layer goes on behind nearer pixels at most `reach` pixels from its own that meet them at an edge.
    """
    grid = _grid(depth.detach().cpu().double().numpy(), depth_ratio)
    fewest = SIDES * math.sqrt(least)
    region = _rejoin(grid, _absorb(grid, _regions(grid, fewest), least), fewest)
    rank = _ranks(grid, region)
    layer = np.where(region >= 0, np.append(rank, -1)[region], -1)
    layer, count = _fewer(grid.inverse, layer, most)
    behind = _behind(grid, layer, count, reach, (depth.shape[0], depth.shape[1]))
    place = depth.device
    return Layers(
        layer=torch.from_numpy(layer).view(depth.shape).to(place),
        count=count,
        behind=torch.from_numpy(behind).to(place),
    )


def _grid(depth: np.ndarray, depth_ratio: float) -> _Grid:
    height, width = depth.shape
    index = np.arange(height * width).reshape(height, width)
    depth = np.where(depth > 0, depth, np.nan)
    inverse = 1 / depth
    right, down = _linked(depth, inverse, depth_ratio), _linked(depth.T, inverse.T, depth_ratio).T
    first = np.concatenate([index[:, :-1].ravel(), index[:-1].ravel()])
    second = np.concatenate([index[:, 1:].ravel(), index[1:].ravel()])
    linked = np.concatenate([right.ravel(), down.ravel()])
    known = ~np.isnan(inverse.ravel())
    cut = ~linked & known[first] & known[second]
    return _Grid(inverse=inverse.ravel(), first=first, second=second, linked=linked, cut=cut)


def _linked(depth: np.ndarray, inverse: np.ndarray, depth_ratio: float) -> np.ndarray:
    """[h w-1]: whether each pixel and the next of its row lie on one surface."""
    one, other = depth[:, :-1], depth[:, 1:]
    finite = np.isfinite(one) & np.isfinite(other)
    with np.errstate(invalid="ignore"):
        close = (one == other) | (finite & (np.abs(one - other) < depth_ratio * np.maximum(one, other)))
    return close | (finite & _straight(np.diff(inverse, axis=1)))


def _straight(step: np.ndarray) -> np.ndarray:
    """Whether each step is one of `RUN` in a row that have one sign and nearly one size."""
    straight = np.zeros(step.shape, bool)
    if step.shape[1] >= RUN and len(step):
        runs = sliding_window_view(step, RUN, axis=1)
        low, high = runs.min(-1), runs.max(-1)
        steady = ((low > 0) & (high <= STEADY * low)) | ((high < 0) & (low >= STEADY * high))
        for offset in range(RUN):
            straight[:, offset : offset + steady.shape[1]] |= steady
    return straight


def _regions(grid: _Grid, fewest: float) -> np.ndarray:
    """The region of each pixel, -1 where unknown: connected, and without edges of `fewest` pixels in itself.

    All that is infinitely far is one region.
    """
    linked = grid.linked
    while True:
        region = _connected(grid, linked)
        inside = grid.cut & (region[grid.first] == region[grid.second])
        level = _levels(grid, region, inside, fewest)
        if np.isnan(level).all():
            return region
        nearer = grid.inverse > level[region]
        linked = linked & (nearer[grid.first] == nearer[grid.second])


def _connected(grid: _Grid, linked: np.ndarray) -> np.ndarray:
    pixels = len(grid.inverse)
    pairs = (grid.first[linked], grid.second[linked])
    region = connected_components(csr_array((np.ones(len(pairs[0]), bool), pairs), shape=(pixels, pixels)))[1]
    region = np.where(grid.inverse == 0, pixels, region)
    region = np.where(np.isnan(grid.inverse), -1, region)
    return _numbered(region)


def _numbered(region: np.ndarray) -> np.ndarray:
    """The same regions with numbers from 0 on and none left out; -1 stays."""
    return np.unique(np.append(region, -1), return_inverse=True)[1][:-1] - 1


def _levels(grid: _Grid, region: np.ndarray, inside: np.ndarray, fewest: float) -> np.ndarray:
    """The 1 / depth at which each region is cut, NaN where it stays: it lies between the two pixels of most of the
    edges `inside` it, in the widest such gap."""
    level = np.full(region.max() + 2, np.nan)  # one more for pixels without a region, of index -1
    pairs = np.stack([grid.inverse[grid.first[inside]], grid.inverse[grid.second[inside]]])
    owner = region[grid.first[inside]]
    order = np.argsort(owner, kind="stable")
    owners, start = np.unique(owner[order], return_index=True)
    for number, members in zip(owners, np.split(order, start[1:]), strict=False):
        if len(members) < fewest:
            continue
        ends = np.concatenate([pairs[:, members].min(0), pairs[:, members].max(0)])
        step = np.repeat([1, -1], len(members))
        sequence = np.lexsort((step, ends))
        ends, parted = ends[sequence], np.cumsum(step[sequence])[:-1]
        if parted.max() >= fewest:
            widest = np.argmax(np.where(parted == parted.max(), np.diff(ends), -1))
            level[number] = ends[widest : widest + 2].mean()
    return level


def _absorb(grid: _Grid, region: np.ndarray, least: int) -> np.ndarray:
    """Regions of fewer pixels join the neighbour whose 1 / depth differs least where they meet.

    Those beside large ones go first, to one of these: else the slivers of a blurred edge would become large together.
    """
    size = np.bincount(region[region >= 0], minlength=1)
    sky = np.unique(region[grid.inverse == 0])
    name = np.arange(len(size))
    one, other = region[grid.first], region[grid.second]
    gap = np.abs(grid.inverse[grid.first] - grid.inverse[grid.second])
    meet = (one >= 0) & (other >= 0) & (one != other)
    one, other, gap = one[meet], other[meet], gap[meet]
    one, other, gap = np.concatenate([one, other]), np.concatenate([other, one]), np.tile(gap, 2)
    while True:
        small = np.bincount(name, weights=size, minlength=len(size))[name] < least
        small[np.isin(name, name[sky])] = False
        apart = (name[one] != name[other]) & small[one]
        one, other, gap = one[apart], other[apart], gap[apart]
        if not len(one):
            return _numbered(np.where(region >= 0, name[region], -1))
        beside = ~small[other] if not small[other].all() else np.ones(len(one), bool)
        pairs, which, number = np.unique(
            name[one[beside]] * len(size) + name[other[beside]], return_inverse=True, return_counts=True
        )
        mean = np.bincount(which, weights=gap[beside]) / number
        first, second = pairs // len(size), pairs % len(size)
        order = np.lexsort((second, mean, first))
        joining, chosen = np.unique(first[order], return_index=True)
        joined = (np.ones(len(joining), bool), (joining, second[order][chosen]))
        group = connected_components(csr_array(joined, shape=(len(size), len(size))), directed=False)[1]
        name = group.astype(np.int64)[name]  # pairs of numbers overflow 32 bits


def _rejoin(grid: _Grid, region: np.ndarray, fewest: float) -> np.ndarray:
    """Parts of one surface that were cut and yet hide nothing of each other become one again, along the longest seam
    first. Only then is it known which of the cuts were needed."""
    one, other = region[grid.first], region[grid.second]
    apart = (one >= 0) & (other >= 0) & (one != other)
    name = np.arange(region.max() + 2)  # of a region, after all that was joined; the last is of unknown pixels
    one, other = one[apart], other[apart]
    seam, edge = grid.linked[apart].astype(float), grid.cut[apart].astype(float)
    while True:
        one, other = name[one], name[other]
        keys = np.minimum(one, other) * len(name) + np.maximum(one, other)
        pairs, which = np.unique(keys, return_inverse=True)
        one, other = pairs // len(name), pairs % len(name)
        seam, edge = (np.bincount(which, weights=each) * (one != other) for each in (seam, edge))
        joinable = np.where(edge < fewest, seam, 0)
        if not joinable.any():
            return _numbered(np.where(region >= 0, name[region], -1))
        longest = np.argmax(joinable)
        name[name == other[longest]] = one[longest]


def _ranks(grid: _Grid, region: np.ndarray) -> np.ndarray:
    """For each region how many lie before it in the longest chain of those that hide one another, or as many more as
    the longest of all leaves free and its mean 1 / depth is closer to."""
    known = region >= 0
    number = int(region.max()) + 1
    size = np.bincount(region[known], minlength=number)
    mean = np.bincount(region[known], weights=grid.inverse[known], minlength=number) / np.maximum(size, 1)
    sky = np.unique(region[grid.inverse == 0])
    hides = _hides(grid, region, number, sky)
    order = _front_to_back(hides, mean)
    place = np.argsort(order)
    meets = [csr_array(hides + hides.T)[[each]].indices for each in range(number)]
    low, high = np.zeros(number, int), np.zeros(number, int)
    for each in order:
        low[each] = max((low[near] + 1 for near in meets[each] if place[near] < place[each]), default=0)
    for each in order[::-1]:
        high[each] = min((high[far] - 1 for far in meets[each] if place[far] > place[each]), default=low.max())
    tight = low == high
    weight = np.bincount(low[tight], weights=size[tight])
    middle = np.bincount(low[tight], weights=(size * mean)[tight]) / np.maximum(weight, 1)
    rank = np.zeros(number, int)
    for each in order:
        free = max((rank[near] + 1 for near in meets[each] if place[near] < place[each]), default=0)
        rank[each] = free + np.argmin(np.abs(middle[free : high[each] + 1] - mean[each]))
    return rank


def _hides(grid: _Grid, region: np.ndarray, number: int, sky: np.ndarray) -> csr_array:
    """[n n]: at how many pairs of pixels the one region hides the other; all hide the sky."""
    first, second = grid.first[grid.cut], grid.second[grid.cut]
    nearer = grid.inverse[first] > grid.inverse[second]
    near, far = region[np.where(nearer, first, second)], region[np.where(nearer, second, first)]
    others = np.setdiff1d(np.arange(number), sky)
    near = np.concatenate([near, np.repeat(others, len(sky))])
    far = np.concatenate([far, np.tile(sky, len(others))])
    near, far = near[near != far], far[near != far]
    return csr_array((np.ones(len(near)), (near, far)), shape=(number, number))


def _front_to_back(hides: csr_array, mean: np.ndarray) -> np.ndarray:
    """One order of all regions: each time the one that those left hide least, of equals the nearest.

    Regions that hide each other in a ring have no true order; this one goes against few pixels.
    """
    excess = csr_array((hides - hides.T).maximum(0))
    hidden = excess.sum(axis=0)
    order = []
    for _ in mean:
        candidates = np.flatnonzero(hidden == hidden.min())
        order.append(candidates[np.argmax(mean[candidates])])
        row = excess[[order[-1]]]
        hidden[row.indices] -= row.data
        hidden[order[-1]] = np.inf
    return np.array(order, int)


def _fewer(inverse: np.ndarray, layer: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    known = layer >= 0
    size = np.bincount(layer[known], minlength=1)
    total = np.bincount(layer[known], weights=inverse[known], minlength=1)
    while len(size) > most:
        mean = total / np.maximum(size, 1)
        front = int(np.argmin(np.abs(np.diff(mean))))
        layer = layer - (layer > front)
        size, total = (np.add.reduceat(each, np.delete(np.arange(len(each)), front + 1)) for each in (size, total))
    return layer, len(size)


def _behind(grid: _Grid, layer: np.ndarray, count: int, reach: int, shape: tuple[int, int]) -> np.ndarray:
    first, second = grid.first[grid.cut], grid.second[grid.cut]
    nearer = grid.inverse[first] > grid.inverse[second]
    near, far = np.where(nearer, first, second), np.where(nearer, second, first)
    near, far = near[layer[near] < layer[far]], far[layer[near] < layer[far]]
    behind = np.zeros((count, *shape), bool)
    for number in range(1, count):
        edge = np.ones(len(layer), bool)
        edge[far[layer[far] == number]] = False
        if not edge.all():
            hiding = (layer >= 0) & (layer < number)
            behind[number] = hiding.reshape(shape) & (np.asarray(distance_transform_edt(edge.reshape(shape))) <= reach)
    return behind
