"""What two pictures say of each other: matched points, and disparity where no truth is given."""

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.matching import matched_offsets, require_rectified

__all__ = ["METHOD", "estimated_disparity", "matched_offsets", "require_rectified"]

METHOD = "OpenCV SGBM, HH, block 5, left-right check"  # what `estimated_disparity` is, for whoever names sources
BLOCK, STEP = 5, 16  # SGBM's window, and what its range is a multiple of


def estimated_disparity(left: Float[Tensor, "3 h w"], right: Float[Tensor, "3 h w"]) -> Float[Tensor, "h w"]:
    """Disparity of the left picture by semi-global matching (Hirschmüller, PAMI 2008; OpenCV's SGBM, HH mode).

    It is known where the right picture's disparity, found likewise, agrees within one pixel. The range searched reaches
    half as far again as what matched points show; a quarter of the width where there are too few.
    """
    width = left.shape[2]
    offsets = matched_offsets(left, right)[:, 0]
    reach = 1.5 * float(offsets.quantile(0.98)) if len(offsets) >= STEP else width / 4
    most = STEP * int(np.clip(np.ceil(reach / STEP), 1, max(width // STEP, 1)))
    forth = _semi_global(left, right, most)
    back = _semi_global(right.flip(2), left.flip(2), most).flip(1)
    place = torch.arange(width) - forth
    column = place.nan_to_num(-1.0).round().long()
    agrees = (back.gather(1, column.clamp(0, width - 1)) - forth).abs() <= 1
    return torch.where(agrees & (column >= 0) & (forth > 0), forth, torch.nan)


def _semi_global(left: Float[Tensor, "3 h w"], right: Float[Tensor, "3 h w"], most: int) -> Float[Tensor, "h w"]:
    """NaN where SGBM gives nothing. The border is repeated, since it leaves out as many columns as it searches."""
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
    wide = [cv2.copyMakeBorder(picture, 0, 0, most, 0, cv2.BORDER_REPLICATE) for picture in pixels]
    steps = torch.from_numpy(matcher.compute(wide[0], wide[1])[:, most:].astype(np.float32))
    return torch.where(steps >= 0, steps / 16, torch.nan)
