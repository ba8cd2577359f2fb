"""The folder of a run: what is done so far, so that a killed run goes on where it stopped, and what is left alone."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import turnaround
from turnaround.io.atomic import UnwritableError
from turnaround.types import InputError

WORK = "work"
CHUNK = 2**20


@contextmanager
def work_folder(out: Path, *decisive: str) -> Iterator[Path]:
    """`out/work/<hash>` of all that decides the result: `decisive` and the code of this package.

    It is removed when the block ends well, and with bad input, which no second attempt makes better; anything else
    leaves it, above all a kill or a full disk. Work of other settings is removed: a changed one starts anew.
    """
    key = hashlib.sha256("\n".join([*decisive, code_hash()]).encode()).hexdigest()[:16]
    folder = out / WORK / key
    for other in folder.parent.glob("*"):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    except UnwritableError:
        raise
    except InputError:
        shutil.rmtree(folder.parent)
        raise
    shutil.rmtree(folder.parent)


def refuse_to_overwrite(path: Path, out: Path, names: Iterable[str]) -> None:
    """The input must not be, or lie in, what a run replaces in `out`."""
    for name in names:
        if path.resolve().is_relative_to((out / name).resolve()):
            raise InputError(
                path, expected="an input outside of what is written", found=str(out / name), fix="choose another out="
            )


def content_hash(path: Path) -> str:
    """Of a file's bytes, or of the names and bytes of the files in a folder."""
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
    return _hash_of(path, files)


def tree_hash(path: Path) -> str:
    """Of a file's bytes, or of the names and bytes of all files below a folder."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return _hash_of(path, files)


@cache
def code_hash() -> str:
    package = Path(turnaround.__file__).parent
    return _hash_of(package, sorted(package.rglob("*.py")))


def _hash_of(path: Path, files: Sequence[Path]) -> str:
    found = hashlib.sha256()
    for file in files:
        found.update(f"{file.relative_to(path)}\n{file.stat().st_size}\n".encode())
        with file.open("rb") as opened:
            while chunk := opened.read(CHUNK):
                found.update(chunk)
    return found.hexdigest()
