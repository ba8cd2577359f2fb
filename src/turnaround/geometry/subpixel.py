"""A flow that is right to about a pixel, made right to a fraction of one (Lucas and Kanade, IJCAI 1981)."""

import cv2
import numpy as np

AROUND = 6.25  # pixels, standard deviation of the Gaussian over which brightness and contrast are evened
FLAT = 0.02  # contrast (of 1) that is taken for noise
REACH = 0.5  # pixels that the horizontal part may move by
TALLEST = 3.0  # pixels that the vertical part may reach


def evened(picture: np.ndarray) -> np.ndarray:
    """[y x] in [0, 1], less its local mean and over its local contrast: the same for eyes of unlike exposure."""
    mean = cv2.GaussianBlur(picture, (0, 0), AROUND)
    variance = cv2.GaussianBlur(picture * picture, (0, 0), AROUND) - mean * mean
    return (picture - mean) / np.sqrt(variance.clip(0) + FLAT**2)


def settled(
    source: np.ndarray, target: np.ndarray, across: np.ndarray, *, window: int, steadiness: float, steps: int
) -> np.ndarray:
    """[2 y x]: where each pixel of one `evened` picture lies in another, from its flow along x alone (NaN: unknown).

    Over windows of `window` x `window` pixels, of which those of unknown flow count nothing, each step solves for
    what makes the pictures alike, (x, y) together. steadiness: of squared gradient; with less x keeps close to what was
    given, and y moves on slowly from 0. Every pixel of a window is looked up by its own flow, so that depth edges stay.
    """
    known = np.isfinite(across)
    given = np.where(known, across, 0).astype(np.float32)
    x, y = given.copy(), np.zeros_like(given)
    columns, rows = np.meshgrid(*(np.arange(size, dtype=np.float32) for size in given.shape[::-1]))
    slopes = [cv2.Sobel(target, cv2.CV_32F, *axes, ksize=3, scale=1 / 8) for axes in ((1, 0), (0, 1))]

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(np.where(known, values, np.float32(0)), -1, (window, window))

    for _ in range(steps):
        there, right, down = (
            cv2.remap(picture, columns + x, rows + y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for picture in (target, *slopes)
        )
        change = there - source
        xx, yy, xy = mean(right * right) + steadiness, mean(down * down) + steadiness, mean(right * down)
        pull_x = mean(right * change) + steadiness * (x - given)
        pull_y = mean(down * change)
        area = xx * yy - xy * xy
        x = (x - (yy * pull_x - xy * pull_y) / area).clip(given - REACH, given + REACH)
        y = (y - (xx * pull_y - xy * pull_x) / area).clip(-TALLEST, TALLEST)
    return np.where(known, np.stack([x, y]), np.float32(np.nan))
