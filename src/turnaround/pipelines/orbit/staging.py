"""What of a picture is shown: the whole scene, or its subject before a background."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.io.picture import Picture
from turnaround.pipelines.orbit.subject import Background, Subject, pivot, radius
from turnaround.types import Pinhole


@dataclass(frozen=True, kw_only=True)
class Staged:
    """image, depth (metres): of what is shown. subject: its pixels, none where all is. pivot: what a camera turns
    around, in its axes, metres. radius: of the ball around that which holds the subject, infinite where all is shown.
    """

    image: Float[Tensor, "3 h w"]
    depth: Float[Tensor, "h w"]
    subject: Bool[Tensor, "h w"]
    pivot: Float[Tensor, "3"]
    radius: float


class Staging(ABC):
    """What is shown of a picture, and what its camera turns around."""

    @property
    @abstractmethod
    def settings(self) -> str:
        """All that decides it, as text."""

    @abstractmethod
    def staged(self, picture: Picture, depth: Float[Tensor, "h w"], camera: Pinhole) -> Staged:
        """depth: metres, of the picture's size. camera: that took it."""


class WholeScene(Staging):
    """All of it; the camera turns around a point on its axis at the median depth of its middle."""

    @property
    def settings(self) -> str:
        return "scene"

    def staged(self, picture: Picture, depth: Float[Tensor, "h w"], camera: Pinhole) -> Staged:
        height, width = depth.shape
        middle = depth[height // 4 : -(height // 4), width // 4 : -(width // 4)]
        pivot = torch.tensor([0.0, 0.0, float(middle.median())], dtype=torch.float64)
        nothing = torch.zeros_like(depth, dtype=torch.bool)
        return Staged(image=picture.image, depth=depth, subject=nothing, pivot=pivot, radius=math.inf)


class SubjectBefore(Staging):
    """Its subject, which the camera turns around, before a background."""

    def __init__(self, *, subject: Subject, background: Background):
        self.subject, self.background = subject, background

    @property
    def settings(self) -> str:
        return f"{self.subject.settings} {self.background.settings}"

    def staged(self, picture: Picture, depth: Float[Tensor, "h w"], camera: Pinhole) -> Staged:
        mask = self.subject.mask(picture, depth)
        image = self.background.apply(picture.image, mask)
        around = pivot(depth, mask, camera)
        return Staged(
            image=image,
            depth=self.background.depth(depth, mask),
            subject=mask,
            pivot=around,
            radius=radius(depth, mask, camera, around),
        )


def resized(picture: Picture, image: Float[Tensor, "3 h w"]) -> Picture:
    """A picture of which `image` is a version of another size, with its opacity at that size."""
    alpha = picture.alpha
    if alpha is not None:
        alpha = torch.nn.functional.interpolate(alpha[None, None], image.shape[1:], mode="area")[0, 0]
    return replace(picture, image=image, alpha=alpha)
