"""Letters that stand still in the picture: titles, captions, cards."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from turnaround.pipelines.mine.following import Grey


@dataclass(frozen=True, kw_only=True)
class _Pieces:
    """Connected strokes. top, left, height, width: of their boxes. solid: share of their outlines that
    stands still. colour: mean grey level of what lies inside their outlines, or of all where nothing does."""

    left: Float[np.ndarray, "n"]
    top: Float[np.ndarray, "n"]
    width: Float[np.ndarray, "n"]
    height: Float[np.ndarray, "n"]
    solid: Float[np.ndarray, "n"]
    colour: Float[np.ndarray, "n"]


@dataclass(frozen=True, kw_only=True)
class Lettering:
    """Counts strokes that look like letters and stand in rows, at a fixed place over `window` frames.

    No letter is read. Pictures are enlarged so that their longer side is `side`. contrast: grey levels across the
    edge of a letter. smallest, tallest: pixels of its height in the enlarged picture. steady: what an edge that
    stands still keeps of its gradient in the mean over the window. outline: least share of a letter's outline that
    does. row: least letters of a row. shade: most grey levels by which they differ in the mean. variety: least
    coefficient of variation of the widths in a row; tiles and windows are all alike, letters are not.
    """

    window: int
    side: int
    contrast: float
    smallest: float
    tallest: float
    steady: float
    outline: float
    row: int
    shade: float
    variety: float

    def letters(self, pictures: Sequence[Grey]) -> int:
        """The most of any window, bright or dark."""
        starts = range(0, max(len(pictures) - self.window, 0) + 1, max(self.window // 2, 1))
        return max(self._of_window(pictures[start : start + self.window]) for start in starts)

    def _of_window(self, pictures: Sequence[Grey]) -> int:
        scale = self.side / max(pictures[0].shape)
        large = [cv2.resize(each, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) for each in pictures]
        still = self._still(large)
        mean = np.mean(large, axis=0)
        # letters of one text have one colour, so that at some level all of them stand alone
        masks = (side for level in range(16, 256, 16) for side in (mean > level, mean <= level))
        return max(self._in_rows(self._pieces(mask.astype(np.uint8), still, mean)) for mask in masks)

    def _still(self, pictures: Sequence[Grey]) -> Bool[np.ndarray, "h w"]:
        """Where there is an edge at all frames, of one direction."""
        smooth = [cv2.GaussianBlur(each.astype(np.float32), (0, 0), 1.0) for each in pictures]
        slopes = np.stack([[cv2.Sobel(s, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(s, cv2.CV_32F, 0, 1, scale=1 / 8)]
                           for s in smooth])  # fmt: skip
        mean, each = np.hypot(*slopes.mean(0)), np.hypot(slopes[:, 0], slopes[:, 1]).mean(0)
        return (mean > self.steady * each) & (mean > self.contrast / 8)

    def _pieces(
        self, mask: UInt8[np.ndarray, "h w"], still: Bool[np.ndarray, "h w"], mean: Float[np.ndarray, "h w"]
    ) -> _Pieces:
        count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        outline = (mask > 0) & (cv2.erode(mask, np.ones((3, 3), np.uint8)) == 0)
        length = np.bincount(labels[outline], minlength=count)
        standing = np.bincount(labels[outline & still], minlength=count)
        left, top, width, height, area = boxes[1:].T.astype(float)
        solid = (standing / np.maximum(length, 1))[1:]
        weights = np.where(outline, 1e-6, 1.0)
        total = np.bincount(labels.ravel(), weights.ravel(), minlength=count)
        colour = np.bincount(labels.ravel(), (weights * mean).ravel(), minlength=count) / np.maximum(total, 1e-9)
        pieces = _Pieces(left=left, top=top, width=width, height=height, solid=solid, colour=colour[1:])
        fill = area / np.maximum(width * height, 1)
        good = (height >= self.smallest) & (height <= self.tallest) & (width <= 2.5 * height) & (solid >= self.outline)
        good &= (fill > 0.15) & (fill < 0.98)
        return _Pieces(**{name: value[good] for name, value in vars(pieces).items()})

    def _in_rows(self, pieces: _Pieces) -> int:
        """How many stand beside others of about their height, on one line with them."""
        if len(pieces.left) < self.row:
            return 0
        right, bottom = pieces.left + pieces.width, pieces.top + pieces.height
        tall = np.maximum(pieces.height[:, None], pieces.height[None])
        low = np.minimum(pieces.height[:, None], pieces.height[None])
        gap = np.maximum(pieces.left[:, None], pieces.left[None]) - np.minimum(right[:, None], right[None])
        shared = np.minimum(bottom[:, None], bottom[None]) - np.maximum(pieces.top[:, None], pieces.top[None])
        joined = (low > 0.45 * tall) & (gap < 1.2 * tall) & (shared > 0.6 * low)
        joined &= (np.abs(bottom[:, None] - bottom[None]) < 0.2 * tall) | (
            np.abs(pieces.top[:, None] - pieces.top[None]) < 0.2 * tall
        )
        rows = _connected(joined)
        return sum(self._of_row(pieces, rows == row) for row in np.unique(rows))

    def _of_row(self, pieces: _Pieces, members: Bool[np.ndarray, "n"]) -> int:
        """How many there are, where they are as many, as level, as much of one colour and as unlike as letters."""
        count = int(members.sum())
        if count < self.row:
            return 0
        top, width, height, colour = (
            each[members] for each in (pieces.top, pieces.width, pieces.height, pieces.colour)
        )
        tall = np.median(height)
        off = np.minimum(np.abs(top - np.median(top)), np.abs(top + height - np.median(top + height)))
        level = (off < 0.25 * tall).mean() > 0.7
        alike = np.abs(colour - np.median(colour)).mean() < self.shade
        return count if level and alike and width.std() > self.variety * width.mean() else 0


def _connected(joined: Bool[np.ndarray, "n n"]) -> np.ndarray:
    """The least number of those each is joined with, directly or not."""
    names = np.arange(len(joined))
    while True:
        least = np.where(joined, names[None], len(joined)).min(1)
        if (least == names).all():
            return names
        names = least
