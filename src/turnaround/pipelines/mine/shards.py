"""`run.py pipeline=mine.shards`: mined clips in tar files that training streams."""

import hashlib
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.progress import track

from turnaround.io.existing import existing_file
from turnaround.io.mined_files import ClipFiles, annotations, files_of
from turnaround.io.shards import Shard, read_index, write_index, write_shard
from turnaround.io.stereo4d import read_stereo4d
from turnaround.pipelines.work import refuse_to_overwrite
from turnaround.types import InputError


class ShardsPipeline:
    """Tars of `clips_per_shard` clips each, the last of fewer, in an order that follows from the seed and the names.

    input: a mined folder, or a folder of released files. videos: where their videos lie, None for beside them (as of
    `files_of`). Clips that are broken, or whose left video is not there, are left out.
    """

    weights = ()

    def __init__(self, *, input: str, videos: str | None, clips_per_shard: int, seed: int):
        if clips_per_shard < 1:
            found, fix = str(clips_per_shard), "give clips_per_shard"
            raise InputError("clips_per_shard", expected="at least 1", found=found, fix=fix)
        self.input, self.videos = Path(input), None if videos is None else Path(videos)
        self.clips_per_shard, self.seed = clips_per_shard, seed

    def run(self, out: Path) -> dict[str, float]:
        """000000.tar and on, and shards.json, which is written last. Returns shards, clips and left_out."""
        refuse_to_overwrite(self.input, out.parent, [out.name])
        console = Console(stderr=True)
        lengths, left_out = dict[str, int](), dict[str, str]()
        files = {path.stem: files_of(path, videos=self.videos) for path in annotations(self.input)}
        for name, clip in track(files.items(), "checking", console=console):
            try:
                lengths[name] = _frames(clip)
            except InputError as error:
                left_out[name] = str(error)
        if not lengths:
            found = f"{len(files)}, all left out: {next(iter(left_out.values()))}"
            raise InputError(self.input, expected="clips with their videos", found=found, fix="run mine.validate on it")
        names = sorted(lengths, key=self._place)
        groups = [names[start : start + self.clips_per_shard] for start in range(0, len(names), self.clips_per_shard)]
        shards = []
        for number, group in enumerate(track(groups, "writing", console=console)):
            file = f"{number:06d}.tar"
            size = write_shard(out / file, [files[name] for name in group])
            shards.append(Shard(file=file, size=size, clips={name: lengths[name] for name in group}))
        before = _exported(out)
        write_index(out, shards, left_out)
        for file in before - {shard.file for shard in shards}:
            (out / file).unlink(missing_ok=True)
        return {"shards": float(len(shards)), "clips": float(len(lengths)), "left_out": float(len(left_out))}

    def _place(self, name: str) -> str:
        """Shuffles, since clips of one video, which are alike, stand beside each other in the folder."""
        return hashlib.sha256(f"{self.seed} {name}".encode()).hexdigest()


def _exported(out: Path) -> set[str]:
    """Tars of an earlier export to this folder."""
    with suppress(InputError):
        return {shard.file for shard in read_index(out)}
    return set()


def _frames(clip: ClipFiles) -> int:
    existing_file(clip.left, expected="the video of the left eye")
    return len(read_stereo4d(clip.annotation).timestamps)
