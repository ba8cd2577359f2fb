"""`run.py pipeline=mine.validate`: whether files of Stereo4D's format are what they should be."""

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from turnaround.io.atomic import atomic_file
from turnaround.io.mined_files import ClipFiles, annotations, files_of
from turnaround.pipelines.mine.plausible import Plausible, findings, summed
from turnaround.types import InputError

SHOWN = (
    "frames",
    "tracks",
    "samples",
    "largest_step",
    "in_front",
    "inside",
    "reprojection",
    "scale",
    "disparity_scale",
)


class ValidatePipeline:
    """Checks each clip by itself; one that is broken does not end the run.

    input: an .npz, a mined folder, or a folder of released files. videos: where their videos lie, None for beside them
    (as of `files_of`). horizontal_fov_deg: of clips without a quality file.
    """

    weights = ()

    def __init__(self, *, input: str, videos: str | None, horizontal_fov_deg: float, limits: Plausible):
        self.input, self.videos = Path(input), None if videos is None else Path(videos)
        self.horizontal_fov_deg, self.limits = horizontal_fov_deg, limits

    def run(self, out: Path) -> dict[str, float]:
        """validation.jsonl, a line for each file: `status` (sound, doubtful or broken), `doubts` or the `error`, and
        the figures that were found; summary.txt. Returns how many files are of each status.

        InputError: none could be read.
        """
        found = [self.input] if self.input.suffix == ".npz" else annotations(self.input)
        rows = [self._row(files_of(path, videos=self.videos)) for path in track(found, "checking", console=_STDERR)]
        counts = summed(rows)
        _write(out / "validation.jsonl", "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))
        _write(out / "summary.txt", summary(rows))
        if counts["broken"] == len(rows):
            found = f"{len(rows)} that cannot, the first for this: {rows[0]['error']}"
            raise InputError(self.input, expected="a clip that can be read", found=found, fix="mine or fetch it again")
        return counts

    def _row(self, files: ClipFiles) -> Mapping[str, Any]:
        try:
            seen = findings(files, horizontal_fov_deg=self.horizontal_fov_deg, limits=self.limits)
        except InputError as error:
            return {"file": str(files.annotation), "status": "broken", "error": str(error)}
        status = "doubtful" if seen.doubts else "sound"
        return {"file": str(files.annotation), "status": status, "doubts": seen.doubts, **seen.figures}


def summary(rows: list[Mapping[str, Any]]) -> str:
    """Counts, the least, the median and the most of each figure, and what is wrong with which file."""
    lines = [f"{name:<16}{count:>10.0f}" for name, count in summed(rows).items()]
    lines += ["", f"{'':<16}{'least':>12}{'median':>12}{'most':>12}"]
    for name in SHOWN:
        values = [row[name] for row in rows if name in row]
        if values:
            shown = (min(values), statistics.median(values), max(values))
            lines.append(f"{name:<16}" + "".join(f"{value:>12.6g}" for value in shown))
    wrong = [row for row in rows if row["status"] != "sound"]
    said = [f"{Path(row['file']).name}: {row.get('error') or '; '.join(row['doubts'])}" for row in wrong]
    return "\n".join([*lines, *(["", *said] if said else []), ""])


_STDERR = Console(stderr=True)


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
