"""Small pictures of large ones, as another lens would have taken them, averaged so that nothing flickers."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from turnaround.geometry.lenses import finer, lens_pixels
from turnaround.render.resample import Resampling
from turnaround.types import Lens

STEP = 0.01  # radians beside the axis, where the density of a lens is measured


class SmoothResampling:
    """As `Resampling`; where the target is coarser than the source, each of its pixels is the mean of as many as it
    covers in the middle of the picture, at most `most` a side."""

    def __init__(self, source: Lens, target: Lens, source_from_target: Float[Tensor, "3 3"], *, most: int = 8):
        ratio = pixels_per_radian(source) / pixels_per_radian(target)
        self.factor = min(max(math.ceil(ratio - 0.25), 1), most)
        self._resampling = Resampling(source, finer(target, self.factor), source_from_target)

    def __call__(self, image: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 y x"]:
        fine = self._resampling(image)
        return fine if self.factor == 1 else avg_pool2d(fine[None], self.factor)[0]


def pixels_per_radian(lens: Lens) -> float:
    """Across the middle of the picture."""
    ways = torch.tensor([[0.0, 0.0, 1.0], [math.sin(STEP), 0.0, math.cos(STEP)]], dtype=torch.float64)
    ahead, beside = lens_pixels(lens, ways)
    return float((beside - ahead).norm()) / STEP
