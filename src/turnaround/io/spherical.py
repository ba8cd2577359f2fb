"""What tells players that an MP4 holds the half spheres of two eyes: boxes of the Spherical Video V2 RFC (Google,
spatial-media, docs/spherical-video-v2-rfc.md) in the video's sample entry, put there by an editor of MP4 boxes.

Boxes are ISO/IEC 14496-12's: a size of 32 bits (1: 64 bits follow the name, 0: up to the end), a name, content.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from turnaround.io.atomic import atomic_file
from turnaround.io.existing import existing_file
from turnaround.types import InputError

LEFT_RIGHT = 2  # stereo_mode: the left eye on the left half
QUARTER = 2**30  # of 2^32: what a half sphere leaves out of the whole at its left and at its right
CONTAINERS = {
    b"moov": 0,
    b"trak": 0,
    b"mdia": 0,
    b"minf": 0,
    b"stbl": 0,
    b"stsd": 8,
    b"sv3d": 0,
    b"proj": 0,
    **dict.fromkeys((b"avc1", b"avc3", b"hvc1", b"hev1", b"vp08", b"vp09", b"av01", b"mp4v", b"apcn"), 78),
}
ENTRY = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1")
OFFSETS = {b"stco": ">I", b"co64": ">Q"}  # tables of the places of chunks in the file


@dataclass(frozen=True, kw_only=True)
class Box:
    """start, body, end: places in the file, of its header, of what follows that, and after it."""

    name: bytes
    start: int
    body: int
    end: int


def mark_half_spheres(path: Path) -> None:
    """Says of an H.264 MP4 that it shows an `Equirectangular180` for each eye, the left eye on the left."""
    data = existing_file(path, expected="an MP4").read_bytes()
    marked = with_boxes(path, data, stereo_box() + half_sphere_box())
    with atomic_file(path) as temporary:
        temporary.write_bytes(marked)


def stereo_box() -> bytes:
    return box(b"st3d", bytes(4), bytes([LEFT_RIGHT]))


def half_sphere_box() -> bytes:
    """An equirectangular projection, looking ahead, of which a quarter is left out at either side."""
    header = box(b"svhd", bytes(4), b"turnaround\0")
    pose = box(b"prhd", bytes(4), bytes(12))
    bounds = box(b"equi", bytes(4), struct.pack(">4I", 0, 0, QUARTER, QUARTER))  # top, bottom, left, right
    return box(b"sv3d", header, box(b"proj", pose, bounds))


def box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body


def with_boxes(subject: object, data: bytes, added: bytes) -> bytes:
    """An MP4 with boxes behind the decoder's settings (`avcC`) in its video's sample entry: before all optional ones,
    as the RFC asks. Sizes of what holds them, and places of chunks that lie behind them, grow by their length."""
    inside = _descend(subject, data)
    settings = next((b for b in boxes(subject, data, inside[-1]) if b.name == b"avcC"), None)
    if settings is None:
        raise _refused(subject, "no avcC in it")
    if any(b.name in (b"st3d", b"sv3d") for b in boxes(subject, data, inside[-1])):
        raise _refused(subject, "one that says how it is projected")
    edited = bytearray(data)
    for parent in inside:
        _grow(subject, edited, parent, len(added))
    for table in _tables(subject, data):
        _move(subject, edited, table, settings.end, len(added))
    return bytes(edited[: settings.end]) + added + bytes(edited[settings.end :])


def boxes(subject: object, data: bytes, parent: Box | None = None) -> Iterator[Box]:
    """Those in a box, or in the whole file."""
    place = 0 if parent is None else parent.body + CONTAINERS[parent.name]
    end = len(data) if parent is None else parent.end
    while place < end:
        if place + 8 > end:
            raise _refused(subject, f"a piece of a box at byte {place}")
        size, name = struct.unpack_from(">I4s", data, place)
        body = place + 8
        if size == 1 and place + 16 <= end:
            (size,), body = struct.unpack_from(">Q", data, body), body + 8
        size = size or end - place
        if not body - place <= size <= end - place:
            raise _refused(subject, f"a box of {size} bytes at byte {place}")
        yield Box(name=name, start=place, body=body, end=place + size)
        place += size


def _descend(subject: object, data: bytes) -> Sequence[Box]:
    """The way to the sample entry of the first video track."""
    ways: list[tuple[Box, ...]] = [()]
    for name in ENTRY:
        ways = [
            (*way, each) for way in ways for each in boxes(subject, data, way[-1] if way else None) if each.name == name
        ]
    if not ways:
        raise _refused(subject, "no H.264 video in it")
    return ways[0]


def _tables(subject: object, data: bytes) -> Iterator[Box]:
    """Of the places of chunks, of all tracks."""
    level: list[Box | None] = [None]
    for name in ENTRY[:5]:
        level = [each for parent in level for each in boxes(subject, data, parent) if each.name == name]
    for parent in level:
        yield from (each for each in boxes(subject, data, parent) if each.name in OFFSETS)


def _grow(subject: object, data: bytearray, parent: Box, by: int) -> None:
    (size,) = struct.unpack_from(">I", data, parent.start)
    if size == 1:
        struct.pack_into(">Q", data, parent.start + 8, parent.end - parent.start + by)
    elif size + by >= 2**32:
        raise _refused(subject, "one whose index is 4 GiB long")
    elif size:
        struct.pack_into(">I", data, parent.start, size + by)


def _move(subject: object, data: bytearray, table: Box, behind: int, by: int) -> None:
    """A table: 4 bytes of version and flags, the number of entries, and these."""
    layout = OFFSETS[table.name]
    width = struct.calcsize(layout)
    (count,) = struct.unpack_from(">I", data, table.body + 4)
    if table.body + 8 + count * width > table.end:
        raise _refused(subject, f"a table of {count} chunks that is too short")
    for place in range(table.body + 8, table.body + 8 + count * width, width):
        (offset,) = struct.unpack_from(layout, data, place)
        if offset >= behind:
            if offset + by >= 2 ** (8 * width):
                raise _refused(subject, "one of more than 4 GiB with short places")
            struct.pack_into(layout, data, place, offset + by)


def _refused(subject: object, found: str) -> InputError:
    return InputError(subject, expected="an MP4 with H.264", found=found, fix="write it again")
