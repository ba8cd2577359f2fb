"""What a miner made of a video's pieces, against what they are: where it is cut, what is kept, and why not the rest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from turnaround.io.mined_manifest import Record, Status
from turnaround.metrics.base import Average
from turnaround.scenes.stereo_video import Faded, Kind, Segment, StereoVideo
from turnaround.types import Shot

NEAR = 1  # frames between a cut and where it is found
KEPT, TOUCHED = 0.8, 4  # share of a good segment's frames in clips; frames of a bad one that are none too many
REASONS: Mapping[Kind, frozenset[str]] = {
    Kind.STILL: frozenset({"still"}),
    Kind.FADE: frozenset({"fade"}),
    Kind.TEXT: frozenset({"text"}),
    Kind.NO_PARALLAX: frozenset({"parallax", "poses", "still"}),  # a camera that stands far off films a still
}


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """Of one video. cuts_found, cuts_true: share of the true cuts that were found, and of those found that are true.
    good_kept, bad_dropped: of its segments. right_reason: of the bad ones that were dropped for what they are."""

    cuts_found: Average
    cuts_true: Average
    good_kept: Average
    bad_dropped: Average
    right_reason: Average


def judged(video: StereoVideo, records: Sequence[Record]) -> Pieces:
    """records: of this video. A good segment is kept where clips hold `KEPT` of it, a bad one dropped where they hold
    at most `TOUCHED` of its bad frames."""
    spans = list(zip(video.segments, video.shots, strict=True))
    true = [shot.start for shot in video.shots[1:]]
    found = sorted({record.start for record in records if record.start})
    fading = [shot for segment, shot in spans if segment.kind is Kind.FADE]
    sound = [any(abs(cut - other) <= NEAR for other in true) or _within(cut, fading) for cut in found]
    good = [shot for segment, shot in spans if segment.kind is Kind.GOOD]
    bad = [(segment.kind, bad_frames(segment, shot)) for segment, shot in spans if segment.kind is not Kind.GOOD]
    dropped = [_held(shot, records) <= TOUCHED for _, shot in bad]
    reasons = [
        gone and any(record.reason in REASONS[kind] and _shared(shot, record) > 0 for record in records)
        for (kind, shot), gone in zip(bad, dropped, strict=True)
    ]
    return Pieces(
        cuts_found=_share(any(abs(cut - other) <= NEAR for other in found) for cut in true),
        cuts_true=_share(sound),
        good_kept=_share(_held(shot, records) >= KEPT * len(shot) for shot in good),
        bad_dropped=_share(dropped),
        right_reason=_share(reasons),
    )


def bad_frames(segment: Segment, shot: Shot) -> Shot:
    """Of a fade those in which both pictures are seen; of others all."""
    if not isinstance(segment, Faded):
        return shot
    return Shot(start=shot.start + segment.begin + 1, stop=shot.start + segment.end)


def _held(shot: Shot, records: Iterable[Record]) -> int:
    """Frames of it that are in clips."""
    return sum(_shared(shot, record) for record in records if record.status is Status.DONE)


def _shared(shot: Shot, record: Record) -> int:
    if record.start is None or record.stop is None:
        return 0
    return max(min(shot.stop, record.stop) - max(shot.start, record.start), 0)


def _within(frame: int, shots: Iterable[Shot]) -> bool:
    return any(shot.start - NEAR <= frame <= shot.stop + NEAR for shot in shots)


def _share(true: Iterable[bool]) -> Average:
    values = list(true)
    return Average(sum=float(sum(values)), count=len(values))
