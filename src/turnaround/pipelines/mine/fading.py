"""Cross-fades: contrast dips everywhere in the picture at once, and what was seen before is not seen after."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Float

from turnaround.pipelines.mine.following import Follower, Grey, Points

BLOCKS = (8, 6)  # of a picture, along x and y


class Glimpse:
    """A small grey picture, and what is asked of it again and again."""

    def __init__(self, picture: Grey):
        self.picture = picture

    @cached_property
    def contrast(self) -> Float[np.ndarray, "y x"]:
        """Mean square of the fine detail in blocks, in grey levels squared."""
        smooth = cv2.GaussianBlur(self.picture.astype(np.float32), (0, 0), 1.0)  # less noise
        detail = smooth - cv2.GaussianBlur(smooth, (0, 0), 6.0)
        return cv2.resize(detail * detail, BLOCKS, interpolation=cv2.INTER_AREA)

    @cached_property
    def brightness(self) -> float:
        return float(self.picture.mean())

    @cached_property
    def described(self) -> tuple[Points, np.ndarray | None]:
        """SIFT points and their descriptors; of the picture twice as large, since it is small."""
        sift = cv2.SIFT.create(nfeatures=300, contrastThreshold=0.01)
        points, descriptors = sift.detectAndCompute(cv2.resize(self.picture, None, fx=2, fy=2), None)
        return np.asarray(cv2.KeyPoint.convert(points), np.float32).reshape(-1, 2), descriptors


@dataclass(frozen=True, kw_only=True)
class FadeMeasure:
    """How much a frame looks like one in the middle of a cross-fade, in [0, 1].

    Of a mix of two pictures that have nothing to do with each other, a A + (1 - a) B, the variance is a^2 var A + (1 -
    a)^2 var B, so half of the mean of the two in the middle (Alattar, Detecting and compressing dissolve regions in
    video sequences, 1993). Movement keeps it, and a change of exposure shows in the mean brightness, which is allowed
    for. The dip is the median over blocks, so that a thing that passes does not count. It is 1 where half is gone, and
    0 where nothing is; times the share of SIFT points that are lost across it. scales: frames to either side. floor:
    least contrast of a block that is looked at, grey levels squared. kept: share of points found again that tells one
    scene. dip: what there must be of it before points are matched, which takes time.
    """

    follower: Follower
    scales: Sequence[int]
    floor: float
    kept: float
    dip: float

    def at(self, glimpses: Sequence[Glimpse], middle: int) -> tuple[float, int]:
        """The largest value over scales, and the least scale that comes near it."""
        within = [scale for scale in self.scales if scale <= middle < len(glimpses) - scale]
        dips = {scale: self._dip(*(glimpses[middle + at] for at in (-scale, 0, scale))) for scale in within}
        values = {0: 0.0}
        for scale, dip in sorted(dips.items(), key=lambda item: -item[1]):
            if dip < max(self.dip, 0.85 * max(values.values())):  # no value is above its dip
                break
            values[scale] = dip * self._lost(glimpses[middle - scale : middle + scale + 1])
        best = max(values.values())
        return best, min(scale for scale, value in values.items() if value >= 0.85 * best)

    def _lost(self, glimpses: Sequence[Glimpse]) -> float:
        kept = found_again(glimpses[0], glimpses[-1])
        if kept < self.kept:  # what turns or shines is no longer matched, but can be followed
            kept = max(kept, self.follower.survival([each.picture for each in glimpses]))
        return 1 - min(kept / self.kept, 1.0)

    def _dip(self, before: Glimpse, middle: Glimpse, after: Glimpse) -> float:
        gain = middle.brightness / max((before.brightness + after.brightness) / 2, 1.0)
        expected = (before.contrast + after.contrast) / 2 * gain**2
        seen = expected > self.floor
        if seen.mean() < 0.25:  # nothing to judge by
            return 0.0
        return float(np.clip(2 * (1 - np.median(middle.contrast[seen] / expected[seen])), 0, 1))


def lasting(fades: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Values of successive frames and their scales, each value the least of it and those beside it: a fade passes
    evenly, so that frames next to its middle look as it does."""
    values = [0.0, *(value for value, _ in fades), 0.0]
    return [(min(values[at : at + 3]), scale) for at, (_, scale) in enumerate(fades)]


def found_again(first: Glimpse, second: Glimpse) -> float:
    """Share of SIFT points, of the picture with fewer, that are matched and agree with one epipolar geometry."""
    (points, one), (others, other) = first.described, second.described
    fewest = min(len(points), len(others))
    if one is None or other is None or fewest < 8:
        return 0.0
    pairs = cv2.BFMatcher().knnMatch(one, other, k=2)
    clear = [best for best, next_best in pairs if best.distance < 0.8 * next_best.distance]  # Lowe 2004
    if len(clear) < 8:
        return 0.0
    here, there = points[[pair.queryIdx for pair in clear]], others[[pair.trainIdx for pair in clear]]
    cv2.setRNGSeed(0)
    _, agrees = cv2.findFundamentalMat(here, there, cv2.FM_RANSAC, 2.0, 0.99)
    return 0.0 if agrees is None else float(agrees.sum()) / fewest
