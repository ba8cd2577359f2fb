"""What an MP4 says of its stereo and its projection: the boxes `st3d` and `sv3d` of `io.spherical`, read."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from turnaround.io.eye_views import EquirectangularView, EyeView
from turnaround.io.mesh_projection import read_meshes
from turnaround.io.spherical import CONTAINERS, ENTRY, Box, boxes
from turnaround.types import InputError

MOST_INDEX = 2**28  # bytes of an MP4's index, which are read as a whole
MONO, TOP_BOTTOM, LEFT_RIGHT, CUSTOM, RIGHT_LEFT = range(5)  # of the RFC's stereo_mode; the left eye's place first


@dataclass(frozen=True, kw_only=True)
class SphericalBoxes:
    """stereo_mode: None where there is no `st3d`. views: of the left and the right eye; None where there is no `sv3d`.

    The pose in `prhd`, which turns both eyes alike, is not looked at.
    """

    stereo_mode: int | None
    views: tuple[EyeView, EyeView] | None


def read_spherical(path: Path) -> SphericalBoxes:
    """Of the first video track that says something. InputError: a projection that is damaged or not supported."""
    data = _index(path)
    for entry in _entries(path, data):
        inside = {box.name: box for box in boxes(path, data, entry)}
        if b"st3d" in inside or b"sv3d" in inside:
            mode = _content(path, data, inside[b"st3d"], 5)[4] if b"st3d" in inside else None
            views = _views(path, data, inside[b"sv3d"]) if b"sv3d" in inside else None
            return SphericalBoxes(stereo_mode=mode, views=views)
    return SphericalBoxes(stereo_mode=None, views=None)


def _index(path: Path) -> bytes:
    """The box `moov`; empty where the file is no MP4."""
    size = path.stat().st_size
    with path.open("rb") as file:
        place = 0
        while place + 8 <= size:
            file.seek(place)
            head = file.read(16)
            length, name = struct.unpack_from(">I4s", head)
            if length == 1 and len(head) == 16:
                (length,) = struct.unpack_from(">Q", head, 8)
            length = length or size - place
            if length < 8 or not name.isalnum():
                return b""
            if name == b"moov" and length <= MOST_INDEX:
                file.seek(place)
                return file.read(length)
            place += length
    return b""


def _entries(path: Path, data: bytes) -> Iterator[Box]:
    """Sample entries of pictures."""
    level: list[Box | None] = [None]
    for name in ENTRY[:-1]:
        level = [each for parent in level for each in boxes(path, data, parent) if each.name == name]
    pictures = [name for name, skipped in CONTAINERS.items() if skipped == CONTAINERS[ENTRY[-1]]]
    for parent in level:
        yield from (each for each in boxes(path, data, parent) if each.name in pictures)


def _views(path: Path, data: bytes, spherical: Box) -> tuple[EyeView, EyeView]:
    projections = [box for box in boxes(path, data, spherical) if box.name == b"proj"]
    kinds = {box.name: box for projection in projections for box in boxes(path, data, projection)}
    if b"equi" in kinds:
        view = _equirectangular(_content(path, data, kinds[b"equi"], 20))
        return view, view
    if b"mshp" in kinds:
        meshes = read_meshes(path, _content(path, data, kinds[b"mshp"], 12)[4:])
        return meshes[0], meshes[-1]
    found = ", ".join(name.decode("latin-1") for name in kinds if name != b"prhd") or "no projection"
    raise _refused(path, found)


def _equirectangular(body: bytes) -> EyeView:
    """Version and flags, and what is left out at the top, bottom, left and right, in 2^-32 of the whole sphere."""
    top, bottom, left, right = (value / 2**32 for value in struct.unpack(">4I", body[4:20]))
    return EquirectangularView(
        start_yaw=-180 + 360 * left,
        end_yaw=180 - 360 * right,
        start_tilt=-90 + 180 * top,
        end_tilt=90 - 180 * bottom,
    )


def _content(path: Path, data: bytes, box: Box, least: int) -> bytes:
    body = data[box.body : box.end]
    if len(body) < least:
        raise _refused(path, f"{box.name.decode('latin-1')} of {len(body)} bytes")
    return body


def _refused(path: Path, found: str) -> InputError:
    return InputError(
        path, expected="an equirectangular or a mesh projection", found=found, fix="choose the view by stereo.view"
    )
