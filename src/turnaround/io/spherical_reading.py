"""What a file says of its stereo and projection: MP4's boxes `st3d` and `sv3d` (`io.spherical`), or Matroska's."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from turnaround.io.eye_views import EquirectangularView, EyeView
from turnaround.io.matroska_projection import read_matroska
from turnaround.io.mesh_projection import read_meshes
from turnaround.io.spherical import CONTAINERS, ENTRY, Box, boxes
from turnaround.types import InputError

MOST_INDEX = 2**28  # bytes of an MP4's index, which are read as a whole
MONO, TOP_BOTTOM, LEFT_RIGHT, CUSTOM, RIGHT_LEFT = range(5)  # of the RFC's stereo_mode; the left eye's place first
MATROSKA = {0: MONO, 1: LEFT_RIGHT, 3: TOP_BOTTOM, 11: RIGHT_LEFT}  # its StereoMode; others are CUSTOM
WHOLE = bytes(20)  # an `equi` that leaves out nothing


@dataclass(frozen=True, kw_only=True)
class SphericalBoxes:
    """stereo_mode: None where it is not stated. views: of the left and the right eye; None where there is no `sv3d`.

    The pose in `prhd`, which turns both eyes alike, is not looked at.
    """

    stereo_mode: int | None
    views: tuple[EyeView, EyeView] | None


def read_spherical(path: Path) -> SphericalBoxes:
    """Of the first video track that says something. InputError: a projection that is damaged or not supported."""
    matroska = read_matroska(path)
    if matroska is not None:
        mode = None if matroska.stereo is None else MATROSKA.get(matroska.stereo, CUSTOM)
        views = None if matroska.kind is None else _views(path, matroska.kind, matroska.body or WHOLE)
        return SphericalBoxes(stereo_mode=mode, views=views)
    data = _index(path)
    for entry in _entries(path, data):
        inside = {box.name: box for box in boxes(path, data, entry)}
        if b"st3d" in inside or b"sv3d" in inside:
            stereo = inside.get(b"st3d")
            mode = None if stereo is None else _long(path, b"st3d", data[stereo.body : stereo.end], 5)[4]
            views = _projected(path, data, inside[b"sv3d"]) if b"sv3d" in inside else None
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


def _projected(path: Path, data: bytes, spherical: Box) -> tuple[EyeView, EyeView]:
    projections = [box for box in boxes(path, data, spherical) if box.name == b"proj"]
    kinds = [box for parent in projections for box in boxes(path, data, parent) if box.name != b"prhd"]
    if not kinds:
        raise _refused(path, "no projection")
    return _views(path, kinds[0].name, data[kinds[0].body : kinds[0].end])


def _views(path: Path, kind: bytes, body: bytes) -> tuple[EyeView, EyeView]:
    """Of the left and of the right eye."""
    if kind == b"equi":
        view = _equirectangular(_long(path, kind, body, 20))
        return view, view
    if kind == b"mshp":
        meshes = read_meshes(path, _long(path, kind, body, 12)[4:])
        return meshes[0], meshes[-1]
    raise _refused(path, kind.decode("latin-1"))


def _equirectangular(body: bytes) -> EyeView:
    """Version and flags, and what is left out at the top, bottom, left and right, in 2^-32 of the whole sphere."""
    top, bottom, left, right = (value / 2**32 for value in struct.unpack(">4I", body[4:20]))
    return EquirectangularView(
        start_yaw=-180 + 360 * left,
        end_yaw=180 - 360 * right,
        start_tilt=-90 + 180 * top,
        end_tilt=90 - 180 * bottom,
    )


def _long(path: Path, kind: bytes, body: bytes, least: int) -> bytes:
    if len(body) < least:
        raise _refused(path, f"{kind.decode('latin-1')} of {len(body)} bytes")
    return body


def _refused(path: Path, found: str) -> InputError:
    return InputError(
        path, expected="an equirectangular or a mesh projection", found=found, fix="choose the view by stereo.view"
    )
