"""From what a depth estimator gives to metres, in the first view and in those that are added."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import max_pool2d

from turnaround.types import DepthEstimator, DepthKind, InputError

PERCENTILES = (0.1, 99.9)


@dataclass(frozen=True, kw_only=True)
class Relief:
    """The scale that a picture alone does not tell.

    near: metres to the nearest point, where the estimate is not in metres. ratio: of the farthest depth to the nearest,
    where the estimate does not tell it; what is farther than `ratio` times the nearest is as far as that in any case.
    edge: blurred depth edges, over which depth changes by more than this share within `reach` pixels, are made steps.
    """

    near: float
    ratio: float
    edge: float
    reach: int

    def __post_init__(self):
        if not (self.near > 0 and self.ratio > 1):
            found = f"near {self.near:g}, ratio {self.ratio:g}"
            raise InputError("relief", expected="near > 0 and ratio > 1", found=found, fix="correct pipeline.relief")

    def inverse_depth(self, estimate: Float[Tensor, "h w"], kind: DepthKind) -> Float[Tensor, "h w"]:
        """1 / metres of the first view."""
        match kind:
            case DepthKind.METRIC:
                inverse = disparity_of(estimate, kind)
            case DepthKind.SCALE_INVARIANT:
                inverse = disparity_of(estimate, kind)
                inverse = inverse / (self.near * _range(inverse)[1])
            case DepthKind.AFFINE_DISPARITY:
                inverse = (1 / self.ratio + (1 - 1 / self.ratio) * _spanning(estimate)) / self.near
            case DepthKind.AFFINE_DEPTH:
                inverse = 1 / (self.near * (1 + (self.ratio - 1) * _spanning(estimate)))
        nearest = _range(inverse)[1]
        return self.with_steps(inverse.clamp(min=nearest / self.ratio))

    def with_steps(self, inverse: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
        """On an edge each pixel takes what is nearest to it of the largest and the smallest value around it."""
        if not self.reach:
            return inverse
        size = 2 * self.reach + 1
        most, least = (
            sign * max_pool2d(sign * inverse[None, None], size, stride=1, padding=self.reach)[0, 0] for sign in (1, -1)
        )
        stepped = torch.where(most - inverse <= inverse - least, most, least)
        return torch.where(most - least > self.edge * most, stepped, inverse)


def estimated(estimator: DepthEstimator, image: Float[Tensor, "3 h w"], seed: int) -> Float[Tensor, "h w"]:
    """InputError: what is not one finite map of its size."""
    maps = [each.detach().float().cpu() for each in estimator.stream(iter([image.contiguous()]), seed=seed)]
    if len(maps) != 1 or maps[0].shape != image.shape[1:] or not maps[0].isfinite().all():
        expected, found = "one finite map of the picture's size", f"{[tuple(each.shape) for each in maps]}"
        fix = "try other weights or a higher precision"
        raise InputError(f"depth by {estimator.name}", expected=expected, found=found, fix=fix)
    return maps[0]


def disparity_of(estimate: Float[Tensor, "h w"], kind: DepthKind) -> Float[Tensor, "h w"]:
    """Larger where nearer: up to scale and shift what 1 / depth is."""
    if kind is DepthKind.AFFINE_DISPARITY:
        return estimate
    positive = estimate - estimate.amin() if kind is DepthKind.AFFINE_DEPTH else estimate
    return 1 / positive.clamp(min=max(1e-3 * float(positive.amax()), 1e-12))


def _range(values: Float[Tensor, "h w"]) -> tuple[float, float]:
    low, high = torch.quantile(values.flatten().double(), torch.tensor(PERCENTILES, dtype=torch.float64) / 100).tolist()
    return low, high


def _spanning(values: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Taken to [0, 1]; a constant to 1, so that a flat scene is as near as the nearest."""
    low, high = _range(values)
    return ((values - low) / (high - low)).clamp(0, 1) if low < high else torch.ones_like(values)
