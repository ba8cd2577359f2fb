"""What Matroska and WebM say of stereo and projection (RFC 9559, 5.1.4.1.28: StereoMode, Projection)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HEAD, SEGMENT, TRACKS, CLUSTER = (bytes.fromhex(text) for text in ("1a45dfa3", "18538067", "1654ae6b", "1f43b675"))
ENTRY, VIDEO, STEREO, PROJECTION, KIND, PRIVATE = (
    bytes.fromhex(text) for text in ("ae", "e0", "53b8", "7670", "7671", "7672")
)
BOXES = {1: b"equi", 2: b"cbmp", 3: b"mshp"}  # of the spherical video RFC, whose content PRIVATE holds
MOST_TRACKS = 2**26  # bytes


@dataclass(frozen=True, kw_only=True)
class MatroskaProjection:
    """stereo: Matroska's number; None where it is not stated. kind: the box whose content `body` is; None: none."""

    stereo: int | None
    kind: bytes | None
    body: bytes


def read_matroska(path: Path) -> MatroskaProjection | None:
    """Of the first video track; None where the file is no Matroska or has none."""
    for entry in _within(_tracks(path), ENTRY):
        for video in _within(entry, VIDEO):
            stated = [int.from_bytes(body, "big") for body in _within(video, STEREO)]
            projection = b"".join(_within(video, PROJECTION))
            kind = BOXES.get(int.from_bytes(b"".join(_within(projection, KIND)), "big"))
            body = b"".join(_within(projection, PRIVATE))
            return MatroskaProjection(stereo=stated[0] if stated else None, kind=kind, body=body)
    return None


def _tracks(path: Path) -> bytes:
    """The content of Tracks, which stands before the first frames; empty where there is none."""
    place, end = 0, path.stat().st_size
    with path.open("rb") as file:
        while place < end:
            file.seek(place)
            head = _head(file.read(12))
            if head is None or (place == 0 and head[0] != HEAD) or head[0] == CLUSTER:
                return b""
            identifier, size, used = head
            place += used
            if identifier == TRACKS:
                file.seek(place)
                return file.read(min(size, MOST_TRACKS))
            if identifier != SEGMENT:  # of which the rest are parts
                place += size
    return b""


def _within(data: bytes, wanted: bytes) -> Iterator[bytes]:
    """Contents of the parts of that name."""
    place = 0
    while (head := _head(data[place : place + 12])) is not None:
        identifier, size, used = head
        place += used
        if identifier == wanted:
            yield data[place : place + size]
        place += size


def _head(data: bytes) -> tuple[bytes, int, int] | None:
    """An element's name and size, and how long these two are (RFC 8794: leading zeros tell their lengths)."""
    name = 9 - data[0].bit_length() if data else 9
    if name > 4 or len(data) <= name or data[name] == 0:
        return None
    length = 9 - data[name].bit_length()
    size = int.from_bytes(data[name : name + length], "big") & ((1 << 7 * length) - 1)
    return data[:name], size, name + length
