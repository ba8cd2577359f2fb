"""Tracks made steady: each point moves along the ray that saw it, until the track stands still or moves evenly."""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import max_pool1d

from turnaround.geometry.track_losses import RayTracks, TrackLosses, mean_point
from turnaround.types import InputError, Tracks


@dataclass(frozen=True, kw_only=True)
class OptimizedTracks:
    """tracks: `visible` is what is left after the dilation; where it is False, `world` is as it was.

    before, after: RMS distance in metres of a track's visible points to their mean, NaN where none is left.
    """

    tracks: Tracks
    before: Float[Tensor, "n"]
    after: Float[Tensor, "n"]


@runtime_checkable
class Solver(Protocol):
    """Metres that each point moves along its ray, away from the camera; 0 where it is not valid."""

    def __call__(self, losses: TrackLosses, tracks: RayTracks) -> Float[Tensor, "t n"]: ...


class Adam:
    """Kingma and Ba 2015, from where the points are. learning_rate: metres."""

    def __init__(self, *, learning_rate: float, steps: int):
        self.learning_rate, self.steps = learning_rate, steps

    def __call__(self, losses: TrackLosses, tracks: RayTracks) -> Float[Tensor, "t n"]:
        moved = torch.zeros_like(tracks.distances, requires_grad=True)
        optimizer = torch.optim.Adam([moved], lr=self.learning_rate)
        for _ in range(self.steps):
            (moved.grad,) = torch.autograd.grad(losses(tracks, moved).sum(), moved)
            optimizer.step()
        return moved.detach()


class TrackOptimization:
    """dilation: frames, odd; so wide a window around each frame of a track must be visible for it to stay so.
    batch: tracks that are solved at once.
    """

    def __init__(self, *, losses: TrackLosses, solver: Solver, dilation: int, batch: int):
        if dilation < 1 or dilation % 2 == 0:
            raise InputError("dilation", expected="an odd number of frames", found=f"{dilation}", fix="5 is usual")
        if batch < 1:
            raise InputError("batch", expected="at least 1 track", found=f"{batch}", fix="10000 is usual")
        self.losses, self.solver, self.dilation, self.batch = losses, solver, dilation, batch

    def __call__(self, tracks: Tracks, centres: Float[Tensor, "t 3"], motion: Float[Tensor, "n"]) -> OptimizedTracks:
        """centres: of the cameras that saw the points. motion: pixels that a track moves in the picture, that of the
        camera left out, the 90th percentile over its frames; NaN counts as 0.

        In float64: where a track is even, gradients are all rounding, and Adam would follow them. Points that are not
        finite, and those of frames without a camera, count as not visible.
        """
        parts = []
        for chosen in torch.arange(tracks.world.shape[1], device=tracks.world.device).split(self.batch):
            world, visible = tracks.world[:, chosen], tracks.visible[:, chosen]
            along = ray_tracks(world, visible, centres, motion[chosen], dilation=self.dilation)
            moved = self.solver(self.losses, along)
            stays = torch.zeros_like(moved)
            found = torch.where(along.valid[..., None], along.points(moved).to(world), world)
            parts.append((found, along.valid, _residual(along, stays), _residual(along, moved)))
        if not parts:
            return OptimizedTracks(tracks=tracks, before=motion.clone(), after=motion.clone())
        world, visible = (torch.cat(part, dim=1) for part in list(zip(*parts, strict=True))[:2])
        before, after = (torch.cat(part).to(tracks.world) for part in list(zip(*parts, strict=True))[2:])
        return OptimizedTracks(tracks=replace(tracks, world=world, visible=visible), before=before, after=after)


def ray_tracks(
    world: Float[Tensor, "t n 3"],
    visible: Bool[Tensor, "t n"],
    centres: Float[Tensor, "t 3"],
    motion: Float[Tensor, "n"],
    *,
    dilation: int,
) -> RayTracks:
    """In float64; valid is what is visible and finite, with `dilation` - 1 frames less for each gap."""
    centres = centres.double()
    offsets = world.double() - centres[:, None]
    distances = offsets.norm(dim=-1)
    valid = shrunk(visible & distances.isfinite() & (distances > 0), dilation)
    ahead = offsets.new_tensor([0.0, 0.0, 1.0])
    return RayTracks(
        centres=centres.nan_to_num(),
        rays=torch.where(valid[..., None], offsets / distances[..., None], ahead),
        distances=torch.where(valid, distances, 1.0),
        valid=valid,
        motion=motion.double().nan_to_num(),
    )


def shrunk(visible: Bool[Tensor, "t n"], window: int) -> Bool[Tensor, "t n"]:
    """Frames around which an odd window has no gap; what lies beyond the clip is none."""
    gaps = max_pool1d((~visible).T.float()[:, None], window, stride=1, padding=window // 2)
    return gaps[:, 0].T < 0.5


def _residual(tracks: RayTracks, moved: Float[Tensor, "t n"]) -> Float[Tensor, "n"]:
    points = tracks.points(moved)
    squared = tracks.mean((points - mean_point(points, tracks.valid)).square().sum(dim=-1))
    return squared.sqrt().masked_fill(~tracks.valid.any(dim=0), torch.nan)
