"""What every reader asks first: is there a file, may it be read, does it lie where it should."""

from pathlib import Path, PurePosixPath

from turnaround.types import InputError


def existing_file(path: Path, *, expected: str) -> Path:
    """`path`, if it is a regular file (no folder, pipe or device) that can be opened.

    expected: what the file should hold, for the error.
    """
    fix = "check the path and its permissions"
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise InputError(path, expected=expected, found=found, fix=fix)
    try:
        path.open("rb").close()
    except OSError as error:
        raise InputError(path, expected=expected, found=str(error.strerror), fix=fix) from error
    return path


def inside(root: Path, name: str, *, listed_in: object) -> Path:
    """root / name, for a name that a file or a config lists; refuses one that leaves the root.

    Links below the root are followed: they are the user's own, the list is not.
    """
    path = PurePosixPath(name)
    if not name or not name.isprintable() or path.is_absolute() or ".." in path.parts:
        fix = "correct the list"
        raise InputError(listed_in, expected=f"names inside {root}", found=f"{name!r}, which is none", fix=fix)
    return root / path
