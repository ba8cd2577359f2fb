"""Which of many points each pixel shows."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from turnaround.geometry.projection import in_image


def nearest_points(
    pixels: Float[Tensor, "n 2"], z: Float[Tensor, "n"], *, height: int, width: int
) -> Int[Tensor, "h w"]:
    """The index of the nearest point in each pixel, of equally near ones the first; -1 where there is none.

    z: metres; points behind the camera (z <= 0), outside the picture or NaN are nowhere.
    """
    there = (in_image(pixels, height, width) & (z > 0)).nonzero().squeeze(1)
    x, y = pixels[there].floor().long().unbind(-1)
    # one order for everything: by pixel, in a pixel by z, and of equal z by index
    order = z[there].argsort(stable=True)
    order = order[(y * width + x)[order].argsort(stable=True)]
    cell, point = (y * width + x)[order], there[order]
    first = torch.ones_like(cell, dtype=torch.bool)
    first[1:] = cell[1:] != cell[:-1]
    shown = torch.full((height * width,), -1, dtype=torch.long, device=z.device)
    shown[cell[first]] = point[first]
    return shown.view(height, width)
