"""Points that two pictures of one scene both show."""

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

FEATURES, LONGEST = 2000, 1000  # points per picture, and its longer side in pixels when they are looked for
DISTINCT = 0.8  # a match is clearer than the next best by this factor (Lowe, IJCV 2004)


def matched_points(
    left: Float[Tensor, "3 h w"], right: Float[Tensor, "3 h w"]
) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n 2"]]:
    """Where in either picture, (x, y) in pixels, points stand that were found in both by SIFT."""
    scale = min(1.0, LONGEST / max(left.shape[1:]))
    sift = cv2.SIFT.create(nfeatures=FEATURES)
    found = [sift.detectAndCompute(grey_pixels(picture, scale), None) for picture in (left, right)]
    if any(descriptors is None or len(descriptors) < 2 for _, descriptors in found):
        return torch.zeros(0, 2), torch.zeros(0, 2)
    places = [torch.from_numpy(cv2.KeyPoint.convert(points)).reshape(-1, 2) for points, _ in found]
    first, second = (torch.from_numpy(descriptors) for _, descriptors in found)
    distance = torch.cdist(first, second)
    nearest = distance.topk(2, dim=1, largest=False)
    best = nearest.indices[:, 0]
    mutual = distance.argmin(dim=0)[best] == torch.arange(len(best))
    kept = mutual & (nearest.values[:, 0] < DISTINCT * nearest.values[:, 1])
    # OpenCV counts pixel centres in whole numbers
    return (places[0][kept] + 0.5) / scale, (places[1][best[kept]] + 0.5) / scale


def matched_offsets(left: Float[Tensor, "3 h w"], right: Float[Tensor, "3 h w"]) -> Float[Tensor, "n 2"]:
    """Position in the left picture minus that in the right, (x, y) in pixels, of `matched_points`."""
    places = matched_points(left, right)
    return places[0] - places[1]


def grey_pixels(picture: Float[Tensor, "3 h w"], scale: float) -> np.ndarray:
    """[y x] uint8, smaller by a factor."""
    pixels = (picture.mean(0) * 255).round().byte().numpy()
    return pixels if scale == 1 else cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
