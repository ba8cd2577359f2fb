"""Files and folders that appear whole or not at all: written under a temporary name beside the target, then renamed."""

import glob
import os
import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from turnaround.types import InputError

STAGED = "staged"  # what `atomic_entries` calls its folder, but for the temporary part

_Writer = TypeVar("_Writer", bound="AtomicWriter")  # beartype takes typing.Self only where it decorates the class


class UnwritableError(InputError):
    """Of a place that cannot be written to or is full: what was done so far may be of use once there is room."""


def unwritable(path: Path, reason: str) -> UnwritableError:
    return UnwritableError(
        path,
        expected="a writable place with enough room",
        found=reason,
        fix="choose another out= folder or free space",
    )


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, of its suffix, that takes its place when the block ends well and vanishes otherwise.

    Missing parent folders are made. A place that cannot be written to (permissions, a file where a folder should be)
    is refused on entry, before any work is lost; a full disk, quota or file size limit when it is met: both InputError.
    """
    if path.is_dir():
        raise unwritable(path, "a folder of that name")
    temporary = _beside(path)
    with _refused_by_the_system(path, temporary):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.open("xb").close()
        mode = temporary.stat().st_mode
        try:
            yield temporary
            temporary.chmod(mode)  # safetensors makes files that no other user may read
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, pattern: str) -> Iterator[Path]:
    """An empty folder beside `path` that takes its place when the block ends well and vanishes otherwise.

    An older folder of that name is removed only once the new one is complete, and only if all it holds are files that
    match `pattern`: a mistaken out= must not erase anything else. Errors as of `atomic_file`.
    """
    path = path.resolve()  # a link stays a link: what it points to is replaced
    _require_replaceable(path, pattern)
    temporary, retired = _beside(path), _beside(path)
    with _refused_by_the_system(path, temporary):
        temporary.mkdir(parents=True)
        try:
            yield temporary
            if path.exists():
                os.rename(path, retired)
            try:
                os.rename(temporary, path)
            except OSError:
                with suppress(FileNotFoundError):
                    os.rename(retired, path)
                raise
            shutil.rmtree(retired, ignore_errors=True)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def atomic_entries(out: Path, names: Mapping[str, str]) -> Iterator[Path]:
    """An empty folder in `out`; the entries of these names made in it move to `out` when the block ends well.

    A name that ends in "/" is a folder of files that match the pattern beside it; that of a file is not looked at. All
    names must have been made. Errors as of `atomic_file` and `atomic_folder`, on entry for all of them.
    """
    with ExitStack() as stack:
        places = {
            name: stack.enter_context(
                atomic_folder(out / name, pattern=pattern) if name.endswith("/") else atomic_file(out / name)
            )
            for name, pattern in names.items()
        }
        staged = _beside(out / STAGED)
        with _refused_by_the_system(out / STAGED, staged):
            staged.mkdir(parents=True)
            try:
                yield staged
                for name, place in places.items():
                    os.replace(staged / name, place)
            finally:
                shutil.rmtree(staged, ignore_errors=True)


class AtomicWriter(ABC):
    """A writer for a `with` block: what it writes appears when the block ends well, and not at all otherwise."""

    @abstractmethod
    def _opened(self) -> AbstractContextManager[None]:
        """Holds the output open; an exception inside leaves nothing behind."""

    def __enter__(self: _Writer) -> _Writer:
        self._context = self._opened()
        self._context.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._context.__exit__(kind, error, trace)


def remove_leftovers(path: Path) -> None:
    """Removes what killed runs left of `path` under temporary names."""
    for leftover in path.parent.glob(f".{glob.escape(path.stem)}.{'[0-9a-f]' * 8}{glob.escape(path.suffix)}"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")


def _require_replaceable(path: Path, pattern: str) -> None:
    if path.exists() and not path.is_dir():
        raise unwritable(path, "a file of that name")
    other = (
        [entry.name for entry in path.iterdir() if entry.is_dir() or not entry.match(pattern)] if path.exists() else []
    )
    if other:
        raise InputError(
            path,
            expected=f"a new folder, or one that holds only {pattern}, which will be replaced",
            found=f"{min(other)} in it",
            fix="choose another out= folder",
        )


@contextmanager
def _refused_by_the_system(path: Path, temporary: Path) -> Iterator[None]:
    """Turns an OSError that concerns the target into an InputError; one about another file is not ours to explain."""
    try:
        yield
    except OSError as error:
        name = "" if error.filename is None else str(error.filename)  # a failed write names no file
        ours = not name or str(temporary) in name or Path(name) in temporary.parents
        if error.errno is None or not ours:
            raise
        raise unwritable(path, os.strerror(error.errno).lower()) from error
