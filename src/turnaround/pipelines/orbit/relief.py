"""From what a depth estimator gives to metres, in the first view and in those that are added."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.align import fit_disparity_affine
from turnaround.geometry.depth_edges import weighted_median
from turnaround.geometry.surroundings import ground_of, on_ground
from turnaround.types import DepthEstimator, DepthKind, InputError, Pinhole

PERCENTILES = (0.1, 99.9)
SPARE = 1.2  # how far beyond given depths, as a factor, those in between may lie


@dataclass(frozen=True, kw_only=True)
class Sharpening:
    """A `weighted_median` whose taps are a share `stride` of the picture's shorter side apart, and half as far in each
    further of so many passes."""

    taps: int
    stride: float
    spread: float
    passes: int

    def __call__(self, inverse: Float[Tensor, "h w"], image: Float[Tensor, "3 h w"]) -> Float[Tensor, "h w"]:
        for number in range(self.passes):
            stride = max(round(self.stride * min(inverse.shape) / 2**number), 1)
            inverse = weighted_median(inverse, image, taps=self.taps, stride=stride, spread=self.spread)
        return inverse


@dataclass(frozen=True, kw_only=True)
class Relief:
    """The scale that a picture alone does not tell, and the noise of an estimate.

    near: metres to the nearest point, where the estimate is not in metres. ratio: of the farthest depth to the nearest,
    where the estimate does not tell it; what is farther than `ratio` times the nearest is as far as that in any case.
    ground: what is off the ground by less than this share of its 1 / depth lies on it.
    """

    near: float
    ratio: float
    sharpening: Sharpening
    ground: float

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
        return inverse.clamp(min=nearest / self.ratio)

    def shaped(
        self, inverse: Float[Tensor, "h w"], image: Float[Tensor, "3 h w"], camera: Pinhole
    ) -> Float[Tensor, "h w"]:
        """Without noise: edges where the picture has them, and the ground flat."""
        sharp = self.sharpening(inverse, image)
        ground = ground_of(1 / sharp, camera)
        if ground is None:
            return sharp
        plane = on_ground(ground, camera)
        return torch.where((sharp - plane).abs() < self.ground * plane, plane.to(sharp), sharp)


def fitted_to(known: Float[Tensor, "h w"], estimate: Float[Tensor, "h w"], kind: DepthKind) -> Float[Tensor, "h w"]:
    """1 / metres of an estimate, by the scale and the shift that some known depths tell (metres, NaN elsewhere)."""
    disparity, told = disparity_of(estimate, kind).double(), known > 0
    scale, shift = fit_disparity_affine(disparity[None], known[None].double(), told[None])
    nearest, farthest = (1 / each for each in known[told].double().aminmax())
    inverse = (scale * disparity + shift).clamp(min=farthest / SPARE, max=nearest * SPARE)
    return inverse.to(estimate)


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
