"""Units of mining: a video, of which shots are found, and a clip, of which tracks are made. Each leaves a small file in
`records/` when it is done, under the hash of all that decided it, so that it is done once.
"""

import json
import shutil
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from turnaround.io.atomic import UnwritableError, atomic_file
from turnaround.io.mined_files import CLIPS
from turnaround.io.mined_manifest import Record, Status, record_of
from turnaround.pipelines.mine.executor import Failure
from turnaround.types import DropError, InputError, LeftOut, Shot, WeightsNotice

RECORDS, VIDEOS = "records", "videos"


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What a video is made of. times: microseconds at which the shots begin."""

    shots: Sequence[Shot]
    times: Sequence[int]
    left_out: Sequence[LeftOut]


@dataclass(frozen=True, kw_only=True)
class VideoUnit:
    """path: of a file, or of a folder that is one video. id: unlike all others'. key: of what decides its clips, but
    for the shot."""

    path: Path
    id: str
    key: str

    def parts(self, found: "Survey | Record | Failure") -> "Iterator[ClipUnit | Record]":
        """Its clips, and the records of what is none, in the order of time."""
        if isinstance(found, Record):
            yield found
        elif isinstance(found, Failure):
            yield Record(clip=self.id, video=self.path.name, status=Status.FAILED, error=found.error)
        else:
            units = [
                ClipUnit(video=self, shot=shot, name=f"{self.id}_{time}")
                for shot, time in zip(found.shots, found.times, strict=True)
            ]
            left_out = [self._without(part) for part in found.left_out]
            yield from sorted([*units, *left_out], key=_start)

    def _without(self, part: LeftOut) -> Record:
        """Named after its first frame, for it has no timestamp in its name."""
        return Record(
            clip=f"{self.id}_frame_{part.shot.start}",
            video=self.path.name,
            status=Status.DROPPED,
            start=part.shot.start,
            stop=part.shot.stop,
            reason=part.reason,
            value=part.value,
            limit=part.limit,
        )


@dataclass(frozen=True, kw_only=True)
class ClipUnit:
    video: VideoUnit
    shot: Shot
    name: str

    @property
    def key(self) -> str:
        return f"{self.video.key} {self.shot.start} {self.shot.stop}"

    @property
    def named(self) -> dict[str, Any]:
        """What a record says of it in any case."""
        path, shot = self.video.path, self.shot
        return {"clip": self.name, "video": path.name, "start": shot.start, "stop": shot.stop}

    def failed(self, error: str) -> Record:
        return Record(status=Status.FAILED, error=error, **self.named)


@dataclass(frozen=True, kw_only=True)
class MinedClip:
    """name, shot: of what became of a unit, which may be less of it. figures: of the manifest. files: sha256 by path
    below the folder."""

    name: str
    shot: Shot
    figures: Mapping[str, float]
    files: Mapping[str, str]


@runtime_checkable
class Miner(Protocol):
    """What is done to videos and clips. Picklable; the same input gives the same files."""

    @property
    def weights(self) -> Sequence[WeightsNotice]: ...

    @property
    def settings(self) -> str:
        """All that decides what it makes, as text."""
        ...

    def survey(self, path: Path) -> Survey:
        """InputError: a video that cannot be used. DropError: one that is of no use."""
        ...

    def mine(self, unit: ClipUnit, out: Path, work: Path) -> MinedClip:
        """Writes a clip's files below `out`. work: a folder for what it keeps meanwhile; a killed call goes on from
        it. Errors as of `survey`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Surveying:
    """The function of a video's unit: the survey, or the record of a video without any."""

    miner: Miner
    out: Path

    def __call__(self, video: VideoUnit) -> Survey | Record:
        path = self.out / RECORDS / VIDEOS / f"{video.id}.json"
        kept = _kept(path, video.key)
        if kept is not None:
            return survey_of(kept) if "shots" in kept else record_of(path, json.dumps(kept))
        found = _outcome(lambda: self.miner.survey(video.path), clip=video.id, video=video.path.name)
        _keep(path, video.key, found.stored() if isinstance(found, Record) else asdict(found))
        return found


@dataclass(frozen=True, kw_only=True)
class Mining:
    """The function of a clip's unit: its record."""

    miner: Miner
    out: Path
    work: Path

    def __call__(self, unit: ClipUnit) -> Record:
        path = _record_path(self.out, unit.name)
        kept = _kept(path, unit.key)
        if kept is not None:
            record = record_of(path, json.dumps(kept))
            if all((self.out / file).is_file() for file in record.files):
                return record
        remove_clip(self.out, unit.name)  # what it was by other settings
        work = self.work / unit.name
        found = _outcome(lambda: self.miner.mine(unit, self.out, work), **unit.named)
        if isinstance(found, MinedClip):
            made = replace(unit, name=found.name, shot=found.shot)
            found = Record(status=Status.DONE, figures=found.figures, files=found.files, **made.named)
        _keep(path, unit.key, found.stored())
        shutil.rmtree(work, ignore_errors=True)
        return found


def forget_others(out: Path, *, videos: Container[str], clips: Container[str]) -> None:
    """Removes what runs left of videos and clips that are none any more."""
    for path in (out / RECORDS / VIDEOS).glob("*.json"):
        if path.stem not in videos:
            path.unlink()
    for path in (out / RECORDS / CLIPS).glob("*.json"):
        if path.stem not in clips:
            remove_clip(out, path.stem)


def remove_clip(out: Path, name: str) -> None:
    """A clip's record, and the files that it names."""
    path = _record_path(out, name)
    stored = _read(path)
    if stored is not None:
        for file in record_of(path, json.dumps(stored.get("kept"))).files:
            if (out / file).resolve().is_relative_to(out.resolve()):
                (out / file).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def survey_of(stored: Mapping[str, Any]) -> Survey:
    left_out = [LeftOut(**part | {"shot": Shot(**part["shot"])}) for part in stored["left_out"]]
    return Survey(shots=[Shot(**shot) for shot in stored["shots"]], times=list(stored["times"]), left_out=left_out)


def _outcome(work: Callable[[], Any], **named: Any) -> Any:
    """What the work gives, or the record of why it gives nothing. A full disk is no fault of the clip's: it leaves no
    record, so that the next run tries again."""
    try:
        return work()
    except UnwritableError:
        raise
    except DropError as drop:
        return Record(status=Status.DROPPED, reason=drop.reason, value=drop.value, limit=drop.limit, **named)
    except InputError as error:
        return Record(status=Status.FAILED, error=str(error), **named)


def _kept(path: Path, key: str) -> dict[str, Any] | None:
    """What a unit with this key left."""
    stored = _read(path)
    return stored["kept"] if stored is not None and stored["key"] == key else None


def _read(path: Path) -> dict[str, Any] | None:
    """A damaged file is none."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(stored, dict) and stored.keys() == {"key", "kept"} and isinstance(stored["kept"], dict)
    return stored if whole else None


def _record_path(out: Path, name: str) -> Path:
    return out / RECORDS / CLIPS / f"{name}.json"


def _start(part: ClipUnit | Record) -> int:
    return part.shot.start if isinstance(part, ClipUnit) else part.start or 0


def _keep(path: Path, key: str, value: Mapping[str, Any]) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps({"key": key, "kept": value}, allow_nan=False), encoding="utf-8")
