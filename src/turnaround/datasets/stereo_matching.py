"""Whether two pictures are a rectified pair, as points say that are matched in both."""

from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.matching import matched_offsets
from turnaround.geometry.semi_global import METHOD, estimated_disparity
from turnaround.types import InputError

__all__ = ["METHOD", "estimated_disparity", "matched_offsets", "require_rectified"]
ENOUGH = 16  # matched points, to tell how two pictures lie to each other


def require_rectified(
    subject: object, left: Float[Tensor, "3 h w"], right: Float[Tensor, "3 h w"], *, most_vertical: float
) -> None:
    """InputError where matched points say that a pair is not rectified, or that its eyes are swapped.

    The median of their vertical offsets, without sign, is at most `most_vertical` pixels, that of the horizontal ones
    at least minus this. Where there are too few points nothing can be told.
    """
    offsets = matched_offsets(left, right)
    if len(offsets) < ENOUGH:
        return
    vertical, horizontal = float(offsets[:, 1].abs().median()), float(offsets[:, 0].median())
    if vertical > most_vertical:
        expected = f"a rectified pair, with vertical offsets of at most {most_vertical:g} px"
        found = f"a median of {vertical:.1f} px over {len(offsets)} matched points"
        raise InputError(subject, expected=expected, found=found, fix="rectify it")
    if horizontal < -most_vertical:
        expected = "points further left in the right picture"
        found = f"a median of {-horizontal:.1f} px further right over {len(offsets)} matched points"
        raise InputError(subject, expected=expected, found=found, fix="swap the eyes")
