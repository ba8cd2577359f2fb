"""What all losses share: averages over what is known."""

from jaxtyping import Bool, Float
from torch import Tensor


def masked_mean(values: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """The mean over the mask; 0, with a gradient of 0, where it is empty."""
    return (values * mask).sum() / mask.sum().clamp(min=1)
