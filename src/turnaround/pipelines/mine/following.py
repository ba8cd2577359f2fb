"""Points of small grey pictures, followed from frame to frame, and how a picture turns into another."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

Grey = UInt8[np.ndarray, "h w"]
Points = Float[np.ndarray, "n 2"]  # x, y in pixels, centres of pixels at whole numbers, as OpenCV counts


def grey(frame: Float[Tensor, "3 h w"]) -> Grey:
    """Brightness in 8 bits of RGB in [0, 1]."""
    rgb = (frame.permute(1, 2, 0).clamp(0, 1).numpy() * 255).round().astype(np.uint8)
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


@dataclass(frozen=True, kw_only=True)
class Follower:
    """Pyramidal Lucas-Kanade (Bouguet 2000) of corners (Shi and Tomasi 1994), there and back.

    points: most corners of a picture. spacing: least pixels between them. contrast: least smaller eigenvalue of the
    gradients' matrix over 5 x 5 pixels, in grey levels squared, so that noise has no corners. window: side in
    pixels of what is compared. levels: of the pyramid, beyond the picture itself. back: most pixels between a point
    and where it comes back to. likeness: least correlation of what lies around a point in both pictures.
    """

    points: int
    spacing: float
    contrast: float
    window: int
    levels: int
    back: float
    likeness: float

    def corners(self, picture: Grey) -> Points:
        """The strongest first."""
        smooth = cv2.GaussianBlur(picture, (0, 0), 1.0)
        dx, dy = (cv2.Sobel(smooth, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
        xx, xy, yy = (cv2.blur(product, (5, 5)) for product in (dx * dx, dx * dy, dy * dy))
        strength = (xx + yy) / 2 - np.hypot((xx - yy) / 2, xy)
        found = cv2.goodFeaturesToTrack(
            picture, self.points, 0.001, self.spacing, mask=(strength > self.contrast).astype(np.uint8), blockSize=5
        )
        return np.zeros((0, 2), np.float32) if found is None else found.reshape(-1, 2)

    def follow(self, first: Grey, second: Grey, points: Points) -> tuple[Points, np.ndarray]:
        """Where points of the first picture lie in the second, and whether that is sure."""
        if len(points) == 0:
            return points, np.zeros(0, bool)
        options = {"winSize": (self.window, self.window), "maxLevel": self.levels}
        there, found, _ = cv2.calcOpticalFlowPyrLK(first, second, points, np.empty_like(points), **options)
        back, returned, _ = cv2.calcOpticalFlowPyrLK(second, first, there, np.empty_like(points), **options)
        sure = (found[:, 0] > 0) & (returned[:, 0] > 0) & (np.linalg.norm(back - points, axis=1) < self.back)
        sure[sure] &= self._likeness(first, second, points[sure], there[sure]) > self.likeness
        return there, sure

    def through(self, pictures: Sequence[Grey]) -> tuple[Points, Points, np.ndarray]:
        """Corners of the first picture, where they lie in the last, and whether they were followed all the way and
        still look as they did. Of those that left the picture, nothing is returned."""
        corners = points = self.corners(pictures[0])
        sure, inside = np.ones(len(points), bool), np.ones(len(points), bool)
        edge, far = self.window // 2, np.array(pictures[0].shape[::-1]) - 1 - self.window // 2
        for first, second in pairwise(pictures):
            there, found = self.follow(first, second, points)
            points = np.where((sure & found)[:, None], there, points)
            inside &= ~sure | ((points >= edge) & (points <= far)).all(1)
            sure &= found & inside
        sure[sure] &= self._likeness(pictures[0], pictures[-1], corners[sure], points[sure]) > self.likeness
        return corners[inside], points[inside], sure[inside]

    def survival(self, pictures: Sequence[Grey]) -> float:
        """Share of the first picture's corners, of those that stay in the picture, that reach the last one; 0 where
        there are none."""
        _, _, sure = self.through(pictures)
        return float(sure.mean()) if len(sure) else 0.0

    def _likeness(self, first: Grey, second: Grey, here: Points, there: Points) -> Float[np.ndarray, "n"]:
        """Correlation of the windows around points."""
        one, other = (_windows(picture, at, self.window) for picture, at in ((first, here), (second, there)))
        norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        return (one * other).sum(1) / np.maximum(norms, 1e-6)


def _windows(picture: Grey, points: Points, side: int) -> Float[np.ndarray, "n k"]:
    """What lies around points, less its mean."""
    y, x = np.mgrid[:side, :side].reshape(2, 1, -1).astype(np.float32) - side // 2
    x, y = points[:, :1] + x, points[:, 1:] + y
    found = np.zeros_like(x)
    if len(points):
        found = cv2.remap(picture.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found - found.mean(1, keepdims=True)
