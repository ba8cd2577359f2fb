"""What of a picture is shown: the whole scene, or its subject before a background."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.io.picture import Picture
from turnaround.pipelines.orbit.subject import Background, Subject, pivot


@dataclass(frozen=True, kw_only=True)
class Staged:
    """image, depth (metres): of what is shown. distance: metres along z to what a camera turns around."""

    image: Float[Tensor, "3 h w"]
    depth: Float[Tensor, "h w"]
    distance: float


class Staging(ABC):
    """What is shown of a picture, and what its camera turns around."""

    @property
    @abstractmethod
    def settings(self) -> str:
        """All that decides it, as text."""

    @abstractmethod
    def staged(self, picture: Picture, depth: Float[Tensor, "h w"]) -> Staged:
        """depth: metres, of the picture's size."""


class WholeScene(Staging):
    """All of it; the camera turns around the median depth of its middle."""

    @property
    def settings(self) -> str:
        return "scene"

    def staged(self, picture: Picture, depth: Float[Tensor, "h w"]) -> Staged:
        height, width = depth.shape
        middle = depth[height // 4 : -(height // 4), width // 4 : -(width // 4)]
        return Staged(image=picture.image, depth=depth, distance=float(middle.median()))


class SubjectBefore(Staging):
    """Its subject, which the camera turns around, before a background."""

    def __init__(self, *, subject: Subject, background: Background):
        self.subject, self.background = subject, background

    @property
    def settings(self) -> str:
        return f"{self.subject.settings} {self.background.settings}"

    def staged(self, picture: Picture, depth: Float[Tensor, "h w"]) -> Staged:
        mask: Bool[Tensor, "h w"] = self.subject.mask(picture, depth)
        image, _ = self.background.apply(picture.image, mask)
        return Staged(image=image, depth=self.background.depth(depth, mask), distance=pivot(depth, mask))


def resized(picture: Picture, image: Float[Tensor, "3 h w"]) -> Picture:
    """A picture of which `image` is a version of another size, with its opacity at that size."""
    alpha = picture.alpha
    if alpha is not None:
        alpha = torch.nn.functional.interpolate(alpha[None, None], image.shape[1:], mode="area")[0, 0]
    return replace(picture, image=image, alpha=alpha)
