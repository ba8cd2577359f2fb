"""Pictures as another lens would have taken them, by OpenCV's remap: linear, black outside the source."""

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.lenses import lens_pixels, lens_rays
from turnaround.geometry.projection import pixel_grid
from turnaround.types import InputError, Lens


class Resampling:
    """From one lens to another at the same place. Where each pixel comes from is found once, for all frames of a clip.

    source_from_target: rotation. Nothing is averaged: where the target is coarser than the source, it samples it.
    """

    def __init__(self, source: Lens, target: Lens, source_from_target: Float[Tensor, "3 3"]):
        self.source, self.target = source, target
        grid = pixel_grid(target.height, target.width, like=torch.zeros((), dtype=torch.float64))
        rays = lens_rays(target, grid) @ source_from_target.double().cpu().T
        # OpenCV counts pixel centres in whole numbers; from -1 outwards all is black
        places = (lens_pixels(source, rays) - 0.5).nan_to_num(-2.0)
        bounds = places.new_tensor([source.width, source.height])
        places = torch.minimum(places.clamp_min(-2.0), bounds + 1).float()
        self._columns, self._rows = (part.contiguous().numpy() for part in places.unbind(-1))

    def __call__(self, image: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 y x"]:
        pixels = self.pixels(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()

    def pixels(self, picture: np.ndarray) -> np.ndarray:
        """The same of [y x colour] of any type: whole numbers are rounded."""
        if picture.shape[:2] != (self.source.height, self.source.width):
            raise InputError(
                "frame",
                expected=f"the size of its lens, {self.source.width} x {self.source.height}",
                found=f"{picture.shape[1]} x {picture.shape[0]}",
                fix="give the lens of the frame",
            )
        return cv2.remap(
            picture,
            self._columns,
            self._rows,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(0, 0, 0),
        )


def resample(
    image: Float[Tensor, "3 h w"], source: Lens, target: Lens, source_from_target: Float[Tensor, "3 3"]
) -> Float[Tensor, "3 y x"]:
    """`Resampling` of a single picture."""
    return Resampling(source, target, source_from_target)(image)
