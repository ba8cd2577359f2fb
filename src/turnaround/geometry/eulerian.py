"""Steady motion of still pictures: velocities from a few arrows, and where they carry each pixel.

Holynski et al., Animating Pictures with Eulerian Motion Fields, CVPR 2021: a place has one velocity for all time.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from turnaround.geometry.holes import distance_into
from turnaround.types import MotionField

TINY = 1e-12  # squared pixels: an arrow outweighs all others at its own pixel beyond what float32 tells


@dataclass(frozen=True, kw_only=True)
class Followed:
    """Where points are after some time. at: x, y in pixels (centres at +0.5). inside: whether they always stayed where
    the field moves; those that left it stay at the last place before."""

    at: Float[Tensor, "2 n"]
    inside: Bool[Tensor, " n"]


def followed(field: MotionField, start: Float[Tensor, "2 n"], frames: int) -> Followed:
    """Points carried along for so many frames; of negative frames, where they were before, for time runs back along the
    negative field. start: as `Followed.at`.

    Euler steps of a frame: F_0->t(x) = F_0->t-1(x) + M(x + F_0->t-1(x)). In float64.
    """
    at, inside = start.double(), _within(field.moving, start)
    mask = field.moving.double()
    packed = torch.cat([field.velocity.double() * mask, mask[None]])[None]
    scale = torch.tensor([2 / side for side in reversed(mask.shape)], device=at.device, dtype=at.dtype)
    for _ in range(abs(frames)):
        found = grid_sample(packed, (at.T * scale - 1)[None, None], align_corners=False)[0, :, 0]
        # Of moving pixels alone, so none is slower at their border; as float32, so uniform fields stay so, bit for bit.
        step = (found[:2] / found[2].clamp(min=TINY)).float()
        ahead = at + step if frames > 0 else at - step
        inside = inside & _within(field.moving, ahead)
        at = torch.where(inside, ahead, at)
    return Followed(at=at, inside=inside)


def sampled(maps: Float[Tensor, "c h w"], at: Float[Tensor, "2 n"]) -> Float[Tensor, "c n"]:
    """Bilinear, 0 outside of the maps. At pixel centres it is the pixel, bit for bit."""
    height, width = maps.shape[1:]
    rows = maps.flatten(1).T.contiguous()
    corner = (at - 0.5).floor()
    share = (at - 0.5 - corner).to(maps)
    column, row = corner.long()
    total = torch.zeros_like(rows[:1]).expand(at.shape[1], -1)
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        x, y = column + right, row + down
        weight = (share[0] if right else 1 - share[0]) * (share[1] if down else 1 - share[1])
        weight = weight * ((x >= 0) & (x < width) & (y >= 0) & (y < height))
        taps = rows[y.clamp(0, height - 1) * width + x.clamp(0, width - 1)]
        total = total + weight[:, None] * taps
    return total.T


def pixel_centres(mask: Bool[Tensor, "h w"]) -> Float[Tensor, "2 n"]:
    """x, y of the pixels of a mask, row by row."""
    return mask.nonzero().flip(1).T.double() + 0.5


def distance_to_rest(moving: Bool[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Pixels from each moving one to the nearest that is not, what lies over the edge of the picture included."""
    return distance_into(pad(moving, (1, 1, 1, 1)))[1:-1, 1:-1]


def field_of_arrows(
    at: Float[Tensor, "k 2"], arrows: Float[Tensor, "k 2"], moving: Bool[Tensor, "h w"], *, power: float
) -> MotionField:
    """Velocities of all moving pixels from those of a few: the arrow itself at its pixel, 0 outside, between them means
    weighted by distance^-power (Shepard 1968), which go beyond no arrow.

    at: x, y in pixels, in the mask. arrows: pixels per frame. A connected part of the mask follows the arrows in it,
    one without any follows all.
    """
    count, part = cv2.connectedComponents(moving.cpu().numpy().astype(np.uint8), connectivity=8)
    part = torch.from_numpy(part)
    centre = at.floor().cpu()
    own = part[centre[:, 1].long(), centre[:, 0].long()]
    led = torch.zeros(count, dtype=torch.bool).index_fill(0, own.long(), True)
    points, of = pixel_centres(moving.cpu()), part[moving.cpu()]
    total = torch.zeros(3, points.shape[1], dtype=torch.float64)
    for place, arrow, number in zip(centre, arrows.cpu().double(), own, strict=True):  # few: each is a pass over pixels
        squared = ((points - 0.5 - place[:, None]) ** 2).sum(dim=0)
        weight = squared.clamp(min=TINY) ** (-power / 2)
        weight = weight * ((of == number) | ~led[of.long()])
        total += weight * torch.cat([arrow, arrow.new_ones(1)])[:, None]
    velocity = torch.zeros(2, *moving.shape)
    velocity[:, moving.cpu()] = (total[:2] / total[2]).float()
    return MotionField(velocity=velocity.to(moving.device), moving=moving)


def _within(moving: Bool[Tensor, "h w"], at: Float[Tensor, "2 n"]) -> Bool[Tensor, " n"]:
    height, width = moving.shape
    column, row = at.floor().long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return inside & moving[row.clamp(0, height - 1), column.clamp(0, width - 1)]
