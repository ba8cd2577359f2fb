"""Disparity of rectified pairs by semi-global matching (Hirschmüller, PAMI 2008) with OpenCV's SGBM."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.matching import matched_offsets
from turnaround.geometry.subpixel import evened, settled
from turnaround.types import InputError

METHOD = "OpenCV SGBM, HH, block 5, left-right check"  # what `estimated_disparity` is, for whoever names sources
BLOCK, STEP = 5, 16  # its window, and what a range of SGBM is a multiple of
UNITS = 16  # SGBM's numbers per pixel
LEAST_SIDE = 32  # pixels of a picture
COARSE, SPARE = 4, 2  # pixels of the picture per pixel of the first look, and what its range is widened by, in these
FEW = 64  # pixels of the first look that match, below which it tells nothing
INSIDE = (0.005, 0.995)  # quantiles of what the first look finds


@dataclass(frozen=True, kw_only=True)
class SemiGlobal:
    """A `DisparityEstimator`: semi-global matching on a finer grid, both ways, then a step of Lucas and Kanade.

    least, most: the disparities looked for, in shares of the picture's width; far points of rigs that are not quite
    parallel fall below 0. A first look at a quarter of the size narrows this range, and says by which factor the right
    picture is darker. finer: columns that a pixel is split into, since SGBM prefers whole columns. block: side of its
    window in pixels of that grid. bend, jump: cost of a step of one column between neighbours, and of a larger one, per
    pixel of the window. uniqueness: percent by which the best must win. speckle: pixels of that grid in the least patch
    of like disparity that is kept. window, steadiness, steps: of `subpixel.settled`, which also finds the vertical
    part, to which SGBM is blind.
    """

    least: float
    most: float
    finer: int
    block: int
    bend: int
    jump: int
    uniqueness: int
    speckle: int
    window: int
    steadiness: float
    steps: int
    name = "semi_global"
    weights = ()

    def __post_init__(self):
        if not -1 < self.least < self.most <= 1:
            expected, found = "-1 < least < most <= 1", f"{self.least:g} and {self.most:g}"
            raise InputError("range of disparity", expected=expected, found=found, fix="correct the estimator's config")

    def fingerprint(self) -> str:
        return repr(self)

    def match(
        self, left: Float[Tensor, "3 h w"], right: Float[Tensor, "3 h w"]
    ) -> tuple[Float[Tensor, "2 h w"], Float[Tensor, "2 h w"]]:
        """As the protocol says, on the CPU. Neither way is checked by the other. Where a picture has no texture above
        and below a pixel its vertical part is 0: nothing there speaks against the match."""
        grey = [picture.detach().float().cpu().mean(0).numpy() for picture in (left, right)]
        if min(grey[0].shape) < LEAST_SIDE:
            expected, found = f"sides of at least {LEAST_SIDE} pixels", f"{left.shape[2]} x {left.shape[1]}"
            raise InputError("pictures of a pair", expected=expected, found=found, fix="give larger ones")
        low, high, gain = self._first_look(grey[0], grey[1])
        bytes_ = [_bytes(grey[0]), _bytes(grey[1] * gain)]
        even = [evened(picture) for picture in grey]
        forth = self._disparity(bytes_[0], bytes_[1], low, high)
        back = _mirrored(self._disparity(_mirrored(bytes_[1]), _mirrored(bytes_[0]), low, high))
        flows = [
            settled(even[a], even[b], flow, window=self.window, steadiness=self.steadiness, steps=self.steps)
            for a, b, flow in ((0, 1, -forth), (1, 0, back))
        ]
        return torch.from_numpy(flows[0]).to(left), torch.from_numpy(flows[1]).to(left)

    def _first_look(self, left: np.ndarray, right: np.ndarray) -> tuple[float, float, float]:
        """Least and most disparity in pixels, and what the right picture is to be multiplied by."""
        width = left.shape[1]
        size = (width // COARSE, left.shape[0] // COARSE)
        scale = width / size[0]
        small = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in (left, right)]
        even = [_bytes(0.5 + evened(picture) / 6) for picture in small]
        low, high = self.least * size[0], self.most * size[0]
        forth = self._steps(even[0], even[1], low, high, speckle=self.speckle // COARSE**2)
        back = _mirrored(self._steps(_mirrored(even[1]), _mirrored(even[0]), low, high, speckle=0))
        place = np.arange(size[0]) - forth
        column = np.nan_to_num(place, nan=-1).round().astype(int)
        other = np.take_along_axis(back, column.clip(0, size[0] - 1), axis=1)
        agrees = (abs(other - forth) <= 1) & (column >= 0) & (column < size[0])
        if agrees.sum() < FEW:
            return self.least * width, self.most * width, 1.0
        found = np.quantile(forth[agrees], INSIDE)
        seen = np.take_along_axis(small[1], column.clip(0, size[0] - 1), axis=1)[agrees]
        gain = float(np.median((small[0][agrees] + 0.01) / (seen + 0.01)))
        low, high = max(found[0] - SPARE, low), min(found[1] + SPARE, high)
        return float(low * scale), float(high * scale), gain

    def _disparity(self, left: np.ndarray, right: np.ndarray, low: float, high: float) -> np.ndarray:
        """Of the left picture, matched on the finer grid; unknown where the columns of a pixel differ by more than it
        is wide."""
        height, width = left.shape
        size = (width * self.finer, height)
        fine = [cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC) for picture in (left, right)]
        steps = self._steps(fine[0], fine[1], low * self.finer, high * self.finer, speckle=self.speckle)
        columns = np.stack([steps[:, start :: self.finer] for start in range(self.finer)])
        spread = columns.max(0) - columns.min(0)  # NaN where one is
        return np.where(spread <= self.finer, columns.mean(0) / self.finer, np.float32(np.nan))

    def _steps(self, left: np.ndarray, right: np.ndarray, low: float, high: float, *, speckle: int) -> np.ndarray:
        least = int(np.floor(low))
        matcher = cv2.StereoSGBM.create(
            minDisparity=least,
            numDisparities=STEP * max(int(np.ceil((high - least + 1) / STEP)), 1),
            blockSize=self.block,
            P1=self.bend * self.block**2,
            P2=self.jump * self.block**2,
            disp12MaxDiff=1,
            uniquenessRatio=self.uniqueness,
            speckleWindowSize=speckle,
            speckleRange=2,
            mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
        )
        return _matched(matcher, left, right)


def estimated_disparity(left: Float[Tensor, "3 h w"], right: Float[Tensor, "3 h w"]) -> Float[Tensor, "h w"]:
    """Disparity of the left picture by OpenCV's SGBM in its HH mode.

    It is known where the right picture's disparity, found likewise, agrees within one pixel. The range searched reaches
    half as far again as what matched points show; a quarter of the width where there are too few.
    """
    width = left.shape[2]
    offsets = matched_offsets(left, right)[:, 0]
    reach = 1.5 * float(offsets.quantile(0.98)) if len(offsets) >= STEP else width / 4
    most = STEP * int(np.clip(np.ceil(reach / STEP), 1, max(width // STEP, 1)))
    forth = _plain(left, right, most)
    back = _plain(right.flip(2), left.flip(2), most).flip(1)
    place = torch.arange(width) - forth
    column = place.nan_to_num(-1.0).round().long()
    agrees = (back.gather(1, column.clamp(0, width - 1)) - forth).abs() <= 1
    return torch.where(agrees & (column >= 0) & (forth > 0), forth, torch.nan)


def _plain(left: Float[Tensor, "3 h w"], right: Float[Tensor, "3 h w"], most: int) -> Float[Tensor, "h w"]:
    matcher = cv2.StereoSGBM.create(
        minDisparity=0,
        numDisparities=most,
        blockSize=BLOCK,
        P1=8 * 3 * BLOCK**2,
        P2=32 * 3 * BLOCK**2,
        disp12MaxDiff=1,
        uniquenessRatio=5,
        speckleWindowSize=100,
        speckleRange=2,
        mode=cv2.STEREO_SGBM_MODE_HH,
    )
    pixels = [(picture * 255).round().byte().permute(1, 2, 0).contiguous().numpy() for picture in (left, right)]
    return torch.from_numpy(_matched(matcher, pixels[0], pixels[1]))


def _matched(matcher: cv2.StereoSGBM, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """[y x] float32, NaN where SGBM gives nothing. The border is repeated, since it leaves out as many columns as it
    searches."""
    least = matcher.getMinDisparity()
    before, after = max(least + matcher.getNumDisparities(), 0), max(-least, 0)
    wide = [cv2.copyMakeBorder(picture, 0, 0, before, after, cv2.BORDER_REPLICATE) for picture in (left, right)]
    steps = matcher.compute(wide[0], wide[1])[:, before : before + left.shape[1]].astype(np.float32)
    return np.where(steps >= least * UNITS, steps / UNITS, np.float32(np.nan))


def _mirrored(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture[:, ::-1])


def _bytes(picture: np.ndarray) -> np.ndarray:
    return (picture * 255).round().clip(0, 255).astype(np.uint8)
