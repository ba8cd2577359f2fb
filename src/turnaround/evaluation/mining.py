"""Mining of synthetic stereo videos, of which everything is known: mined to disk, scored from disk, stage by stage."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turnaround.evaluation.mined_clip import MinedClip, of_frames
from turnaround.evaluation.mined_pieces import Pieces, judged
from turnaround.evaluation.score import Row, finite
from turnaround.io.clip_disparity import open_clip_disparity
from turnaround.io.clip_quality import read_clip_quality
from turnaround.io.mined_files import mined_files
from turnaround.io.mined_manifest import MANIFEST, Record, Status, read_manifest
from turnaround.io.stereo4d import read_stereo4d
from turnaround.metrics.base import average_of
from turnaround.scenes.stereo_bed import bed_folder
from turnaround.scenes.stereo_sample import StereoVideoSampler
from turnaround.scenes.stereo_video import Filmed, Kind, StereoVideo
from turnaround.types import InputError, VideoMiner


@dataclass(frozen=True, kw_only=True)
class MiningBenchmark:
    """Videos of seeds first, first + 1, … are mined. cache: where they are kept. frames, tracks: of each clip, that are
    looked at (`mined_clip`). root: as of other benchmarks; not needed."""

    name: str
    sampler: StereoVideoSampler
    first: int
    count: int
    cache: str
    frames: int
    tracks: int
    root: str | None = None

    def predict(self, method: object, folder: Path, seed: int, settings: str) -> None:
        """A folder of mined clips, folder/<method.name>; one that was begun is gone on with. InputError: a method of
        another kind."""
        if not isinstance(method, VideoMiner):
            subject, found = f"methods of benchmark {self.name}", type(method).__name__
            raise InputError(subject, expected="miners", found=found, fix="use contenders=mining")
        videos = bed_folder(Path(self.cache), self.sampler, range(self.first, self.first + self.count))
        method.mine(videos, folder / method.name)

    def score(self, folder: Path, method: str | None = None) -> Iterator[Row]:
        """A row of each video, of every mined folder in `folder`, or of `folder` itself."""
        folders = {path.name: path for path in sorted(folder.iterdir()) if (path / MANIFEST).is_file()}
        if (folder / MANIFEST).is_file():
            folders = {method or folder.name: folder}
        if not folders:
            raise InputError(folder, expected="folders of mined clips", found="none", fix="mine the videos first")
        for seed in range(self.first, self.first + self.count):
            video = self.sampler(seed)
            for label, mined in folders.items():
                records = [each for each in read_manifest(mined) if Path(each.video).stem == video.name]
                metrics, meta = self._score_video(video, records, mined)
                yield Row(benchmark=self.name, item=video.name, method=label, metrics=metrics, meta=meta)

    def _score_video(
        self, video: StereoVideo, records: Sequence[Record], mined: Path
    ) -> tuple[dict[str, float | None], dict[str, Any]]:
        pieces = judged(video, records)
        clips = [figures for record in records for figures in self._figures(video, record, mined)]
        names = list(dict.fromkeys(name for figures in clips for name in figures))
        means = {name: average_of([figures.get(name) for figures in clips]).value for name in names}
        meta = {
            "clips": len(clips),
            "segments": [str(segment.kind) for segment in video.segments],
            "outcomes": [_outcome(record) for record in records],
        }
        return {**_shares(pieces), **{name: finite(value) for name, value in means.items()}}, meta

    def _figures(self, video: StereoVideo, record: Record, mined: Path) -> Iterator[Mapping[str, float | None]]:
        """Of a clip that lies in a good segment; nothing of others."""
        if record.status is not Status.DONE or record.start is None or record.stop is None:
            return
        for segment, shot in zip(video.segments, video.shots, strict=True):
            inside = shot.start <= record.start and record.stop <= shot.stop
            if not inside or segment.kind is not Kind.GOOD or not isinstance(segment, Filmed):
                continue
            files = mined_files(mined, record.clip)
            clip = read_stereo4d(files.annotation)
            start = record.start - shot.start
            yield MinedClip(
                clip=clip,
                quality=read_clip_quality(files.quality),
                disparity=open_clip_disparity(files.disparity),
                shot=of_frames(segment.scene, start, start + len(clip.timestamps)),
                rig=video.rig,
                frames=self.frames,
                tracks=self.tracks,
            ).figures()


def _shares(pieces: Pieces) -> dict[str, float | None]:
    return {name: finite(average.value) for name, average in vars(pieces).items()}


def _outcome(record: Record) -> str:
    return f"{record.start}-{record.stop} {record.reason or record.error or record.status}"
