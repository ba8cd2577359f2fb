"""Where the eyes of a stereo video lie in its frames, and what a person may say of it."""

from enum import Enum

from jaxtyping import Float
from torch import Tensor

from turnaround.io.eye_views import EyeView
from turnaround.types import InputError

CORRECT = "correct the stereo's config"


class Arrangement(Enum):
    SIDE_BY_SIDE = "side_by_side"  # the left eye on the left
    TOP_BOTTOM = "top_bottom"  # the left eye on top
    TWO_FILES = "two_files"


class StereoLayout:
    """What is known of stereo videos beforehand, and what is asked of them.

    arrangement: side_by_side or top_bottom; None: what the file says, or side by side where its halves show one scene.
    A folder holds two files whatever is said. view: of each eye; None: what the file says, or a half sphere where the
    arrangement was told from the halves alone. swapped: the left picture was seen by the right eye. least_height: of an
    eye, in pixels. samples: frames that are looked at before the video is taken for stereo. crossed_deg: by how many
    degrees points may lie further right in the right eye (the median) before the eyes count as swapped.
    """

    def __init__(
        self,
        *,
        arrangement: str | None,
        view: EyeView | None,
        swapped: bool,
        least_height: int,
        samples: int,
        crossed_deg: float,
    ):
        known = [Arrangement.SIDE_BY_SIDE.value, Arrangement.TOP_BOTTOM.value]
        if arrangement is not None and arrangement not in known:
            raise InputError("arrangement", expected=" or ".join(known), found=arrangement, fix=CORRECT)
        if samples < 1:
            raise InputError("samples", expected="at least 1", found=str(samples), fix=CORRECT)
        self.arrangement = None if arrangement is None else Arrangement(arrangement)
        self.view, self.swapped, self.least_height = view, swapped, least_height
        self.samples, self.crossed_deg = samples, crossed_deg


def eye_size(subject: object, arrangement: Arrangement, height: int, width: int) -> tuple[int, int]:
    """Height and width of an eye in frames of a size. InputError: two eyes do not fit in."""
    side = {Arrangement.SIDE_BY_SIDE: ("width", width), Arrangement.TOP_BOTTOM: ("height", height)}.get(arrangement)
    if side and side[1] % 2:
        expected = f"an even {side[0]}, to be halved between the eyes"
        raise InputError(subject, expected=expected, found=f"{width} x {height}", fix="crop it")
    if arrangement is Arrangement.SIDE_BY_SIDE:
        return height, width // 2
    return (height // 2, width) if arrangement is Arrangement.TOP_BOTTOM else (height, width)


def halves(
    arrangement: Arrangement, frame: Float[Tensor, "3 h w"]
) -> tuple[Float[Tensor, "3 y x"], Float[Tensor, "3 y x"]]:
    """The left or upper, and the right or lower one of a frame of even size."""
    first, second = frame.chunk(2, dim=2 if arrangement is Arrangement.SIDE_BY_SIDE else 1)
    return first.contiguous(), second.contiguous()
