"""Perspective, rectified pictures of either eye, cut out of the frames as they were filmed."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.lenses import perspective_lens
from turnaround.io.stereo_checks import Eyes
from turnaround.render.resample import Resampling
from turnaround.types import EquirectangularLens, InputError, Lens, PerspectiveLens, SampledEquirectangularLens


class Crops(ABC):
    """Square crops that look straight ahead in the rectified frame, of `size` pixels a side."""

    def __init__(self, *, size: int, horizontal_fov_deg: float):
        if not 0 < horizontal_fov_deg < 180:
            raise _refused("horizontal_fov_deg", "degrees between 0 and 180", f"{horizontal_fov_deg:g}")
        if size < 1:
            raise _refused("size", "at least 1 pixel", str(size))
        self.size, self.horizontal_fov_deg = size, horizontal_fov_deg

    @property
    def lens(self) -> PerspectiveLens:
        return perspective_lens(self.size, self.horizontal_fov_deg)

    @abstractmethod
    def crop(
        self, frames: Iterable[Eyes], lenses: tuple[Lens, Lens], eye_from_rectified: Float[Tensor, "2 3 3"]
    ) -> Iterator[Eyes]:
        """The crops of the left and the right eye, frame by frame. lenses: through which either filmed."""


class OnePassCrops(Crops):
    """Each pixel is interpolated once, from the frame as it was filmed, and never rounded."""

    def crop(
        self, frames: Iterable[Eyes], lenses: tuple[Lens, Lens], eye_from_rectified: Float[Tensor, "2 3 3"]
    ) -> Iterator[Eyes]:
        left, right = (Resampling(lens, self.lens, turn) for lens, turn in zip(lenses, eye_from_rectified, strict=True))
        for first, second in frames:
            yield left(first), right(second)


class OfficialCrops(Crops):
    """As Stereo4D's rectify.py: interpolated twice, through a rectified picture of the same projection, 8 bits each.

    Both grids have the projection's bounds on the centres of the outermost pixels, whatever the video says. Its videos
    are equirectangular.
    """

    def crop(
        self, frames: Iterable[Eyes], lenses: tuple[Lens, Lens], eye_from_rectified: Float[Tensor, "2 3 3"]
    ) -> Iterator[Eyes]:
        steps = [self._steps(lens, turn) for lens, turn in zip(lenses, eye_from_rectified, strict=True)]
        for eyes in frames:
            left, right = (_in_8_bits(eye, turn, cut) for eye, (turn, cut) in zip(eyes, steps, strict=True))
            yield left, right

    def _steps(self, lens: Lens, turn: Float[Tensor, "3 3"]) -> tuple[Resampling, Resampling]:
        if not isinstance(lens, EquirectangularLens):
            raise InputError(
                "crops", expected="an equirectangular video", found=type(lens).__name__, fix="set crops=one_pass"
            )
        sampled = SampledEquirectangularLens(**dataclasses.asdict(lens))
        return Resampling(sampled, sampled, turn), Resampling(sampled, self.lens, torch.eye(3))


def _in_8_bits(eye: Float[Tensor, "3 h w"], turn: Resampling, cut: Resampling) -> Float[Tensor, "3 y x"]:
    pixels = np.rint(eye.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    return torch.from_numpy(cut.pixels(turn.pixels(pixels))).permute(2, 0, 1).float() / 255


def _refused(key: str, expected: str, found: str) -> InputError:
    return InputError(key, expected=expected, found=found, fix="correct the crops' config")
