"""A video into shots that points can be followed through."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float
from torch import Tensor

from turnaround.io.shots import OneShot, ShotCuts
from turnaround.pipelines.mine.fading import FadeMeasure, Glimpse, lasting
from turnaround.pipelines.mine.following import Follower, grey
from turnaround.types.mining import DropError, LeftOut, Shot

Frames = Iterable[Float[Tensor, "3 h w"]]


@dataclass(frozen=True, kw_only=True)
class FoundShots:
    """Both in order; together they are the whole video, each frame once. Reasons are `trim`, `fade`, `still`, `lost`
    and `short`."""

    kept: tuple[Shot, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """Of each frame: the number of its shot by cuts, the share of points followed from the frame before it, how much
    the picture changes within `still_frames`, and where a fade has its middle there: its value and its scale."""

    labels: list[int]
    followed: list[float]
    change: list[float]
    fades: list[tuple[float, int]]


class ShotFinder:
    """Cuts a video where it is cut, fades, stands still, or where points are lost as a SLAM would be.

    Takes small pictures (about 160 to 256 pixels wide) one by one and holds those of the widest fade. trim_seconds: cut
    off the start and the end of a video (titles). least, most: frames of a clip; longer shots become pieces of at most
    that. fade: limit of `FadeMeasure`. followed: share of points from frame to frame below which a shot ends; a frame
    with fewer than `corners` of them says nothing (a clip without texture is dropped as such). still_frames, still: a
    picture of which less than the share `still` has changed by more than `still_levels` grey levels within that
    many frames stands still.
    """

    def __init__(
        self,
        *,
        cuts: ShotCuts | OneShot,
        fades: FadeMeasure,
        follower: Follower,
        trim_seconds: float,
        least: int,
        most: int,
        fade: float,
        followed: float,
        corners: int,
        still_frames: int,
        still_levels: float,
        still: float,
    ):
        self._cuts, self._fades, self._follower = cuts, fades, follower
        self._trim, self._least, self._most = trim_seconds, least, most
        self._fade, self._followed, self._corners = fade, followed, corners
        self._still_frames, self._still_levels, self._still = still_frames, still_levels, still

    def find(self, frames: Frames, *, fps: float) -> FoundShots:
        """Of the left eye."""
        seen = self._look(frames)
        count = len(seen.labels)
        reasons = np.array([None] * count, dtype=object)
        for middle, scale in _peaks(seen.fades, self._fade):
            reasons[middle - scale : middle + scale + 1] = DropError(
                "fade", value=seen.fades[middle][0], limit=self._fade
            )
        for start, stop, change in self._still_runs(seen):
            for frame in range(start, stop):
                if reasons[frame] is None:
                    reasons[frame] = DropError("still", value=change, limit=self._still)
        trimmed = round(self._trim * fps)
        if trimmed:
            title = DropError("trim", value=self._trim, limit=self._trim)
            reasons[:trimmed] = reasons[max(count - trimmed, 0) :] = title
        return self._divided(seen, reasons)

    def _look(self, frames: Frames) -> _Seen:
        seen = _Seen(labels=[], followed=[], change=[], fades=[])
        reach = max(self._fades.scales)
        held: deque[Glimpse] = deque(maxlen=2 * reach + 1)
        recent: deque[np.ndarray] = deque(maxlen=self._still_frames + 1)
        for frame, label in self._cuts.label(frames):
            now = Glimpse(grey(frame))
            seen.followed.append(self._survival(held[-1], now) if held else 1.0)
            seen.labels.append(label)
            held.append(now)
            recent.append(cv2.GaussianBlur(now.picture.astype(np.float32), (0, 0), 1.5))
            seen.change.append(float((np.abs(recent[-1] - recent[0]) > self._still_levels).mean()))
            if len(seen.labels) > reach:
                seen.fades.append(self._fade_at(held, seen.labels, reach + 1))
        tail = len(seen.labels) - len(seen.fades)
        seen.fades.extend(self._fade_at(held, seen.labels, left) for left in range(tail, 0, -1))
        return replace(seen, fades=lasting(seen.fades))

    def _fade_at(self, held: Sequence[Glimpse], labels: Sequence[int], left: int) -> tuple[float, int]:
        """Of the frame that is `left` from the end, within its shot."""
        recent = labels[-len(held) :]
        shot = [glimpse for glimpse, label in zip(held, recent, strict=True) if label == recent[-left]]
        return self._fades.at(shot, len(held) - left - recent.index(recent[-left]))

    def _survival(self, before: Glimpse, now: Glimpse) -> float:
        corners = self._follower.corners(before.picture)
        if len(corners) < self._corners:
            return 1.0
        return float(self._follower.follow(before.picture, now.picture, corners)[1].mean())

    def _still_runs(self, seen: _Seen) -> Iterator[tuple[int, int, float]]:
        """Ranges of frames between any two of which, `still_frames` apart, nothing changes; and how much does."""
        quiet = np.array([*(change < self._still for change in seen.change), False])
        quiet[: self._still_frames] = False  # of these too little is known
        edges = np.flatnonzero(np.diff(quiet, prepend=False))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            yield int(start) - self._still_frames, int(stop), max(seen.change[start:stop])

    def _divided(self, seen: _Seen, reasons: np.ndarray) -> FoundShots:
        kept: list[Shot] = []
        left_out: list[LeftOut] = []
        for shot, why in self._runs(seen, reasons):
            if why is not None:
                left_out.append(_left_out(shot, why))
                continue
            for piece in _pieces(shot, self._most):
                if len(piece) >= self._least:
                    kept.append(piece)
                else:
                    short = _left_out(piece, self._too_short(seen, piece))
                    left_out[-1:] = _joined(left_out[-1:], short)
        return FoundShots(kept=tuple(kept), left_out=tuple(left_out))

    def _too_short(self, seen: _Seen, piece: Shot) -> DropError:
        """What begins or ends with a loss is lost, and else it is short."""
        ends = [at for at in (piece.start, piece.stop) if 0 < at < len(seen.labels)]
        within = [seen.followed[at] for at in ends if seen.labels[at] == seen.labels[at - 1]]  # no cut
        lost = min(within, default=1.0)
        if lost < self._followed:
            return DropError("lost", value=lost, limit=self._followed)
        return DropError("short", value=float(len(piece)), limit=float(self._least))

    def _runs(self, seen: _Seen, reasons: np.ndarray) -> Iterator[tuple[Shot, DropError | None]]:
        """Frames that follow each other in one shot and share a reason, or have none."""
        start = 0
        for frame in range(1, len(seen.labels) + 1):
            if frame < len(seen.labels) and not self._parts(seen, reasons, frame):
                continue
            yield Shot(start=start, stop=frame), reasons[start]
            start = frame

    def _parts(self, seen: _Seen, reasons: np.ndarray, frame: int) -> bool:
        """Whether a frame begins something else than the frame before it belongs to."""
        before, now = (None if why is None else why.reason for why in reasons[frame - 1 : frame + 1])
        if before is not None or now is not None:
            return before != now
        return seen.labels[frame] != seen.labels[frame - 1] or seen.followed[frame] < self._followed


def _peaks(fades: Sequence[tuple[float, int]], limit: float) -> Iterator[tuple[int, int]]:
    """The middle and the scale of each fade: of frames that follow each other and reach the limit those with the
    least scale and nearly the largest value, and of these the middle one."""
    fading = np.array([False, *(value >= limit for value, _ in fades), False])
    edges = np.flatnonzero(np.diff(fading))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        best = max(fades[start:stop])[0]
        narrow = min(scale for value, scale in fades[start:stop] if value >= 0.85 * best)
        middles = [at for at in range(start, stop) if fades[at][0] >= 0.85 * best and fades[at][1] == narrow]
        yield middles[len(middles) // 2], narrow


def _left_out(shot: Shot, why: DropError) -> LeftOut:
    return LeftOut(shot=shot, reason=why.reason, value=why.value, limit=why.limit)


def _joined(last: list[LeftOut], new: LeftOut) -> list[LeftOut]:
    """One range of two that touch, where both are lost; the worse says why."""
    if not last or last[0].shot.stop != new.shot.start or {last[0].reason, new.reason} != {"lost"}:
        return [*last, new]
    worse = min(last[0], new, key=lambda each: each.value)
    return [replace(worse, shot=Shot(start=last[0].shot.start, stop=new.shot.stop))]


def _pieces(shot: Shot, most: int) -> Iterator[Shot]:
    """As many as needed, of about one length."""
    count = -(-len(shot) // most)
    edges = [shot.start + len(shot) * number // count for number in range(count + 1)]
    return (Shot(start=start, stop=stop) for start, stop in itertools.pairwise(edges))
