"""`run.py pipeline=mine`: stereo videos to clips with tracks in space, any number of them, whatever happens to one."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from rich.progress import Progress

from turnaround.io.mined_files import CLIPS, DISPARITY, QUALITY
from turnaround.io.mined_manifest import MANIFEST, Record, Status, write_manifest
from turnaround.pipelines.mine.executor import Executor, Failure
from turnaround.pipelines.mine.summary import write_summary
from turnaround.pipelines.mine.units import (
    RECORDS,
    ClipUnit,
    Miner,
    Mining,
    Survey,
    Surveying,
    VideoUnit,
    forget_others,
)
from turnaround.pipelines.mine.videos import find_videos
from turnaround.pipelines.progress import progress_bar
from turnaround.pipelines.work import WORK, code_hash, refuse_to_overwrite, tree_hash
from turnaround.types import WeightsNotice

SUMMARY = "summary.html"
OUTPUTS = (CLIPS, QUALITY, DISPARITY, RECORDS, MANIFEST, SUMMARY)
OFTEN = 20.0  # seconds between manifests of what is done so far


class MinePipeline:
    """Every video is surveyed for shots, every shot is mined; videos and clips are units of work of `executor`.

    A run that was killed at any moment and is started again with the same `out` goes on where it stopped and ends with
    the same files; what was finished is not done again. Changed settings, code or videos make their clips anew, and
    clips that are none any more are removed.

    Writes `clips/<name>.npz`, `_left.mp4` and `_right.mp4`, `quality/<name>.npz`, `disparity/<name>.npz`,
    `manifest.jsonl`, `summary.html`, and `records/`, which is what it goes on from.
    """

    def __init__(self, *, input: str, miner: Miner, executor: Executor):
        self.input, self.miner, self.executor = input, miner, executor

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self.miner.weights

    def run(self, out: Path) -> dict[str, float]:
        """Returns how many videos and clips there were, and how many clips were done, dropped and failed."""
        paths = find_videos(Path(self.input))
        for path in paths.values():
            refuse_to_overwrite(path, out, OUTPUTS)
        settings = hashlib.sha256(f"{code_hash()} {self.miner.settings}".encode()).hexdigest()
        videos = [VideoUnit(path=path, id=id, key=f"{settings} {tree_hash(path)}") for id, path in paths.items()]
        with progress_bar() as progress:
            parts = list(self._surveyed(out, videos, progress))
            records = self._mined(out, parts, progress)
        forget_others(out, videos=paths, clips={part.name for part in parts if isinstance(part, ClipUnit)})
        write_manifest(out, records)
        write_summary(out / SUMMARY, records)
        shutil.rmtree(out / WORK, ignore_errors=True)
        counts = {str(status): float(sum(record.status is status for record in records)) for status in Status}
        return {"videos": float(len(videos)), "clips": float(len(records)), **counts}

    def _surveyed(self, out: Path, videos: Sequence[VideoUnit], progress: Progress) -> Iterator[Record | ClipUnit]:
        """What all videos are made of, in their order and that of time."""
        task = progress.add_task("finding shots", total=len(videos))
        found: dict[int, Survey | Record | Failure] = {}
        for number, result in self.executor.run(Surveying(miner=self.miner, out=out), videos):
            found[number] = result
            progress.advance(task)
        for number, video in enumerate(videos):
            yield from video.parts(found[number])

    def _mined(self, out: Path, parts: Sequence[Record | ClipUnit], progress: Progress) -> list[Record]:
        units = [part for part in parts if isinstance(part, ClipUnit)]
        task = progress.add_task("mining clips", total=len(units))
        records = {part.clip: part for part in parts if isinstance(part, Record)}
        written = monotonic()
        mining = Mining(miner=self.miner, out=out, work=out / WORK)
        for number, result in self.executor.run(mining, units):
            unit = units[number]
            records[unit.name] = unit.failed(result.error) if isinstance(result, Failure) else result
            progress.advance(task)
            if monotonic() - written > OFTEN:
                write_manifest(out, _in_order(parts, records))
                written = monotonic()
        return _in_order(parts, records)


def _in_order(parts: Sequence[Record | ClipUnit], records: Mapping[str, Record]) -> list[Record]:
    names = [part.clip if isinstance(part, Record) else part.name for part in parts]
    return [records[name] for name in names if name in records]


@dataclass(frozen=True, kw_only=True)
class MiningMethod:
    """A `VideoMiner`, to be scored."""

    name: str
    miner: Miner
    executor: Executor

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self.miner.weights

    def mine(self, videos: Path, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        MinePipeline(input=str(videos), miner=self.miner, executor=self.executor).run(out)
