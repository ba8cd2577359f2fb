"""Losses between filled pictures and what belongs in their holes."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import max_pool2d

Pictures = Float[Tensor, "b t p h w"]
Weights = Float[Tensor, "b t h w"]


@dataclass(frozen=True, kw_only=True)
class Regions:
    """How much pixels count: those of holes, of the known ring around them, and of the rest.

    width: of the ring, in pixels.
    """

    hole: float
    ring: float
    known: float
    width: int

    def weights(self, hole: Bool[Tensor, "b t h w"], valid: Bool[Tensor, "b t h w"]) -> Weights:
        """0 where the target is not true."""
        near = max_pool2d(hole.float(), 2 * self.width + 1, stride=1, padding=self.width).bool()
        known = torch.where(near, self.ring, self.known)
        return torch.where(hole, self.hole, known) * valid


def weighted_mean(values: Pictures, weights: Weights) -> Float[Tensor, "b"]:
    """Of each video, over all channels; 0, with a gradient of 0, where all its weights are 0."""
    spread = weights[:, :, None].expand_as(values)
    return (values * spread).flatten(1).sum(dim=1) / spread.flatten(1).sum(dim=1).clamp(min=1e-6)


def absolute_error(predicted: Pictures, target: Pictures, weights: Weights) -> Float[Tensor, "b"]:
    return weighted_mean((predicted - target).abs(), weights)


def gradient_error(predicted: Pictures, target: Pictures, weights: Weights, *, scales: int) -> Float[Tensor, "b"]:
    """Differences between pixels 1, 2, 4, … apart, to the right and below, for absolute errors alone blur."""
    error, total = predicted - target, predicted.new_zeros(len(predicted))
    for scale in range(scales):
        step = 2**scale
        for axis in (-1, -2):
            size = error.shape[axis] - step
            change = error.narrow(axis, step, size) - error.narrow(axis, 0, size)
            both = torch.minimum(weights.narrow(axis, step, size), weights.narrow(axis, 0, size))
            total = total + weighted_mean(change.abs(), both)
    return total / (2 * scales)
