"""Still pictures of something that flows, with the motion they show: what a motion network learns from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import Dataset

from turnaround.datasets.drops import drawn
from turnaround.geometry.eulerian import followed, pixel_centres, sampled
from turnaround.render.moving import flowing
from turnaround.types import Clip, MotionBatch, MotionField

FLOWING = 4  # tells these draws from others of (seed, number, process)
STREAK, SECONDS = 12, 1.0  # samples along a streak, which shows the way of so many seconds
TURN, SWELL = 0.5, 0.3  # radians and share by which direction and speed vary over a picture
COARSE = (3, 4)  # cells of what varies slowly
DROPS = 0.06  # share of the pixels at which a streak begins; dense noise would look alike both ways
SHARES = (0.3, 0.8)  # least and most of a picture that flows


@dataclass(frozen=True, kw_only=True)
class FlowingPicture:
    """image: RGB in [0, 1]. field: in pixels per frame."""

    image: Float[Tensor, "3 h w"]
    field: MotionField


class FlowingPictures:
    """Procedural: a part of each picture flows steadily, in about one direction; light drops are drawn out along the
    flow, fading towards where they come from (line integral convolution, Cabral and Leedom 1993, with a kernel of one
    side, so that the direction shows). Picture n depends on n and the settings alone.

    frames: of the clips. fps: theirs. speeds: least and most, in shares of the longer side per second, drawn evenly in
    their logarithm. first, count: of the seeds.
    """

    def __init__(
        self, *, height: int, width: int, frames: int, fps: float, speeds: Sequence[float], first: int, count: int
    ):
        self.height, self.width, self.frames, self.fps = height, width, frames, fps
        self.speeds = speeds
        self._ids = [f"{seed:08d}" for seed in range(first, first + count)]

    def ids(self) -> Sequence[str]:
        return self._ids

    def picture(self, id: str) -> FlowingPicture:
        draw = torch.Generator().manual_seed(int(id))
        low, high = SHARES
        share = low + (high - low) * float(torch.rand((), generator=draw))
        spread = self._smooth(1, draw)[0]
        moving = spread > torch.quantile(spread, 1 - share)
        field = MotionField(velocity=self._velocity(draw) * moving, moving=moving)
        dark, light, one, other = torch.rand(4, 3, 1, 1, generator=draw)
        flows = torch.lerp(dark / 2, (1 + light) / 2, self._streaks(field, draw))
        stands = torch.lerp(one, other, (1 + torch.tanh(self._smooth(1, draw)[0])) / 2)
        return FlowingPicture(image=torch.where(moving, flows, stands), field=field)

    def clip(self, id: str) -> Clip:
        """The picture, and what it looks like in the frames after; what flows in from without stays as it was."""
        picture = self.picture(id)
        start = pixel_centres(picture.field.moving)
        video = [picture.image]
        for frame in range(1, self.frames):
            place = followed(picture.field, start, -frame)
            image = picture.image.clone()
            came = flowing(image, picture.field.moving, place.at)
            image[:, picture.field.moving] = torch.where(place.inside, came, image[:, picture.field.moving])
            video.append(image)
        return Clip(id=id, video=torch.stack(video), sources={"video": f"flowing/{int(id)}"})

    def _velocity(self, draw: torch.Generator) -> Float[Tensor, "2 h w"]:
        """Pixels per frame."""
        low, high = (math.log(speed) for speed in self.speeds)
        angle, level = torch.rand(2, generator=draw).tolist()
        turn, swell = self._smooth(2, draw)
        direction = 2 * math.pi * angle + TURN * turn
        speed = math.exp(low + (high - low) * level) * max(self.height, self.width) / self.fps
        return speed * (SWELL * swell).exp() * torch.stack([direction.cos(), direction.sin()])

    def _streaks(self, field: MotionField, draw: torch.Generator) -> Float[Tensor, "h w"]:
        """In [0, 1)."""
        drops = (torch.rand(1, self.height, self.width, generator=draw) < DROPS).float()
        step = MotionField(velocity=field.velocity * SECONDS * self.fps / STREAK, moving=field.moving)
        at = pixel_centres(field.moving)
        total = torch.zeros_like(at[0], dtype=drops.dtype)
        for sample in range(STREAK):
            total = total + (1 - sample / STREAK) * sampled(drops, at)[0]
            at = followed(step, at, 1).at
        streaks = torch.zeros(self.height, self.width)
        streaks[field.moving] = 1 - (-total).exp()
        return streaks

    def _smooth(self, channels: int, draw: torch.Generator) -> Float[Tensor, "c h w"]:
        coarse = torch.randn(1, channels, *COARSE, generator=draw)
        return interpolate(coarse, (self.height, self.width), mode="bicubic", align_corners=False)[0]


class FlowingBatches(Dataset):
    """Flowing pictures, as many as `pixels_per_batch` holds, and at least one.

    Batch n of a process depends on (seed, n, process) alone.
    """

    def __init__(self, *, pictures: FlowingPictures, pixels_per_batch: int, seed: int):
        self.pictures, self.pixels_per_batch, self.seed = pictures, pixels_per_batch, seed

    def __getitem__(self, place: tuple[int, int]) -> MotionBatch:
        number, process = place
        random = np.random.default_rng([self.seed, number, process, FLOWING])
        count = max(self.pixels_per_batch // (self.pictures.height * self.pictures.width), 1)
        chosen = [drawn(self.pictures.ids(), self.pictures.picture, random) for _ in range(count)]
        scale = self.pictures.fps / max(self.pictures.height, self.pictures.width)
        return MotionBatch(
            pictures=torch.stack([each.image for each in chosen]),
            moving=torch.stack([each.field.moving for each in chosen]),
            velocity=scale * torch.stack([each.field.velocity for each in chosen]),
        )
