"""What a picture is of: its pixels, how far away it is, and what becomes of all that is not it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import binary_fill_holes
from torch import Tensor

from turnaround.geometry.projection import pinhole_rays, pixel_grid
from turnaround.io.existing import existing_file
from turnaround.io.picture import Picture, read_picture
from turnaround.pipelines.work import content_hash
from turnaround.types import InputError, Pinhole

OPAQUE = 0.5  # opacity, or brightness of a mask file, from which a pixel counts
PERCENTILES = (0.1, 99.9)  # of 1 / depth: what lies beyond is taken for these
BACKGROUND = 0.25  # of a row's 1 / depth: as near as what is behind the subject, which leaves a quarter of the row free
CENTRAL = 0.2  # of the sides: how far from the middle of the picture a subject is likely to reach
OUTLYING, ROOM = 0.02, 0.1  # shares of the subject's pixels, and of its reach

WAY_OUT = "give a mask file"


class Subject(ABC):
    """How the subject is found."""

    @property
    def settings(self) -> str:
        """All that decides what is found in a picture, as text."""
        return type(self).__name__

    @abstractmethod
    def mask(self, picture: Picture, depth: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
        """Its pixels, at least one. depth: positive, any unit, NaN where unknown, infinite for the sky."""


class FromAlpha(Subject):
    """What is opaque in the picture's file."""

    def mask(self, picture: Picture, depth: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
        if picture.alpha is None:
            found = "a picture without opacity"
            raise InputError("subject", expected="a picture with transparent parts", found=found, fix=WAY_OUT)
        return _not_empty("subject", picture.alpha >= OPAQUE, "opaque pixels in the picture")


class FromFile(Subject):
    """What is white in a picture of the same shape, as large as the picture or as its file."""

    def __init__(self, path: str):
        self.path = Path(path)

    @property
    def settings(self) -> str:
        return content_hash(existing_file(self.path, expected="a picture"))

    def mask(self, picture: Picture, depth: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
        size = tuple(picture.image.shape[1:])
        read = read_picture(self.path, longest=max(size))
        if tuple(read.image.shape[1:]) != size:
            height, width = read.image.shape[1:]
            raise InputError(
                self.path,
                expected=f"a mask of the picture's shape, at least {size[1]} x {size[0]}",
                found=f"{width} x {height}",
                fix="save it at the picture's size",
            )
        white = read.image.mean(dim=0) if read.alpha is None else read.image.mean(dim=0) * read.alpha
        return _not_empty(self.path, white >= OPAQUE, "white pixels")


class FromDepth(Subject):
    """What stands out from what is beside it.

    Each pixel's 1 / depth is compared with the near side of the background in its row, which takes a level floor away
    from under the subject; a threshold between the two modes (Otsu 1979) and connected regions follow. The one that
    stands out most in sum is taken, pixels counting by how central they are. Its holes are closed.
    """

    def mask(self, picture: Picture, depth: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
        inverse = np.where(depth.cpu().numpy() > 0, 1 / depth.double().cpu().numpy(), np.nan)
        known = np.isfinite(inverse)
        none = InputError("subject", expected="something nearer than the rest", found="depth without it", fix=WAY_OUT)
        if not known.any():
            raise none
        inverse = np.where(known, inverse.clip(*np.percentile(inverse[known], PERCENTILES)), np.nan)
        behind = np.array([np.quantile(row[row == row], BACKGROUND) if (row == row).any() else 0 for row in inverse])
        above = np.where(known, inverse - behind[:, None], 0).clip(0)
        if above.max() <= 1e-6 * inverse[known].max():
            raise none
        levels = np.round(above / above.max() * 255).astype(np.uint8)
        standing = cv2.threshold(levels, 0, 1, cv2.THRESH_OTSU)[1]
        region = cv2.connectedComponents(standing, connectivity=8)[1]
        weight = np.bincount(region.ravel(), weights=(above * _central(*region.shape)).ravel())
        weight[0] = -1
        return torch.from_numpy(binary_fill_holes(region == weight.argmax())).to(depth.device)


class Automatic(Subject):
    """By opacity where a part of the picture is transparent, else by depth."""

    def mask(self, picture: Picture, depth: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
        by_alpha = picture.alpha is not None and bool((picture.alpha < OPAQUE).any())
        return (FromAlpha() if by_alpha else FromDepth()).mask(picture, depth)


def pivot(depth: Float[Tensor, "h w"], mask: Bool[Tensor, "h w"], camera: Pinhole) -> Float[Tensor, "3"]:
    """What a camera turns around, in its axes, in the unit of the depth: the ray through the middle of the subject's
    bounding box, at the subject's median depth."""
    known = depth[mask & (depth > 0) & (depth < torch.inf)]
    if not len(known):
        raise InputError("subject", expected="pixels of known depth", found="none", fix=WAY_OUT)
    rows, columns = (mask.any(dim=axis).nonzero().double() for axis in (1, 0))
    middle = torch.stack([(places.min() + places.max() + 1) / 2 for places in (columns, rows)])
    return pinhole_rays(middle, camera.intrinsics[0].double()) * known.median().double()


def radius(depth: Float[Tensor, "h w"], mask: Bool[Tensor, "h w"], camera: Pinhole, pivot: Float[Tensor, "3"]) -> float:
    """Of the ball around the pivot that holds all but `OUTLYING` of the subject, and `ROOM` more."""
    rays = pinhole_rays(pixel_grid(*depth.shape, like=pivot), camera.intrinsics[0].double())
    distance = (rays * depth.double()[..., None] - pivot).norm(dim=-1)[mask]
    return (1 + ROOM) * float(distance[distance.isfinite()].quantile(1 - OUTLYING))


class Background(ABC):
    """What becomes of the pixels that are not the subject."""

    @property
    def settings(self) -> str:
        """All that decides it, as text."""
        return type(self).__name__

    def depth(self, depth: Float[Tensor, "h w"], mask: Bool[Tensor, "h w"]) -> Float[Tensor, "h w"]:
        """Metres, with the background where it stands now: as far as the farthest of all."""
        return torch.where(mask, depth, depth.amax())

    @abstractmethod
    def apply(self, image: Float[Tensor, "3 h w"], mask: Bool[Tensor, "h w"]) -> Float[Tensor, "3 h w"]:
        """The subject's pixels stay, bit for bit."""


class Keep(Background):
    """They stay: the whole scene is shown."""

    def apply(self, image: Float[Tensor, "3 h w"], mask: Bool[Tensor, "h w"]) -> Float[Tensor, "3 h w"]:
        return image

    def depth(self, depth: Float[Tensor, "h w"], mask: Bool[Tensor, "h w"]) -> Float[Tensor, "h w"]:
        return depth


class Plain(Background):
    """One colour. color: red, green and blue in [0, 1]."""

    def __init__(self, *, color: Sequence[float | int]):
        if len(color) != 3 or not all(0 <= each <= 1 for each in color):
            raise InputError(
                "color", expected="three numbers in [0, 1]", found=str(list(color)), fix="[1, 1, 1] is white"
            )
        self.color = tuple(float(each) for each in color)

    @property
    def settings(self) -> str:
        return repr(self.color)

    def apply(self, image: Float[Tensor, "3 h w"], mask: Bool[Tensor, "h w"]) -> Float[Tensor, "3 h w"]:
        return torch.where(mask, image, image.new_tensor(self.color)[:, None, None])


class Transparent(Background):
    """Nothing: black, which frames with opacity leave out (`exports.pictures.Cutout`)."""

    def apply(self, image: Float[Tensor, "3 h w"], mask: Bool[Tensor, "h w"]) -> Float[Tensor, "3 h w"]:
        return torch.where(mask, image, 0.0)


def _central(height: int, width: int) -> np.ndarray:
    """[h w]: 1 in the middle, less towards the border."""
    y, x = ((np.arange(side) + 0.5) / side - 0.5 for side in (height, width))
    return np.exp(-(y[:, None] ** 2 + x**2) / (2 * CENTRAL**2))


def _not_empty(subject: object, mask: Bool[Tensor, "h w"], expected: str) -> Bool[Tensor, "h w"]:
    if not mask.any():
        raise InputError(subject, expected=expected, found="none", fix="give another mask")
    return mask
