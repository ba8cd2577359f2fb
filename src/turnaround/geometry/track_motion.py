"""How far tracks move in the picture, that of the camera left out."""

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.projection import project
from turnaround.types import Pinhole, Tracks

BAND = 1 << 14  # tracks handled at once: torch's quantile takes 16 M numbers at most


def track_motion(tracks: Tracks, cameras: Pinhole, *, trail: int) -> Float[Tensor, "t n"]:
    """Pixels: the largest distance in frame t between where a track's point is and where camera t would see it, had it
    stayed where it was in one of the `trail` frames before (Stereo4D). 0 where none of these is visible, NaN where the
    track is not visible itself."""
    now, _ = project(tracks.world, cameras)
    motion = torch.where(tracks.visible, 0.0, torch.nan).to(now)
    for offset in range(1, min(trail, len(cameras) - 1) + 1):
        later = Pinhole(
            world_from_cam=cameras.world_from_cam[offset:],
            intrinsics=cameras.intrinsics[offset:],
            height=cameras.height,
            width=cameras.width,
        )
        stayed, z = project(tracks.world[:-offset], later)
        both = tracks.visible[:-offset] & tracks.visible[offset:] & (z > 0)
        moved = torch.where(both, (stayed - now[offset:]).norm(dim=-1), 0)
        motion[offset:] = torch.maximum(motion[offset:], moved)  # NaN stays
    return motion


def typical_motion(motion: Float[Tensor, "t n"], *, quantile: float) -> Float[Tensor, "n"]:
    """The quantile of `track_motion` over the frames in which a track is visible; NaN where it never is."""
    return torch.cat([some.nanquantile(quantile, dim=0) for some in motion.split(BAND, dim=1)])
