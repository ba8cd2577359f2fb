"""The losses of tracks, minimised by Newton's method in time linear in frames.

Distances enter static and dynamic losses squared, so few steps suffice. The matrix of a track is a band (accelerations
reach `stride` frames to either side) less one of rank 3 (the mean point of the static loss).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.track_losses import TINY, RayTracks, TrackLosses

NEAREST = 0.5  # of its distance is left to a point by one step at least, so none passes through the camera


class Newton:
    """Gauss-Newton steps from where the points are; the gradient is exact, curvature of the static loss's scale is left
    out."""

    def __init__(self, *, steps: int):
        self.steps = steps

    def __call__(self, losses: TrackLosses, tracks: RayTracks) -> Float[Tensor, "t n"]:
        moved = torch.zeros_like(tracks.distances)
        bends = dynamic_band(losses, tracks)
        for _ in range(self.steps):
            moved.requires_grad_()
            (gradient,) = torch.autograd.grad(losses(tracks, moved).sum(), moved)
            moved = moved.detach()
            step = _step(losses, tracks, moved, bends, gradient)
            moved = moved - torch.minimum(step, (1 - NEAREST) * (tracks.distances + moved))
        return moved


def _step(
    losses: TrackLosses,
    tracks: RayTracks,
    moved: Float[Tensor, "t n"],
    bends: Float[Tensor, "b t n"],
    gradient: Float[Tensor, "t n"],
) -> Float[Tensor, "t n"]:
    """What to subtract: (band - share * rays rays^T)^-1 gradient, by Woodbury's identity."""
    count = tracks.valid.sum(dim=0).clamp(min=1)
    scale = losses.static.scale(tracks, tracks.points(moved)) + TINY
    share = 2 * (1 - losses.moving(tracks)) * losses.static_weight / (count * scale).square()
    kept = 2 * losses.regularization / (tracks.distances + moved) ** 4
    band = bends.clone()
    band[0] += torch.where(tracks.valid, share * count + kept, 1.0)
    rays = (tracks.rays * tracks.valid[..., None]).movedim(2, 1)
    solved = solve_band(band, torch.cat([gradient[:, None], rays], dim=1))
    direct, spread = solved[:, 0], solved[:, 1:]
    small = torch.eye(3).to(share) - share[:, None, None] * torch.einsum("tin,tjn->nij", rays, spread)
    along = torch.linalg.solve(small, torch.einsum("tin,tn->ni", rays, direct))
    return direct + share * torch.einsum("tin,ni->tn", spread, along)


def dynamic_band(losses: TrackLosses, tracks: RayTracks) -> Float[Tensor, "b t n"]:
    """Second derivatives of the weighted dynamic loss: entry [o, t] is that by frames t and t + o."""
    frames, count = tracks.distances.shape
    reach = min(2 * max(losses.strides), frames - 1)
    band = tracks.distances.new_zeros((reach + 1) * frames, count)
    weight = 2 * losses.dynamic_weight * losses.moving(tracks)
    for stride in losses.strides:
        three = losses.ends(frames, stride).to(band.device)
        valid = tracks.valid[three].all(dim=0)
        cosines = (tracks.rays[three] * tracks.rays[three[1]]).sum(dim=-1)
        slopes = cosines * cosines.new_tensor([1.0, -2.0, 1.0])[:, None, None] * valid
        for row in range(3):
            for column in range(3):
                chosen = (three[row] >= three[column]).nonzero()[:, 0]  # frames may coincide: then both orders count
                high, low = three[row, chosen], three[column, chosen]
                band.index_add_(0, (high - low) * frames + low, weight * slopes[row, chosen] * slopes[column, chosen])
    return band.view(reach + 1, frames, count)


def solve_band(band: Float[Tensor, "b t n"], right: Float[Tensor, "t k n"]) -> Float[Tensor, "t k n"]:
    """x of A x = right for n symmetric positive definite A, with A[t + o, t] = band[o, t]; a band's entries beyond the
    last frame are not looked at. By LDL^T, one frame after the other for all at once."""
    lower, found = band.clone(), right.clone()
    frames, reach = band.shape[1], band.shape[0] - 1
    for t in range(frames):
        width = min(reach, frames - 1 - t)
        below = lower[1 : width + 1, t].clone()
        share = below / lower[0, t]
        for o in range(width):
            lower[: width - o, t + 1 + o] -= share[o:] * below[o]
        lower[1 : width + 1, t] = share
        found[t + 1 : t + 1 + width] -= share[:, None] * found[t]
    found /= lower[0][:, None]
    for t in reversed(range(frames)):
        width = min(reach, frames - 1 - t)
        found[t] -= (lower[1 : width + 1, t, None] * found[t + 1 : t + 1 + width]).sum(dim=0)
    return found
