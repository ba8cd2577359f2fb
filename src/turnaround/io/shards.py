"""Many clips in a few plain tar files, so that training reads large files in order; webdataset reads them too.

A clip's files are members <name>.npz, <name>.left.mp4 and so on; `shards.json` beside the tars says which clips lie in
which, and how many frames they have.
"""

import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from turnaround.io.atomic import atomic_file
from turnaround.io.existing import existing_file, inside
from turnaround.io.json_object import read_object
from turnaround.io.mined_files import ClipFiles, mined_files
from turnaround.types import InputError

INDEX, VERSION = "shards.json", 1
KINDS = {
    "npz": "annotation",
    "left.mp4": "left",
    "right.mp4": "right",
    "quality.npz": "quality",
    "disparity.npz": "disparity",
}  # suffixes of members, and the fields of `ClipFiles` they hold
MAX_MEMBER = 2**34  # bytes: 16 GiB
CHUNK = 2**20
FIX = "export the shards again"


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A tar, how long it is in bytes, and the clips in it: name to number of frames."""

    file: str
    size: int
    clips: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Member:
    """Where the bytes of a file lie in its tar."""

    offset: int
    size: int


def write_shard(path: Path, clips: Iterable[ClipFiles]) -> int:
    """What is there of each clip's files. Returns the size in bytes.

    The same files give the same bytes: there are no times or owners in it.
    """
    with atomic_file(path) as temporary, tarfile.open(temporary, "w") as archive:
        for clip in clips:
            for kind, field in KINDS.items():
                file: Path = getattr(clip, field)
                if file.is_file():
                    info = tarfile.TarInfo(f"{_key(clip.name)}.{kind}")
                    info.size = file.stat().st_size
                    with file.open("rb") as opened:
                        archive.addfile(info, opened)
    return path.stat().st_size


def write_index(folder: Path, shards: Sequence[Shard], left_out: Mapping[str, str]) -> None:
    """left_out: clips that are in none, and why."""
    listed = [{"file": shard.file, "bytes": shard.size, "clips": dict(shard.clips)} for shard in shards]
    stored = {"version": VERSION, "shards": listed, "left_out": dict(left_out)}
    with atomic_file(folder / INDEX) as temporary:
        temporary.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_index(folder: Path) -> list[Shard]:
    """InputError: none, another version, no clips, or a clip that is listed twice."""
    path = folder / INDEX
    stored = read_object(path, expected="shards of pipeline=mine.shards")
    if stored.get("version") != VERSION:
        raise InputError(f"{path}, version", expected=str(VERSION), found=repr(stored.get("version"))[:40], fix=FIX)
    listed = stored.get("shards")
    shards = [_shard(path, folder, item) for item in (listed if isinstance(listed, list) else [])]
    names = [name for shard in shards for name in shard.clips]
    if not names or len(set(names)) < len(names):
        found = "a clip that is listed twice" if names else "none"
        raise InputError(path, expected="shards of clips, each listed once", found=found, fix=FIX)
    return shards


def shard_members(folder: Path, shard: Shard) -> dict[str, dict[str, Member]]:
    """Where the files of each clip lie: name -> kind -> place. Members of other kinds are passed over.

    InputError: damage, another size than listed, a member that is too large or no plain file.
    """
    path = folder / shard.file
    found: dict[str, dict[str, Member]] = {}
    size = existing_file(path, expected="a tar of clips").stat().st_size
    if size != shard.size:
        raise InputError(path, expected=f"{shard.size} bytes, as {INDEX} has it", found=str(size), fix="copy it again")
    try:
        with tarfile.open(path, "r:") as archive:
            for info in archive:
                key, _, kind = info.name.partition(".")
                if not info.isreg() or info.issparse() or not 0 <= info.size <= MAX_MEMBER:
                    kind_found = f"{info.name[:80]!r}, {info.size} bytes, or no such file"
                    expected = f"plain files of at most {MAX_MEMBER} bytes"
                    raise InputError(path, expected=expected, found=kind_found, fix=FIX)
                if info.offset_data + info.size > size:
                    raise InputError(path, expected=f"{info.name[:80]} whole", found="a tar that ends in it", fix=FIX)
                if kind in KINDS:
                    found.setdefault(unquote(key), {})[kind] = Member(offset=info.offset_data, size=info.size)
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        raise InputError(path, expected="a tar of clips", found=f"a damaged one ({error})", fix=FIX) from error
    return found


def extract_clip(path: Path, members: Mapping[str, Member], name: str, folder: Path) -> ClipFiles:
    """Puts the files of a clip into an empty folder, by names of ours."""
    clip = mined_files(folder, name)
    with path.open("rb") as archive:
        for kind, member in members.items():
            target: Path = getattr(clip, KINDS[kind])
            target.parent.mkdir(parents=True, exist_ok=True)
            archive.seek(member.offset)
            with target.open("wb") as file:
                left = member.size
                while left:
                    data = archive.read(min(left, CHUNK))
                    if not data:
                        raise InputError(path, expected=f"{kind} of {name} whole", found="the end of the tar", fix=FIX)
                    left -= file.write(data)
    return clip


def _key(name: str) -> str:
    """The name without the dot that ends it in a member's name, and without what tars may not hold."""
    return quote(name, safe="").replace(".", "%2E")


def _shard(path: Path, folder: Path, item: Any) -> Shard:
    file, size, clips = (item.get(key) if isinstance(item, dict) else None for key in ("file", "bytes", "clips"))
    if not isinstance(file, str) or type(size) is not int or not isinstance(clips, dict):
        raise InputError(
            path, expected="a file, its bytes and its clips for each shard", found=repr(item)[:40], fix=FIX
        )
    if not all(type(frames) is int and frames > 0 for frames in clips.values()):
        raise InputError(path, expected=f"numbers of frames of the clips of {file}", found="others", fix=FIX)
    inside(folder, file, listed_in=path)
    return Shard(file=file, size=size, clips=clips)
