"""Tracks that were held still though they move: found by what holding them still did, and solved again."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.track_losses import RayTracks, TrackLosses
from turnaround.geometry.track_optimization import Solver


class SecondLook:
    """What comes straight nearer hardly moves in the picture. Held still, its inverse distances change by a trend,
    those of a still point by noise of the stereo that soon forgets its past.

    The mean squared difference of changes some frames apart over twice their mean square (von Neumann 1941) is 1 for
    noise that has forgotten by then and 6 lag^2 / frames^2 for an even trend. Tracks below `least` are solved once
    more, as moving; no level of noise need be known.

    lag: how far apart, as a share of a track's valid frames.
    """

    def __init__(self, *, solver: Solver, lag: float, least: float):
        self.solver, self.lag, self.least = solver, lag, least

    def __call__(self, losses: TrackLosses, tracks: RayTracks) -> Float[Tensor, "t n"]:
        moved = self.solver(losses, tracks)
        again = (noisiness(tracks, moved, self.lag) < self.least).nonzero()[:, 0]
        if len(again):
            chosen = replace(
                tracks,
                rays=tracks.rays[:, again],
                distances=tracks.distances[:, again],
                valid=tracks.valid[:, again],
                motion=torch.full_like(tracks.motion[again], torch.inf),
            )
            moved[:, again] = self.solver(losses, chosen)
        return moved


def noisiness(tracks: RayTracks, moved: Float[Tensor, "t n"], lag: float) -> Float[Tensor, "n"]:
    """Of the changes of inverse distance: 1 for noise, near 0 for a trend; 1 where no two valid frames are so far apart
    or nothing changes."""
    change = (1 / (tracks.distances + moved) - 1 / tracks.distances) * tracks.valid
    frames = (tracks.valid.sum(dim=0) * lag).round().long().clamp(min=1)
    later = torch.arange(len(change), device=change.device)[:, None] + frames
    inside, later = later < len(change), later.clamp(max=len(change) - 1)
    both = tracks.valid & inside & tracks.valid.gather(0, later)
    squared = (change.gather(0, later) - change).square() * both
    apart = squared.sum(dim=0) / (2 * both.sum(dim=0)).clamp(min=1)
    mean = tracks.mean(change.square())
    return torch.where(both.any(dim=0) & (mean > 0), apart / mean, 1.0)
