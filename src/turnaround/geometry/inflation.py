"""The other side of what one picture shows of an object: a guess from its outline alone."""

from dataclasses import replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from turnaround.types import Pinhole, View


def inflated_back(front: View, mask: Bool[Tensor, "h w"], *, roundness: float) -> View:
    """The back of an object as a view in a mirror: colours of its front, on a surface that meets it along its outline.

    It lies behind the front by `roundness` times what a body would measure there whose cross-sections are ellipses as
    thick as the outline is wide: 2 sqrt(r^2 - (r - d)^2), d being the distance to the outline and r its largest value,
    in metres at the object's median depth. Columns run the other way and fx is negative: all points are where a plain
    camera's would be, and surfaces face away from it. depth: NaN but for the object.
    """
    known = mask & front.depth.isfinite() & (front.depth > 0)
    inside = torch.from_numpy(cv2.distanceTransform(known.numpy().astype(np.uint8), cv2.DIST_L2, 5))
    reach = inside.amax().clamp(min=1.0)
    across = 2 * (reach**2 - (reach - inside) ** 2).clamp(min=0).sqrt()  # pixels
    metres = float(front.depth[known].median()) / float(front.camera.intrinsics[0, 0, 0])
    depth = torch.where(known, front.depth + roundness * metres * across, torch.nan)
    return View(image=front.image.flip(-1), depth=depth.flip(-1), camera=mirrored(front.camera))


def mirrored(camera: Pinhole) -> Pinhole:
    """The same rays, with columns that run the other way."""
    intrinsics = camera.intrinsics.clone()
    intrinsics[:, 0, 0] *= -1
    intrinsics[:, 0, 2] = camera.width - intrinsics[:, 0, 2]
    return replace(camera, intrinsics=intrinsics)
