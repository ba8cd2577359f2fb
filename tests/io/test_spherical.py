"""Boxes that say how a video is projected, read back byte by byte, in files that still play."""

import struct

import pytest
import torch

from turnaround.io.spherical import boxes, half_sphere_box, mark_half_spheres, stereo_box, with_boxes
from turnaround.io.video import read_video, write_video
from turnaround.types import InputError

CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


@pytest.fixture
def film(tmp_path):
    video = torch.rand(5, 3, 32, 64, generator=torch.Generator().manual_seed(0))
    write_video(tmp_path / "film.mp4", video, fps=12.0)
    return tmp_path / "film.mp4"


def parts(data, start=0, end=None):
    """Name and content of each box, by the standard alone (ISO/IEC 14496-12, 4.2)."""
    end, found = len(data) if end is None else end, []
    while start < end:
        size, name = struct.unpack_from(">I4s", data, start)
        found.append((name, data[start + 8 : start + size]))
        start += size
    assert start == end
    return found


def entry(data):
    """The content of avc1."""
    for name in CONTAINERS:
        data = dict(parts(data))[name]
    stsd = dict(parts(data))[b"stsd"]
    return dict(parts(stsd, 8))[b"avc1"]


def test_the_boxes_say_what_the_rfc_asks_for():
    assert stereo_box() == b"\0\0\0\x0dst3d\0\0\0\0\x02"  # FullBox of 13 bytes, left and right
    ((name, body),) = parts(half_sphere_box())
    assert name == b"sv3d"
    (head, source), (projection, inner) = parts(body)
    assert (head, source[:4], source[-1:], projection) == (b"svhd", bytes(4), b"\0", b"proj")
    assert parts(inner) == [(b"prhd", bytes(16)), (b"equi", bytes(12) + struct.pack(">II", 2**30, 2**30))]


def test_they_stand_behind_the_decoder_s_settings_and_the_video_is_as_before(film):
    before, shown = film.read_bytes(), read_video(film, max_frames=5)
    mark_half_spheres(film)
    after = film.read_bytes()
    names = [name for name, _ in parts(entry(after), 78)]
    assert names[:3] == [b"avcC", b"st3d", b"sv3d"]
    assert [name for name in names if name not in (b"st3d", b"sv3d")] == [n for n, _ in parts(entry(before), 78)]
    assert len(after) == len(before) + len(stereo_box()) + len(half_sphere_box())
    assert torch.equal(read_video(film, max_frames=5), shown)


def index_first(data):
    """The same film with its index (moov) before the pictures, as a web server has it."""
    found = [(name, struct.pack(">I", 8 + len(body)) + name + body) for name, body in parts(data)]
    (moov,) = [whole for name, whole in found if name == b"moov"]
    place = moov.index(b"stco") + 12
    (offset,) = struct.unpack_from(">I", moov, place)
    moov = moov[:place] + struct.pack(">I", offset + len(moov)) + moov[place + 4 :]
    head, *rest = [whole for name, whole in found if name != b"moov"]
    return head + moov + b"".join(rest)


def test_places_of_chunks_behind_them_move(film):
    shown = read_video(film, max_frames=5)
    film.write_bytes(index_first(film.read_bytes()))
    assert torch.equal(read_video(film, max_frames=5), shown)
    mark_half_spheres(film)
    assert [name for name, _ in parts(entry(film.read_bytes()), 78)][1:3] == [b"st3d", b"sv3d"]
    assert torch.equal(read_video(film, max_frames=5), shown)


def test_long_sizes_grow_too(film):
    data = film.read_bytes()
    start = data.index(b"moov") - 4
    body = data[start + 8 :]  # the index is the last
    long = data[:start] + struct.pack(">I4sQ", 1, b"moov", 16 + len(body)) + body
    film.write_bytes(long)
    shown = read_video(film, max_frames=5)
    mark_half_spheres(film)
    (moov,) = [b for b in boxes("film", film.read_bytes()) if b.name == b"moov"]
    assert moov.end == len(film.read_bytes())
    assert torch.equal(read_video(film, max_frames=5), shown)


def test_what_is_marked_or_no_film_is_refused(film, tmp_path):
    mark_half_spheres(film)
    with pytest.raises(InputError, match=r"film\.mp4: expected an MP4 with H\.264, found one that says how"):
        mark_half_spheres(film)
    for data, found in (
        (b"", "no H.264 video"),
        (b"\0\0\0\x08free\0\0", "a piece of a box at byte 8"),
        (b"\0\0\0\x10moov", "a box of 16 bytes at byte 0"),
    ):
        with pytest.raises(InputError, match=found):
            with_boxes("film", data, b"")
    cut = film.read_bytes().replace(b"avcC", b"xxxx")
    with pytest.raises(InputError, match="no avcC"):
        with_boxes("film", cut, b"")
