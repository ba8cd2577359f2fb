"""Depth that says what it means."""

from dataclasses import dataclass
from enum import StrEnum

from jaxtyping import Float
from torch import Tensor


class DepthKind(StrEnum):
    """What the numbers mean, and so which alignments to the truth are lawful (`geometry.align`)."""

    METRIC = "metric"  # metres along z (along the ray for VR180)
    SCALE_INVARIANT = "scale_invariant"  # metres times an unknown positive factor
    AFFINE_DEPTH = "affine_depth"  # scale * metres + shift, both unknown
    AFFINE_DISPARITY = "affine_disparity"  # scale / metres + shift, both unknown

    @property
    def is_disparity(self) -> bool:
        return self is DepthKind.AFFINE_DISPARITY


@dataclass(frozen=True, kw_only=True)
class DepthVideo:
    """Depth (or disparity, see `kind`) of every pixel; NaN where unknown. One scale and shift for all frames."""

    values: Float[Tensor, "t h w"]
    kind: DepthKind
