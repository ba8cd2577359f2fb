"""What every reader asks first: is there a file, and may it be read."""

from pathlib import Path

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
