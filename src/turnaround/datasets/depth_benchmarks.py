"""Clips of published video depth benchmarks as DepthCrafter's scripts prepare them, and where clips come from.

The sets' own layouts are read by `depth_benchmarks_raw`.
"""

import hashlib
from collections.abc import Sequence
from csv import DictReader, Error
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from turnaround.datasets.benchmark_files import read_prepared_depth, require_bounded
from turnaround.io.existing import inside
from turnaround.io.text import read_text
from turnaround.io.video import open_frames
from turnaround.types import Clip, DepthKind, DepthVideo, InputError, Video

COLUMNS = ("filepath_left", "filepath_disparity")
SAME_SHAPE = 0.02  # relative difference of aspect ratios that cropping a few pixels leaves


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Which files a clip was read from, as paths below the root and in order, and what was in them.

    sha256: hexadecimal, of the files' own SHA-256 digests one after another. Names are not hashed.
    """

    files: Sequence[str]
    sha256: str

    @property
    def sources(self) -> dict[str, str]:
        """Entries of `Clip.sources`; `frames` has one file per line."""
        return {"frames": "\n".join(self.files), "sha256": self.sha256}


def provenance(root: Path, files: Sequence[Path]) -> Provenance:
    digests = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digests.update(hashlib.file_digest(file, "sha256").digest())
    return Provenance(files=[path.relative_to(root).as_posix() for path in files], sha256=digests.hexdigest())


class PreparedClips:
    """Clips as DepthCrafter's benchmark prepares them (arXiv 2409.02095, its dataset_extract scripts): a `ClipSource`.

    csv: a table with the columns `filepath_left`, the RGB video, and `filepath_disparity`, an .npz that holds depth
    under the key `disparity` (`read_prepared_depth`), both below `root`. An id is the path of the depth without
    `_disparity.npz`. frames: of each clip the first so many are used, DepthCrafter's --seq_len.

    Video and depth have the same length and the same shape of picture. Their sizes may differ by a factor, as ScanNet's
    colour (1296 x 968) and depth (640 x 480) do: scoring resizes predictions to the truth.
    """

    def __init__(self, *, root: str, csv: str, frames: int):
        if frames < 1:
            raise InputError("frames", expected="at least 1", found=str(frames), fix="correct the benchmark's config")
        self.root, self.csv, self.frames = Path(root), Path(csv), frames

    def ids(self) -> Sequence[str]:
        return list(self._files)

    def clip(self, id: str) -> Clip:
        files = video, depth = self._files[id]
        values, length = read_prepared_depth(depth, frames=self.frames)
        names = [path.relative_to(self.root).as_posix() for path in files]
        return Clip(
            id=id,
            video=self._video(video, length, *values.shape[1:]),
            depth=DepthVideo(values=values, kind=DepthKind.METRIC),
            sources=dict(zip(("video", "depth"), names, strict=True)) | provenance(self.root, files).sources,
        )

    @cached_property
    def _files(self) -> dict[str, tuple[Path, Path]]:
        """Video and depth of each id, in the order of the table; all are there."""
        lines = read_text(self.csv, expected="a table of clips").splitlines()
        reader = DictReader(lines)
        files: dict[str, tuple[Path, Path]] = {}
        try:
            absent = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if absent:
                found, fix = f"none named {' or '.join(absent)}", "give a table of DepthCrafter's benchmark"
                raise InputError(self.csv, expected=f"the columns {' and '.join(COLUMNS)}", found=found, fix=fix)
            for row in reader:
                line = f"{self.csv} line {reader.line_num}"
                video, depth = (inside(self.root, row[column] or "", listed_in=line) for column in COLUMNS)
                id = depth.relative_to(self.root).as_posix().removesuffix(".npz").removesuffix("_disparity")
                if id in files:
                    raise InputError(line, expected="one line per clip", found=f"{id} again", fix="remove it")
                files[id] = video, depth
        except Error as error:
            raise InputError(self.csv, expected="a table of clips", found=str(error), fix="copy it again") from error
        missing = [path for pair in files.values() for path in pair if not path.is_file()]
        if missing or not files:
            expected = f"{2 * len(files) or 'some'} files below {self.root}"
            found = f"{len(missing)} missing, the first is {missing[0]}" if missing else "an empty table"
            raise InputError(self.csv, expected=expected, found=found, fix="prepare them, or correct the root")
        return files

    def _video(self, path: Path, length: int, height: int, width: int) -> Video:
        """The frames that are used, once it is sure that the video belongs to `length` maps of height x width."""
        source, kept, count = open_frames(path), min(length, self.frames), 0
        require_same_shape(path, (source.height, source.width), (height, width))
        require_bounded(path, kept, source.height, source.width)
        video = torch.empty(kept, 3, source.height, source.width)
        for count, frame in enumerate(source, start=1):
            if count > length:
                break
            if count <= kept:
                video[count - 1] = frame
        if count != length:
            found = f"{count} frames" if count < length else "more"
            fix = "prepare video and depth from the same frames"
            raise InputError(path, expected=f"{length} frames, as many as maps of depth", found=found, fix=fix)
        return video


def require_same_shape(path: Path, image: tuple[int, int], depth: tuple[int, int]) -> None:
    """Refuses a picture, height x width, whose aspect ratio is not that of its depth."""
    ratio = image[0] * depth[1] / (image[1] * depth[0])
    if abs(ratio - 1) > SAME_SHAPE:
        expected = f"the size of its depth, {depth[1]} x {depth[0]}, or a multiple"
        raise InputError(path, expected=expected, found=f"{image[1]} x {image[0]}", fix="prepare both alike")
