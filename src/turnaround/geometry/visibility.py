"""Which points of a still scene that one view shows another one shows too."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.projection import in_image, pinhole_rays, project, unproject
from turnaround.geometry.se3 import transform
from turnaround.types import Pinhole

EDGE = 1e-6  # relative slack of `may_show`, so that rounding never leaves out a view


def seen_from(
    depth: Float[Tensor, "h w"],
    camera: Pinhole,
    other_depth: Float[Tensor, "y x"],
    other: Pinhole,
    *,
    tolerance: float,
) -> tuple[Float[Tensor, "h w 2"], Bool[Tensor, "h w"], Bool[Tensor, "h w"]]:
    """Where the points of a view lie in another one (pixels), whether they are seen there, and where that can be told.

    Depths are metres along z, NaN where unknown; cameras have one frame. A point is seen where `points_seen_from` says
    so. Not where either depth is unknown, and there it cannot be told, but for what lies outside.
    """
    points = unproject(depth[None].double(), camera)[0].flatten(0, 1)
    pixels, seen, told = (
        values.unflatten(0, depth.shape) for values in points_seen_from(points, other_depth, other, tolerance=tolerance)
    )
    return pixels, seen, (depth > 0) & told


def points_seen_from(
    points: Float[Tensor, "n 3"], other_depth: Float[Tensor, "y x"], other: Pinhole, *, tolerance: float
) -> tuple[Float[Tensor, "n 2"], Bool[Tensor, "n"], Bool[Tensor, "n"]]:
    """Where world points lie in a view (pixels), whether they are seen there, and whether that can be told.

    points: float64. A point is seen where it is inside the picture and its z there differs by at most the share
    `tolerance` from what is found: from the depth of the pixel it falls in, or from the interpolation of 1 / depth
    among the four around it, which is exact on planes. It can be told outside of the picture, and where a depth is.
    """
    size = other_depth.shape
    pixels, z = (values[0] for values in project(points[None], other))
    inside = in_image(pixels, *size) & (z > 0)  # false where a point is NaN
    found = _depths_at(pixels[inside], other_depth)
    agrees = found.isfinite() & ((z[inside] - found).abs() <= tolerance * found)
    seen = inside.masked_scatter(inside, agrees.any(0))
    return pixels, seen, (~inside).masked_scatter(inside, found.isfinite().any(0))


def _depths_at(places: Float[Tensor, "n 2"], depth: Float[Tensor, "y x"]) -> Float[Tensor, "2 n"]:
    """Of the pixel that each place falls in, and between the four around it."""
    height, width = depth.shape
    column, row = places.long().unbind(-1)
    corner = places - 0.5
    first = corner.floor()
    share_x, share_y = (corner - first).unbind(-1)
    left, top = first.long().unbind(-1)
    left, right = left.clamp(min=0), (left + 1).clamp(max=width - 1)
    top, bottom = top.clamp(min=0), (top + 1).clamp(max=height - 1)
    flat = depth.double().flatten()
    inverse = 1 / flat
    upper = inverse[top * width + left] * (1 - share_x) + inverse[top * width + right] * share_x
    lower = inverse[bottom * width + left] * (1 - share_x) + inverse[bottom * width + right] * share_x
    return torch.stack([flat[row * width + column], 1 / (upper * (1 - share_y) + lower * share_y)])


def may_show(camera: Pinhole, hull: Float[Tensor, "n 3"], *, margin: float) -> bool:
    """False only where nothing of the convex hull of these world points lies in a camera's picture, or within `margin`
    pixels of it: all of them are behind the camera, or that far beyond one side of the picture."""
    cam_from_world = torch.linalg.inv(camera.world_from_cam[0].double())
    in_camera = hull.double() @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
    x, y, w = (in_camera @ camera.intrinsics[0].double().T).unbind(-1)  # pixels times z
    slack = EDGE * (1 + in_camera.abs().amax() * camera.intrinsics[0].abs().amax())
    width, height = camera.width + margin, camera.height + margin
    sides = (w, x + margin * w, y + margin * w, width * w - x, height * w - y)
    return not any(bool((side < -slack).all()) for side in sides)


def hull_of(depth: Float[Tensor, "h w"], camera: Pinhole) -> Float[Tensor, "n 3"]:
    """World points whose convex hull holds all that a view shows: the corners of the smallest frustum around its known
    pixels; none where it shows nothing."""
    known = (depth > 0) & (depth < torch.inf)
    if not known.any():
        return torch.zeros(0, 3, dtype=torch.float64)
    rows, columns = (known.any(dim=axis).nonzero() for axis in (1, 0))
    ends = [torch.stack([places.min(), places.max() + 1]).double() for places in (columns, rows)]
    shown = depth[known].double()
    corners = torch.cartesian_prod(*ends, torch.stack([shown.min(), shown.max()]))
    rays = pinhole_rays(corners[:, :2], camera.intrinsics[0].double())
    return transform(camera.world_from_cam[0].double(), rays * corners[:, 2:])
