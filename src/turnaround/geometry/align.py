"""Alignments of a prediction to the truth: which are lawful for a `DepthKind`, and their fits.

All fits run in float64 over the valid pixels of all frames, pooled, so a video gets one scale and one shift. Numbers of
different alignments are not comparable: papers of DepthCrafter's family fit by least squares in disparity, those of
DUSt3R's family (MonST3R, CUT3R, Pi3) by medians or least absolute deviations in depth.
"""

from collections.abc import Mapping
from enum import StrEnum

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.types import DepthKind, DepthVideo

CONSTANT = 1e-12  # relative spread below which a source counts as constant: float64 rounding of its mean
SAMPLES = 1 << 18  # two numbers need no more
WEISZFELD_ITERATIONS = 10  # as in MonST3R's evaluation
WEISZFELD_FLOOR = 1e-8  # metres, added to each residual there
PUBLISHED_CLIP, PUBLISHED_SUMMAND = 1e-3, 1e-8  # of a raw prediction; metres
ABSOLUTE_ITERATIONS = 1000  # a bound: 25 to 300 are needed
ABSOLUTE_FLOOR = 1e-7  # smallest residual that is told from 0, relative to the spread of the target


class Alignment(StrEnum):
    """What may be fitted before a prediction is compared with the truth."""

    IDENTITY = "identity"  # nothing: metres are compared with metres
    DEPTH_SCALE = "depth_scale"  # scale, in depth
    DEPTH_AFFINE = "depth_affine"  # scale and shift, in depth
    DISPARITY_AFFINE = "disparity_affine"  # scale and shift, in 1 / depth: DepthCrafter's protocol
    MEDIAN_SCALE = "median_scale"  # scale, in depth: ratio of medians
    SCALE_L1 = "scale_l1"  # scale, in depth: absolute deviations
    AFFINE_L1 = "affine_l1"  # scale and shift, in depth: least absolute deviations
    DISPARITY_AFFINE_L1 = "disparity_affine_l1"  # scale and shift, in 1 / depth: least absolute deviations
    DEPTHCRAFTER = "depthcrafter"  # scale and shift, in 1 / depth, with the constants of DepthCrafter's script

    @property
    def in_disparity(self) -> bool:
        return self in (Alignment.DISPARITY_AFFINE, Alignment.DISPARITY_AFFINE_L1, Alignment.DEPTHCRAFTER)


# An alignment is lawful when it can undo all that the kind leaves unknown. The tightest one stands first.
LAWFUL: Mapping[DepthKind, tuple[Alignment, ...]] = {
    DepthKind.METRIC: tuple(Alignment),
    DepthKind.SCALE_INVARIANT: tuple(alignment for alignment in Alignment if alignment is not Alignment.IDENTITY),
    DepthKind.AFFINE_DEPTH: (Alignment.DEPTH_AFFINE, Alignment.AFFINE_L1),
    DepthKind.AFFINE_DISPARITY: (Alignment.DISPARITY_AFFINE, Alignment.DISPARITY_AFFINE_L1, Alignment.DEPTHCRAFTER),
}


def lawful_alignment(kind: DepthKind, alignment: Alignment | None = None) -> Alignment:
    """`alignment` itself, or the tightest lawful one; ValueError if it is not lawful for the kind."""
    chosen = alignment or LAWFUL[kind][0]
    if chosen not in LAWFUL[kind]:
        raise ValueError(f"{chosen} is not lawful for {kind}; lawful: {', '.join(LAWFUL[kind])}")
    return chosen


def align_to_depth(
    prediction: DepthVideo,
    truth: Float[Tensor, "t h w"],
    valid: Bool[Tensor, "t h w"],
    min_depth: float,
    max_depth: float,
    alignment: Alignment | None = None,
) -> Float[Tensor, "t h w"]:
    """Metric depth (float64, metres) of the prediction, clipped to [min_depth, max_depth].

    truth: metres, positive where valid. alignment: one that is lawful for the prediction's kind; the tightest if None.
    Disparity that is not positive after the fit becomes max_depth. DepthCrafter's script clips the raw prediction at
    1e-3 and adds 1e-8 to the true depth: only `depthcrafter` does, for numbers that equal its own; the first depends on
    a scale and shift that mean nothing, the second moves far pixels.

    Raises ValueError for an unlawful alignment, other shapes, or a prediction that is not finite where valid.
    """
    alignment = lawful_alignment(prediction.kind, alignment)
    values = prediction.values.double()
    if values.shape != truth.shape:
        raise ValueError(f"prediction {tuple(values.shape)} and truth {tuple(truth.shape)} differ in shape")
    if not values[valid].isfinite().all():
        raise ValueError("the prediction is not finite where the truth is valid")

    if alignment.in_disparity and not prediction.kind.is_disparity:
        values = 1 / values.clamp(min=min_depth)
    if alignment is Alignment.DEPTHCRAFTER:
        values, truth = values.clamp(min=PUBLISHED_CLIP), truth + PUBLISHED_SUMMAND
    scale, shift = _fit(alignment, values, truth, valid)
    aligned = scale * values + shift
    depth = 1 / aligned.clamp(min=1 / max_depth) if alignment.in_disparity else aligned
    return depth.clamp(min_depth, max_depth)


def _fit(
    alignment: Alignment,
    prediction: Float[Tensor, "t h w"],
    truth_depth: Float[Tensor, "t h w"],
    valid: Bool[Tensor, "t h w"],
) -> tuple[float, float]:
    """Scale and shift; the prediction is in the space in which the alignment acts, depth or disparity."""
    match alignment:
        case Alignment.IDENTITY:
            return 1.0, 0.0
        case Alignment.DEPTH_SCALE:
            return fit_depth_scale(prediction, truth_depth, valid), 0.0
        case Alignment.MEDIAN_SCALE:
            return fit_median_scale(prediction, truth_depth, valid), 0.0
        case Alignment.SCALE_L1:
            return fit_scale_l1(prediction, truth_depth, valid), 0.0
        case Alignment.DEPTH_AFFINE:
            return fit_depth_affine(prediction, truth_depth, valid)
        case Alignment.DISPARITY_AFFINE | Alignment.DEPTHCRAFTER:
            return fit_disparity_affine(prediction, truth_depth, valid)
        case Alignment.AFFINE_L1:
            return fit_affine_l1(prediction, truth_depth, valid)
        case Alignment.DISPARITY_AFFINE_L1:
            return fit_affine_l1(prediction, 1 / truth_depth, valid)


def fit_disparity_affine(
    prediction: Float[Tensor, "t h w"], truth_depth: Float[Tensor, "t h w"], valid: Bool[Tensor, "t h w"]
) -> tuple[float, float]:
    """Scale and shift that bring a predicted disparity to 1 / truth_depth (DepthCrafter, arXiv 2409.02095, sec. 4).

    Plain least squares: the scale of a prediction that runs against the truth is negative. A constant prediction gets
    scale 0 and the best constant disparity as its shift; with no valid pixel the fit is (1, 0).
    """
    return _least_squares(prediction[valid].double(), 1 / truth_depth[valid].double())


def fit_depth_affine(
    prediction: Float[Tensor, "t h w"], truth_depth: Float[Tensor, "t h w"], valid: Bool[Tensor, "t h w"]
) -> tuple[float, float]:
    """Scale and shift by least squares in depth; degenerate cases as in `fit_disparity_affine`."""
    return _least_squares(prediction[valid].double(), truth_depth[valid].double())


def fit_depth_scale(
    prediction: Float[Tensor, "t h w"], truth_depth: Float[Tensor, "t h w"], valid: Bool[Tensor, "t h w"]
) -> float:
    """Scale by least squares in depth; 1 where there is nothing to fit (no valid pixel, or all of them predicted 0)."""
    source, target = prediction[valid].double(), truth_depth[valid].double()
    energy = source.square().sum()
    return float((source * target).sum() / energy) if energy > 0 else 1.0


def fit_median_scale(
    prediction: Float[Tensor, "t h w"], truth_depth: Float[Tensor, "t h w"], valid: Bool[Tensor, "t h w"]
) -> float:
    """Median of the truth over the median of the prediction, the lower median of an even number (MonST3R's evaluation).

    1 where there is nothing to fit (no valid pixel, or a median prediction that is not positive).
    """
    source, target = prediction[valid].double(), truth_depth[valid].double()
    middle = source.median() if source.numel() else 0
    return float(target.median() / middle) if middle > 0 else 1.0


def fit_scale_l1(
    prediction: Float[Tensor, "t h w"], truth_depth: Float[Tensor, "t h w"], valid: Bool[Tensor, "t h w"]
) -> float:
    """Scale by 10 Weiszfeld steps towards the least absolute deviation in depth, from the ratio of means (MonST3R's
    evaluation). The steps are few enough for the start to be seen in the result.

    The published lower bound of 1e-3 on the scale is left out, since it would depend on the unit of the prediction.
    1 where there is nothing to fit (no valid pixel, or a mean prediction that is not positive).
    """
    source, target = prediction[valid].double(), truth_depth[valid].double()
    if source.sum() <= 0:
        return 1.0
    scale = target.sum() / source.sum()
    for _ in range(WEISZFELD_ITERATIONS):
        weight = 1 / ((scale * source - target).abs() + WEISZFELD_FLOOR)
        scale = (weight * source * target).sum() / (weight * source.square()).sum()
    return float(scale)


def fit_affine_l1(
    source: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"], valid: Bool[Tensor, "*shape"]
) -> tuple[float, float]:
    """Scale and shift with scale * source + shift ~ target, by least absolute deviations, on an even sample.

    Iteratively reweighted least squares to convergence, the floor of the residuals halved at each step. The released
    evaluations of the DUSt3R family ("lad2") take 1000 steps of Adam with rate 1e-4 from the ratio of medians, which
    moves scale and shift by about 0.1 each at most: theirs depends on that start and on the unit of the prediction.
    The problem is convex, so this fit depends on neither. The scale may be negative; a constant source gets scale 0 and
    the median of the target as its shift; with no valid pixel the fit is (1, 0).
    """
    s, t = _even_sample(source[valid]).double(), _even_sample(target[valid]).double()
    if s.numel() == 0:
        return 1.0, 0.0
    scale, shift = _least_squares(s, t)
    spread = float((t - t.mean()).abs().mean())
    reach = float(s.abs().max())
    floor = spread
    for _ in range(ABSOLUTE_ITERATIONS if spread > 0 else 0):
        weight = 1 / (scale * s + shift - t).abs().clamp(min=floor)
        previous = scale, shift
        scale, shift = _weighted_least_squares(s, t, weight)
        moved = abs(scale - previous[0]) * reach + abs(shift - previous[1])
        if floor <= ABSOLUTE_FLOOR * spread and moved <= ABSOLUTE_FLOOR * spread:
            break
        floor = max(floor / 2, ABSOLUTE_FLOOR * spread)
    return scale, shift


def _even_sample(values: Float[Tensor, "n"]) -> Float[Tensor, "m"]:
    if values.numel() <= SAMPLES:
        return values
    return values[torch.linspace(0, values.numel() - 1, SAMPLES, dtype=torch.float64).long()]


def _least_squares(source: Float[Tensor, "n"], target: Float[Tensor, "n"]) -> tuple[float, float]:
    if source.numel() == 0:
        return 1.0, 0.0
    return _weighted_least_squares(source, target, torch.ones_like(source))


def _weighted_least_squares(
    source: Float[Tensor, "n"], target: Float[Tensor, "n"], weight: Float[Tensor, "n"]
) -> tuple[float, float]:
    """Centred normal equations; a constant source gets scale 0 and the weighted mean of the target as its shift."""
    weight = weight / weight.sum()
    source_mean, target_mean = (weight * source).sum(), (weight * target).sum()
    centred = source - source_mean
    variance = (weight * centred.square()).sum()
    if variance.sqrt() <= CONSTANT * source.abs().max():
        return 0.0, float(target_mean)
    scale = (weight * centred * (target - target_mean)).sum() / variance
    return float(scale), float(target_mean - scale * source_mean)
