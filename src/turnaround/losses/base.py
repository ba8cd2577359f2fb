"""What all losses share: averages over what is known, and differences between neighbours."""

from jaxtyping import Bool, Float
from torch import Tensor


def masked_mean(values: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """The mean over the mask; 0, with a gradient of 0, where it is empty."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def known_pairs(known: Bool[Tensor, "*shape"], axis: int) -> Bool[Tensor, "*pairs"]:
    """Where an entry and the next along the axis are both known: the mask of `diff` along it."""
    count = known.shape[axis] - 1
    return known.narrow(axis, 0, count) & known.narrow(axis, 1, count)
