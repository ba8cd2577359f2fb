"""Ways to make holes in a picture whose every pixel is known: what a mask engine is compared by."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from turnaround.geometry.paths import turned
from turnaround.render.elements import Edges
from turnaround.render.reprojection import Lookup, double_reprojection, warp_back
from turnaround.types import InputError, Pinhole, View, Warped


class Holes(ABC):
    """Makes holes in the frames of a picture or video; each result is aligned with its frame."""

    @abstractmethod
    def make(self, views: Sequence[View], random: np.random.Generator) -> list[Warped]: ...


@dataclass(frozen=True, kw_only=True)
class Moves:
    """Random steps of a camera around a point before it.

    degrees: least and most, drawn evenly in their logarithm, either way round. tilt: most degrees up or down. The
    pivot lies at the median depth of the first frame times a factor from `pivot`.
    """

    degrees: Sequence[float]
    tilt: float
    pivot: Sequence[float]

    def draw(self, views: Sequence[View], random: np.random.Generator) -> list[Pinhole]:
        """The same step for each frame, from its own camera."""
        low, high = (math.log(value) for value in self.degrees)
        turn = math.exp(random.uniform(low, high)) * random.choice([-1, 1])
        tilt = random.uniform(-1, 1) * min(self.tilt, abs(turn))
        known = views[0].depth[views[0].depth > 0]
        distance = float(known.median()) * random.uniform(self.pivot[0], self.pivot[1]) if len(known) else 1.0
        return [_stepped(view.camera, math.radians(turn), math.radians(tilt), distance) for view in views]


@dataclass(frozen=True, kw_only=True)
class DoubleReprojection(Holes):
    """What of a frame survives being warped to another view and looked up again."""

    moves: Moves
    edges: Edges
    lookup: Lookup

    def make(self, views, random):
        cameras = self.moves.draw(views, random)
        return [
            double_reprojection(v, c, edges=self.edges, lookup=self.lookup) for v, c in zip(views, cameras, strict=True)
        ]


@dataclass(frozen=True, kw_only=True)
class WarpBack(Holes):
    """What is left of a frame that was warped to another view and back again (AdaMPI, SIGGRAPH 2022)."""

    moves: Moves
    edges: Edges

    def make(self, views, random):
        cameras = self.moves.draw(views, random)
        return [warp_back(v, c, edges=self.edges) for v, c in zip(views, cameras, strict=True)]


@dataclass(frozen=True, kw_only=True)
class RandomMasks(Holes):
    """Strokes and boxes that know nothing of the picture: what inpainters are usually trained on.

    strokes, boxes: at most so many, of strokes at least one. thickness: of strokes, and half of that of boxes, as a
    share of the width.
    """

    strokes: int
    boxes: int
    thickness: Sequence[float]

    def __post_init__(self):
        if self.strokes < 1:
            raise InputError("strokes", expected="at least 1", found=str(self.strokes), fix="or choose other holes")

    def make(self, views, random):
        hole = free_form(views[0].depth.shape, self, random)
        return [holed(view, hole) for view in views]


def free_form(size: Sequence[int], masks: RandomMasks, random: np.random.Generator) -> Bool[Tensor, "h w"]:
    """Broken lines and boxes at random."""
    height, width = size
    canvas = np.zeros((height, width), np.uint8)
    low, high = (share * width for share in masks.thickness)
    for _ in range(int(random.integers(1, masks.strokes + 1))):
        points = random.uniform(0, 1, (int(random.integers(2, 6)), 2)) * [width, height]
        thickness = max(int(random.uniform(low, high)), 1)
        cv2.polylines(canvas, [points.round().astype(np.int32)], False, 1, thickness)
    for _ in range(int(random.integers(0, masks.boxes + 1))):
        x, y = random.uniform(0, 1, 2) * [width, height]
        w, h = random.uniform(low, high, 2) * 2
        canvas[int(y) : int(y + h) + 1, int(x) : int(x + w) + 1] = 1
    return torch.from_numpy(canvas).bool()


def holed(view: View, hole: Bool[Tensor, "h w"]) -> Warped:
    """The view as it is, but for the hole and what has no depth."""
    hole = hole | ~(view.depth > 0)
    places = torch.arange(hole.numel(), device=hole.device).view(hole.shape)
    return Warped(
        image=view.image.masked_fill(hole, 0.0),
        depth=view.depth.masked_fill(hole, torch.nan),
        hole=hole,
        source=places.masked_fill(hole, -1),
    )


def _stepped(camera: Pinhole, turn: float, tilt: float, distance: float) -> Pinhole:
    pose = camera.world_from_cam[0].double()
    pivot = pose[:3, 3] + distance * pose[:3, 2]
    around, over = (torch.tensor([angle], dtype=torch.float64) for angle in (turn, tilt))
    return replace(camera, world_from_cam=turned(pose, pivot, around, over).to(camera.world_from_cam))
