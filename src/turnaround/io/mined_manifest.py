"""`manifest.jsonl` of a folder of mined clips, which says what became of each.

A record is one line of JSON: `clip`, `video`, `start`, `stop` (frames), `status`; of a dropped clip `reason`, `value`
and `limit`; of a failed one `error`; `figures` (numbers by name) and `files` (the sha256 of each, by its path).
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from turnaround.io.atomic import atomic_file
from turnaround.io.text import read_text
from turnaround.types import InputError

MANIFEST = "manifest.jsonl"
MAX_MANIFEST = 2**30  # bytes


class Status(StrEnum):
    DONE = "done"
    DROPPED = "dropped"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Record:
    """What became of a clip; of a video that came to no clip, `clip` is its own name and its frames are not known."""

    clip: str
    video: str
    status: Status
    start: int | None = None
    stop: int | None = None
    reason: str | None = None
    value: float | None = None
    limit: float | None = None
    error: str | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    def stored(self) -> dict[str, Any]:
        """As JSON has it: what is not known is left out."""
        values = {key: value for key, value in asdict(self).items() if value not in (None, {})}
        return {key: _finite(value) for key, value in values.items()}


def write_manifest(folder: Path, records: Iterable[Record]) -> None:
    lines = (json.dumps(record.stored(), allow_nan=False, ensure_ascii=False) + "\n" for record in records)
    with atomic_file(folder / MANIFEST) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def read_manifest(folder: Path) -> list[Record]:
    path = folder / MANIFEST
    text = read_text(path, expected="the manifest of a mined folder", most=MAX_MANIFEST)
    return [record_of(path, line) for line in text.splitlines()]


def record_of(subject: object, line: str) -> Record:
    try:
        stored = json.loads(line)
        return Record(**stored | {"status": Status(stored["status"])})
    except (ValueError, TypeError, KeyError) as error:
        expected, found = "a record of a clip", " ".join(str(error).split())
        raise InputError(subject, expected=expected, found=found, fix="mine it again") from error


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return {key: _finite(each) for key, each in value.items()} if isinstance(value, dict) else value
