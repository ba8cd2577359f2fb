"""Tracks in space as stereo would lift them, jitter and gaps included, with their truth."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.types import InputError, Tracks

TRAIL = 16  # frames of a track that its motion is measured over, the present one included


@dataclass(frozen=True, kw_only=True)
class LiftedTracks:
    """lifted, truth: of the same points. centres: of the cameras. moving: what does not stand still.

    motion: pixels between where a camera sees a lifted point and where it would see the track's earlier ones, the most
    over the last 16 frames, of that the 90th percentile over frames.
    """

    lifted: Tracks
    truth: Tracks
    centres: Float[Tensor, "t 3"]
    motion: Float[Tensor, "n"]
    moving: Bool[Tensor, "n"]


@dataclass(frozen=True, kw_only=True)
class LiftedTrackSampler:
    """Half of the points stand still, a quarter goes straight at a constant speed and a quarter turns or speeds up.

    The camera goes sideways and forwards. disparity_error: pixels, standard deviation; correlation: of the errors of
    two frames that follow each other; pixel_error: of where the point is followed, likewise. focal: pixels; baseline:
    metres. nearest, farthest: metres. speed: metres per frame. acceleration: metres per squared frame.
    camera_speed: metres per frame.
    """

    frames: int
    count: int
    disparity_error: float = 0.3
    pixel_error: float = 0.1
    correlation: float = 0.3
    focal: float = 443.405  # 60 degrees on 512 pixels
    baseline: float = 0.063
    nearest: float = 1.0
    farthest: float = 8.0
    speed: float = 0.03
    acceleration: float = 5e-4  # 0.45 metres per squared second at 30 frames per second
    camera_speed: float = 0.01

    def __call__(self, seed: int) -> LiftedTracks:
        if self.count % 4:
            raise InputError("count", expected="a multiple of 4", found=f"{self.count}", fix="take the next one")
        g = torch.Generator().manual_seed(seed)
        time = torch.arange(self.frames, dtype=torch.float64) - (self.frames - 1) / 2
        way = torch.tensor([1.0, 0.0, 0.5], dtype=torch.float64)
        centres = self.camera_speed * time[:, None] * way / way.norm()
        world = self._world(time, g)
        seen = world - centres[:, None]  # the camera does not turn
        pixels = self.focal * seen[..., :2] / seen[..., 2:]
        noise = [self._noise(world.shape[:2], g) for _ in range(3)]
        disparity = self.focal * self.baseline / seen[..., 2] + self.disparity_error * noise[0]
        visible = (seen[..., 2] > 0.3) & (disparity > 1.4) & ~self._hidden(world.shape[:2], g)
        depth = self.focal * self.baseline / disparity.clamp(min=1.4)  # 20 metres, Stereo4D's limit
        at = pixels + self.pixel_error * torch.stack(noise[1:], dim=-1)
        rays = torch.cat([at / self.focal, torch.ones_like(depth)[..., None]], dim=-1)
        lifted = centres[:, None] + depth[..., None] * rays
        truth = Tracks(world=world.float(), pixels=pixels.float(), visible=visible)
        return LiftedTracks(
            lifted=replace(truth, world=lifted.float(), pixels=at.float()),
            truth=truth,
            centres=centres.float(),
            motion=self._motion(lifted, visible, centres).float(),
            moving=torch.arange(self.count) >= self.count // 2,
        )

    def _world(self, time: Float[Tensor, "t"], g: torch.Generator) -> Float[Tensor, "t n 3"]:
        n, half = self.count, self.count // 2
        depth = self.nearest * (self.farthest / self.nearest) ** torch.rand(n, generator=g, dtype=torch.float64)
        sides = (torch.rand(n, 2, generator=g, dtype=torch.float64) - 0.5) * depth[:, None]
        middle = torch.cat([sides, depth[:, None]], dim=1)
        middle[:, 2] += 0.5 * self.camera_speed * self.frames
        headings = torch.nn.functional.normalize(torch.randn(2, n, 3, generator=g, dtype=torch.float64), dim=-1)
        headings[:, :half] = 0
        headings[1, : half + n // 4] = 0
        moved = self.speed * time[:, None, None] * headings[0]
        middle[half:, 2] += self.speed * self.frames / 2  # so that none comes through the camera
        return middle + moved + self.acceleration / 2 * time.square()[:, None, None] * headings[1]

    def _noise(self, shape: torch.Size, g: torch.Generator) -> Float[Tensor, "t n"]:
        """Of deviation 1, each frame's correlated with that of the one before."""
        fresh = torch.randn(shape, generator=g, dtype=torch.float64)
        for t in range(1, shape[0]):
            fresh[t] = self.correlation * fresh[t - 1] + (1 - self.correlation**2) ** 0.5 * fresh[t]
        return fresh

    def _hidden(self, shape: torch.Size, g: torch.Generator) -> Bool[Tensor, "t n"]:
        """A gap of up to a fifth of the clip in each track."""
        first = torch.rand(shape[1], generator=g) * shape[0]
        length = torch.rand(shape[1], generator=g) * shape[0] / 5
        time = torch.arange(shape[0])[:, None]
        return (time >= first) & (time < first + length)

    def _motion(
        self, world: Float[Tensor, "t n 3"], visible: Bool[Tensor, "t n"], centres: Float[Tensor, "t 3"]
    ) -> Float[Tensor, "n"]:
        farthest = world.new_full(visible.shape, torch.nan)
        for lag in range(1, min(TRAIL, self.frames)):
            now, before = (points - centres[lag:, None] for points in (world[lag:], world[:-lag]))
            pixels = [self.focal * p[..., :2] / p[..., 2:].clamp(min=0.1) for p in (now, before)]
            apart = (pixels[0] - pixels[1]).norm(dim=-1).masked_fill(~(visible[lag:] & visible[:-lag]), torch.nan)
            farthest[lag:] = torch.fmax(farthest[lag:], apart)
        return farthest.nanquantile(0.9, dim=0)
