"""Losses between a predicted disparity, known up to scale and shift, and true inverse depth."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.losses.base import known_pairs, masked_mean

Maps = Float[Tensor, "b t h w"]
Mask = Bool[Tensor, "b t h w"]


def align_affine(predicted: Maps, truth: Maps, valid: Mask) -> Maps:
    """scale * predicted + shift, by least squares per clip over its valid pixels; differentiable."""
    weight = valid.to(predicted)
    count = weight.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
    mean_p = (weight * predicted).sum(dim=(1, 2, 3), keepdim=True) / count
    mean_t = (weight * truth).sum(dim=(1, 2, 3), keepdim=True) / count
    p, t = (predicted - mean_p) * weight, (truth - mean_t) * weight
    variance = (p * p).sum(dim=(1, 2, 3), keepdim=True)
    floor = 1e-6 * count  # a flat prediction gets a bounded scale, so its gradient stays finite
    return (p * t).sum(dim=(1, 2, 3), keepdim=True) / (variance + floor) * (predicted - mean_p) + mean_t


@dataclass(frozen=True, kw_only=True)
class DepthLoss(ABC):
    """A term with its weight, on predictions already aligned to the truth; both in 1 / metres."""

    weight: float

    @abstractmethod
    def __call__(self, aligned: Maps, truth: Maps, valid: Mask) -> Float[Tensor, ""]: ...


@dataclass(frozen=True, kw_only=True)
class RelativeError(DepthLoss):
    """The relative error of the depth, |1 / aligned - 1 / truth| * truth, which is what AbsRel measures.

    It grows without bound where the aligned disparity falls to 0; from `floor` times the truth down it goes on in a
    straight line instead.
    """

    floor: float

    def __call__(self, aligned, truth, valid):
        level = torch.maximum(aligned, self.floor * truth).clamp(min=1e-6)
        return masked_mean((aligned - truth).abs() / level, valid)


@dataclass(frozen=True, kw_only=True)
class SpatialGradient(DepthLoss):
    """Differences between neighbours, right and below, at `scales` resolutions, relative to the truth."""

    scales: int

    def __call__(self, aligned, truth, valid):
        total = aligned.new_zeros(())
        for scale in range(self.scales):
            step = 2**scale
            error = (aligned - truth)[..., ::step, ::step]
            known, level = valid[..., ::step, ::step], truth[..., ::step, ::step]
            for axis in (-1, -2):
                change = error.diff(dim=axis).abs() / level.narrow(axis, 1, level.shape[axis] - 1).clamp(min=1e-6)
                total = total + masked_mean(change, known_pairs(known, axis))
        return total / (2 * self.scales)


@dataclass(frozen=True, kw_only=True)
class TemporalGradient(DepthLoss):
    """The change of the error from frame to frame, relative to the truth; 0 for a single frame."""

    def __call__(self, aligned, truth, valid):
        if aligned.shape[1] == 1:
            return aligned.new_zeros(())
        change = (aligned - truth).diff(dim=1).abs() / truth[:, 1:].clamp(min=1e-6)
        return masked_mean(change, known_pairs(valid, 1))


def normalize_sequence(inverse_depth: Maps, valid: Mask) -> Maps:
    """Disparity in [0, 1]: one minimum and maximum per clip, over its valid pixels (arXiv 2409.02095, section 3.1).

    Unknown pixels become 0.
    """
    low = torch.where(valid, inverse_depth, torch.inf).amin(dim=(1, 2, 3), keepdim=True)
    high = torch.where(valid, inverse_depth, -torch.inf).amax(dim=(1, 2, 3), keepdim=True)
    scaled = (inverse_depth - low) / (high - low).clamp(min=1e-9)
    return torch.where(valid, scaled, 0.0).clamp(0, 1)
