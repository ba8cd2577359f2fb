"""Text files of a bounded size."""

from pathlib import Path

from turnaround.io.existing import existing_file
from turnaround.types import InputError

MAX_TEXT = 2**24  # bytes; the longest list of a benchmark, NYUv2's, has 67 kB


def read_text(path: Path, *, expected: str, most: int = MAX_TEXT) -> str:
    """A UTF-8 file of at most `most` bytes. expected: what it should hold, for the error."""
    existing_file(path, expected=expected)
    with path.open("rb") as file:
        data = file.read(most + 1)
    try:
        if len(data) > most:
            raise ValueError(f"more than {most} bytes")
        return data.decode("utf-8-sig")
    except ValueError as error:
        raise InputError(path, expected=expected, found=str(error), fix="give the file of that name") from error
