"""Where along a path the next key view stands: as far ahead as what is known allows."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from turnaround.types import Pinhole

Unknown = Callable[[Pinhole], float]  # the share of a camera's picture that is not known yet

COARSE = 4  # how much smaller the pictures are by which that is measured
SAMPLES = 8  # frames of a gap that are looked at


@dataclass(frozen=True, kw_only=True)
class Arc:
    """A part of a path: the frames after `first` and before `last`, grown from the first on, or backwards."""

    first: int
    last: int
    backwards: bool

    def parted(self, frame: int, *, both_ways: bool) -> tuple["Arc", "Arc"]:
        """What is left after a key view at `frame`: ahead of it, where the other end is next if the path is grown from
        both, and what it has stepped over."""
        parts = (self.first, frame), (frame, self.last)
        over, ahead = reversed(parts) if self.backwards else parts
        backwards = both_ways and not self.backwards
        return Arc(first=ahead[0], last=ahead[1], backwards=backwards), Arc(
            first=over[0], last=over[1], backwards=False
        )


@dataclass(frozen=True, kw_only=True)
class Stops:
    """share: most of a new view that may be unknown, so that what is known decides it. least: a gap needs no further
    view with less than this unknown in its frames."""

    share: float
    least: float

    def next(self, arc: Arc, cameras: Pinhole, unknown: Unknown) -> int | None:
        """The frame of the next key view, None where the gap is closed.

        Where no frame of the gap has more than `share` unknown, that with the most. Else that with the largest step of
        which no more than `share` is, found by bisection, for the unknown grows with the step until the other end is
        near; if even the smallest has more, the smallest.
        """
        left = arc.last - arc.first - 1
        places = sorted({arc.first + 1 + left * sample // SAMPLES for sample in range(SAMPLES)}) if left > 0 else []
        found = {frame: unknown(cameras.at(frame)) for frame in places}
        most = max(found.values(), default=0.0)
        if most <= self.least:
            return None
        if most <= self.share:
            return max(places, key=lambda frame: found[frame])
        end, sign = (arc.last, -1) if arc.backwards else (arc.first, 1)
        low, high = 1, left
        while low < high:
            middle = (low + high + 1) // 2
            if unknown(cameras.at(end + sign * middle)) <= self.share:
                low = middle
            else:
                high = middle - 1
        return end + sign * low


def coarse(camera: Pinhole) -> Pinhole:
    """`COARSE` times smaller."""
    k = camera.intrinsics.clone()
    k[:, :2] /= COARSE
    return replace(camera, intrinsics=k, height=camera.height // COARSE, width=camera.width // COARSE)
