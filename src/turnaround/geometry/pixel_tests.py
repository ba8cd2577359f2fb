"""Which pixels of a rectified pair have a depth that can be believed: the tests of Stereo4D's pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.flow import backward_warp
from turnaround.geometry.projection import in_image, pixel_grid

KNOWN = 0.5  # share of the bilinear weight that must be known where one flow is looked up in the other


@dataclass(frozen=True, kw_only=True)
class PairDepth:
    """What the matching of a pair says.

    depth: metres along z, NaN where a test fails. left_right: length in pixels of what is left after going to the other
    picture and back. vertical: size in pixels of the flow along y. Both are NaN where not known. removed: by test, the
    share of all pixels that it is the first to remove, in the order of the tests.
    """

    depth: Float[Tensor, "h w"]
    left_right: Float[Tensor, "h w"]
    vertical: Float[Tensor, "h w"]
    removed: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class PixelTests:
    """The tests, in this order; a pixel that fails one has no depth.

    unmatched: its flow is not known. left_right: pixels that may be left after going to the other picture and back.
    vertical: pixels of flow along y. farthest: metres; what does not lie in front of the camera is beyond it. gradient:
    of pixels between two surfaces, which lie on neither.
    """

    left_right: float
    vertical: float
    farthest: float
    gradient: "Gradient"

    def __call__(
        self, forth: Float[Tensor, "2 h w"], back: Float[Tensor, "2 h w"], *, focal: float, baseline: float
    ) -> PairDepth:
        """forth, back: as of a `DisparityEstimator`. focal: pixels. baseline: metres."""
        cycle, vertical = left_right_residual(forth, back), forth[1].abs()
        depth = focal * baseline / -forth[0]
        tests = {
            "unmatched": forth.isfinite().all(0),
            "left_right": cycle <= self.left_right,  # what is not known does not pass
            "vertical": vertical <= self.vertical,
            "farthest": (forth[0] < 0) & (depth <= self.farthest),
        }
        left, removed = torch.ones_like(depth, dtype=torch.bool), {}
        for name, passed in tests.items():
            removed[name] = _share(left & ~passed)
            left = left & passed
        depth = torch.where(left, depth, torch.nan)
        apart = self.gradient.steep(depth)
        removed["gradient"] = _share(apart)
        depth = torch.where(apart, torch.nan, depth)
        return PairDepth(depth=depth, left_right=cycle, vertical=vertical, removed=removed)


def left_right_residual(forth: Float[Tensor, "2 h w"], back: Float[Tensor, "2 h w"]) -> Float[Tensor, "h w"]:
    """|forth + back at where forth leads|, pixels.

    Looked up bilinearly among the known neighbours (Stereo4D's code: bicubically, which unknown ones would spoil): NaN
    where they have less than half of the weight, or outside the picture.
    """
    height, width = forth.shape[1:]
    known = back.isfinite().all(0)
    flow = forth.nan_to_num(0.0)[None]
    weight = backward_warp(known[None, None].to(forth), flow)[0, 0]
    there = backward_warp(torch.where(known, back, 0)[None], flow)[0] / weight
    target = pixel_grid(height, width, like=forth) + forth.movedim(0, -1)
    seen = in_image(target, height, width) & (weight >= KNOWN)
    return torch.where(seen, (forth + there).norm(dim=0), torch.nan)


class Gradient(Protocol):
    """Finds pixels whose depth changes too fast."""

    def steep(self, depth: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
        """depth: NaN where unknown, which nothing is steep at."""
        ...


@dataclass(frozen=True, kw_only=True)
class SlopeGradient:
    """By more than the share `limit` from a pixel to the next, along x or along y: the largest of what the depth does
    towards its four neighbours, as far as theirs are known. What is compared are means of 1 / depth over the known of
    window x window pixels, so that the noise of matching is no slope."""

    limit: float
    window: int

    def steep(self, depth: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
        depth = torch.where(depth.isfinite(), self._smooth(depth), torch.nan)
        across, down = (depth.diff(dim=axis).abs().nan_to_num(0.0) for axis in (1, 0))
        pad = torch.nn.functional.pad
        sides = [pad(across, (1, 0)), pad(across, (0, 1)), pad(down, (0, 0, 1, 0)), pad(down, (0, 0, 0, 1))]
        return depth.isfinite() & (torch.stack(sides).amax(0) > self.limit * depth)

    def _smooth(self, depth: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
        known = depth.isfinite()
        maps = torch.stack([torch.where(known, 1 / depth, 0.0), known.to(depth)])[None]
        around = self.window // 2
        total, count = torch.nn.functional.avg_pool2d(maps, self.window, stride=1, padding=around)[0]
        return count / total


@dataclass(frozen=True, kw_only=True)
class PublishedGradient:
    """As Stereo4D's code: the two neighbours of a pixel, along x or along y, differ by more than `limit` times its
    depth, which is not halved. A neighbour without depth counts as 0, so that all pixels beside what was removed go
    too; the picture's border repeats itself."""

    limit: float

    def steep(self, depth: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
        filled = torch.nn.functional.pad(depth.nan_to_num(0.0)[None], (1, 1, 1, 1), mode="replicate")[0]
        across = (filled[1:-1, 2:] - filled[1:-1, :-2]).abs()
        down = (filled[2:, 1:-1] - filled[:-2, 1:-1]).abs()
        return depth.isfinite() & (torch.maximum(across, down) > self.limit * depth)


def _share(mask: Bool[Tensor, "h w"]) -> float:
    return float(mask.double().mean())
