"""Which points of a still scene that one view shows another one shows too."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.projection import in_image, project, unproject
from turnaround.types import Pinhole


def seen_from(
    depth: Float[Tensor, "h w"],
    camera: Pinhole,
    other_depth: Float[Tensor, "y x"],
    other: Pinhole,
    *,
    tolerance: float,
) -> tuple[Float[Tensor, "h w 2"], Bool[Tensor, "h w"], Bool[Tensor, "h w"]]:
    """Where the points of a view lie in another one (pixels), whether they are seen there, and where that can be told.

    Depths are metres along z, NaN where unknown; cameras have one frame. A point is seen where it is inside the other
    picture and its z there differs by at most the share `tolerance` from what is found: from the depth of the pixel it
    falls in, or from the interpolation of 1 / depth among the four around it, which is exact on planes. Not where
    either depth is unknown, and there it cannot be told, but for what lies outside.
    """
    size = other_depth.shape
    points = unproject(depth[None].double(), camera).flatten(1, 2)
    pixels, z = (values[0].unflatten(0, depth.shape) for values in project(points, other))
    inside = in_image(pixels, *size) & (z > 0)  # false where the depth is unknown
    places = torch.where(inside[..., None], pixels, 0)
    column, row = places.long().unbind(-1)
    corner = places - 0.5
    share = corner - corner.floor()
    x, y = corner.floor().long().unbind(-1)
    rows, columns = (torch.stack([first, first + 1]).clamp(0, most - 1) for first, most in ((y, size[0]), (x, size[1])))
    around = other_depth.double()[rows[:, None], columns[None]]  # [2 2 h w]: up and down, left and right
    across = torch.stack([1 - share[..., 0], share[..., 0]])
    down = torch.stack([1 - share[..., 1], share[..., 1]])
    between = 1 / ((1 / around) * down[:, None] * across[None]).sum((0, 1))
    found = torch.stack([other_depth.double()[row, column], between])
    told = (depth > 0) & (~inside | found.isfinite().any(0))
    return pixels, inside & (found.isfinite() & ((z - found).abs() <= tolerance * found)).any(0), told
