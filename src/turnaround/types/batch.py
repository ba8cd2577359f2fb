"""What a task receives at each step."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class DepthBatch:
    """Clips with true inverse depth.

    video: RGB in [0, 1]. inverse_depth: 1 / metres, 0 where unknown. valid: where the truth is known.
    """

    video: Float[Tensor, "b t 3 h w"]
    inverse_depth: Float[Tensor, "b t h w"]
    valid: Bool[Tensor, "b t h w"]

    def to(self, device) -> "DepthBatch":
        return DepthBatch(
            video=self.video.to(device),
            inverse_depth=self.inverse_depth.to(device),
            valid=self.valid.to(device),
        )
