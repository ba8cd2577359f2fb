"""Paths that would enter a surface end before it."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.projection import in_image, project
from turnaround.types import Pinhole


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """frame: the first that could not be reached, None where all could be."""

    cameras: Pinhole
    frame: int | None


def stopped_before(
    cameras: Pinhole, depth: Float[Tensor, "h w"], start: Pinhole, *, distance: float, thickness: float
) -> Stopped:
    """A path up to where it would come nearer than `distance` metres to what the start's picture shows.

    As many cameras as were given: from the frame that is stopped on, all stand where the one before it does. A camera
    would enter where its centre lies in the start's picture and its z there is more than depth - distance and less than
    depth + thickness. Space further behind what is seen counts as free (inf: none of it does); `thickness` should
    be more than a camera moves from frame to frame. Nothing is said where depth (metres along z) is NaN.

    cameras: the first is the start, which is always kept. start: one frame, of the size of the depth map.
    """
    eyes = cameras.world_from_cam[None, :, :3, 3].double()
    pixels, z = (values[0] for values in project(eyes, start))
    inside = in_image(pixels, *depth.shape) & (z > 0)
    column, row = torch.where(inside[:, None], pixels, 0).long().unbind(-1)
    surface = depth.to(z)[row, column]
    enters = inside & (z > surface - distance) & (z < surface + thickness)
    enters[0] = False
    if not enters.any():
        return Stopped(cameras=cameras, frame=None)
    frame = int(enters.int().argmax())
    kept = torch.arange(len(cameras), device=eyes.device).clamp_max(frame - 1)
    held = replace(cameras, world_from_cam=cameras.world_from_cam[kept], intrinsics=cameras.intrinsics[kept])
    return Stopped(cameras=held, frame=frame)
