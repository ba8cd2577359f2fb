"""Alignments of a prediction to the truth: which are lawful for a `DepthKind`, and their least-squares fits.

All fits run in float64 over all valid pixels of all frames, so a video gets one scale and one shift.
"""

from collections.abc import Mapping
from enum import StrEnum

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.types import DepthKind, DepthVideo

CONSTANT = 1e-12  # relative spread below which a source counts as constant: float64 rounding of its mean
ROBUST_ITERATIONS = 30
ROBUST_SAMPLES = 1 << 18  # two numbers need no more; keeps the join of large windows cheap


class Alignment(StrEnum):
    """What may be fitted before a prediction is compared with the truth."""

    IDENTITY = "identity"  # nothing: metres are compared with metres
    DEPTH_SCALE = "depth_scale"  # scale, in depth
    DEPTH_AFFINE = "depth_affine"  # scale and shift, in depth
    DISPARITY_AFFINE = "disparity_affine"  # scale and shift, in 1 / depth: DepthCrafter's protocol


# An alignment is lawful when it can undo all that the kind leaves unknown. The tightest one stands first.
LAWFUL: Mapping[DepthKind, tuple[Alignment, ...]] = {
    DepthKind.METRIC: tuple(Alignment),
    DepthKind.SCALE_INVARIANT: (Alignment.DEPTH_SCALE, Alignment.DEPTH_AFFINE, Alignment.DISPARITY_AFFINE),
    DepthKind.AFFINE_DEPTH: (Alignment.DEPTH_AFFINE,),
    DepthKind.AFFINE_DISPARITY: (Alignment.DISPARITY_AFFINE,),
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
    Disparity that is not positive after the fit becomes max_depth. DepthCrafter's clipping of the raw prediction at
    1e-3 is left out, since it would depend on a scale and shift that mean nothing.

    Raises ValueError for an unlawful alignment, other shapes, or a prediction that is not finite where valid.
    """
    alignment = lawful_alignment(prediction.kind, alignment)
    values = prediction.values.double()
    if values.shape != truth.shape:
        raise ValueError(f"prediction {tuple(values.shape)} and truth {tuple(truth.shape)} differ in shape")
    if not values[valid].isfinite().all():
        raise ValueError("the prediction is not finite where the truth is valid")

    if alignment is Alignment.DISPARITY_AFFINE:
        disparity = values if prediction.kind.is_disparity else 1 / values.clamp(min=min_depth)
        scale, shift = fit_disparity_affine(disparity, truth, valid)
        depth = 1 / (scale * disparity + shift).clamp(min=1 / max_depth)
    elif alignment is Alignment.DEPTH_AFFINE:
        scale, shift = fit_depth_affine(values, truth, valid)
        depth = scale * values + shift
    elif alignment is Alignment.DEPTH_SCALE:
        depth = fit_depth_scale(values, truth, valid) * values
    else:
        depth = values
    return depth.clamp(min_depth, max_depth)


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


def fit_affine_robust(
    source: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"], valid: Bool[Tensor, "*shape"]
) -> tuple[float, float]:
    """Positive scale and shift with scale * source + shift ~ target, by least absolute deviations.

    Iteratively reweighted least squares with weights 1 / |residual|, on an even sample of the valid, finite pairs.
    Where no positive scale can be read off (constant source or target, or one that runs against the other) the scale is
    1 and the shift is the median difference; with no valid pair the fit is (1, 0).
    """
    keep = valid & source.isfinite() & target.isfinite()
    s, t = _even_sample(source[keep]).double(), _even_sample(target[keep]).double()
    if s.numel() == 0:
        return 1.0, 0.0
    floor = 1e-6 * float((t - t.mean()).abs().mean())  # keeps the weights finite, far below any residual that matters
    weight = torch.ones_like(s)
    scale, shift = _weighted_least_squares(s, t, weight)
    for _ in range(ROBUST_ITERATIONS if floor > 0 else 0):
        weight = 1 / (scale * s + shift - t).abs().clamp(min=floor)
        scale, shift = _weighted_least_squares(s, t, weight)
    return (scale, shift) if scale > 0 else (1.0, float((t - s).median()))


def _even_sample(values: Float[Tensor, "n"]) -> Float[Tensor, "m"]:
    if values.numel() <= ROBUST_SAMPLES:
        return values
    return values[torch.linspace(0, values.numel() - 1, ROBUST_SAMPLES, dtype=torch.float64).long()]


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
