"""How much of a picture is what a turn, a shift or a zoom of another one shows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from turnaround.pipelines.mine.following import Follower, Grey, Points

Warp = Float[np.ndarray, "3 3"]
Fit = Callable[[Points, Points], Warp | None]


def similarity(here: Points, there: Points) -> Warp | None:
    """A shift, a zoom and a turn within the picture, as a photo is panned: by RANSAC, within 1 pixel."""
    cv2.setRNGSeed(0)
    found, _ = cv2.estimateAffinePartial2D(here, there, method=cv2.RANSAC, ransacReprojThreshold=1.0)
    return None if found is None else np.concatenate([found, [[0.0, 0.0, 1.0]]])


def homography(here: Points, there: Points) -> Warp | None:
    """As a camera that turns sees anything, or one that moves a plane: by RANSAC, within 1 pixel."""
    cv2.setRNGSeed(0)
    found, _ = cv2.findHomography(here, there, cv2.RANSAC, 1.0)
    return found


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Compares pictures with others that are warped onto them.

    slack: pixels by which a warped picture may be off, tolerance: grey levels by which it may differ beyond that.
    points: least that must be followed for a warp. overlap: least share of the picture it must fill.
    """

    follower: Follower
    slack: float
    tolerance: float
    points: int
    overlap: float

    def missing(self, pictures: Sequence[Grey], fit: Fit) -> float | None:
        """Share of the last picture that the first, warped, does not explain; None where too few points are
        followed or too little of it is filled."""
        here, there, sure = self.follower.through(pictures)
        if sure.sum() < self.points:
            return None
        warp = fit(here[sure], there[sure])
        return None if warp is None else self._unlike(pictures[0], pictures[-1], warp)

    def _unlike(self, first: Grey, last: Grey, warp: Warp) -> float | None:
        size = last.shape[::-1]
        inside = cv2.warpPerspective(np.ones_like(first), warp, size)
        inside = cv2.erode(inside, np.ones((9, 9), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
        if inside.mean() < self.overlap:
            return None
        seen = cv2.GaussianBlur(last.astype(np.float32), (0, 0), 1.5)
        made = cv2.warpPerspective(first.astype(np.float32), warp, size, borderMode=cv2.BORDER_REPLICATE)
        made = cv2.GaussianBlur(made, (0, 0), 1.5)
        made = made * np.median(seen[inside] / np.maximum(made[inside], 1.0))  # exposure
        slope = np.hypot(*(cv2.Sobel(seen, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1))))
        return float((np.abs(made - seen) - self.slack * slope > self.tolerance)[inside].mean())
