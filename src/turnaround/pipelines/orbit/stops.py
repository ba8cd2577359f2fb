"""Where along a path the next key view stands: as far ahead as what is known allows."""

from collections.abc import Callable
from dataclasses import dataclass

from turnaround.types import Pinhole

Unknown = Callable[[Pinhole], float]  # the share of a camera's picture that is not known yet

COARSE = 4  # how much smaller the pictures are by which that is measured
SAMPLES = 8  # frames of a gap that are looked at


@dataclass(frozen=True, kw_only=True)
class Arc:
    """What is left of a path: the frames after `first` and before `last`, grown from the first on, or backwards."""

    first: int
    last: int
    backwards: bool

    def grown(self, frame: int, *, both_ways: bool) -> "Arc":
        """What is left after a key view at `frame`; the other end is next where the path is grown from both."""
        first, last = (self.first, frame) if self.backwards else (frame, self.last)
        return Arc(first=first, last=last, backwards=both_ways and not self.backwards)


@dataclass(frozen=True, kw_only=True)
class Stops:
    """share: most of a new view that may be unknown, so that what is known decides it. frames: most frames of the path
    from one key view to the next. least: a gap needs no further view with less than this unknown in its frames."""

    share: float
    frames: int
    least: float

    def next(self, arc: Arc, cameras: Pinhole, unknown: Unknown) -> int | None:
        """The frame of the next key view, None where the gap is closed.

        That with the largest step of at most `frames` of which no more than `share` is unknown, found by bisection, for
        the unknown grows with the step; if even the smallest has more, the smallest.
        """
        left = arc.last - arc.first - 1
        places = sorted({arc.first + 1 + left * sample // SAMPLES for sample in range(SAMPLES)}) if left > 0 else []
        if all(unknown(cameras.at(frame)) <= self.least for frame in places):
            return None
        end, sign = (arc.last, -1) if arc.backwards else (arc.first, 1)
        low, high = 1, min(self.frames, left)
        while low < high:
            middle = (low + high + 1) // 2
            if unknown(cameras.at(end + sign * middle)) <= self.share:
                low = middle
            else:
                high = middle - 1
        return end + sign * low
