"""Boxes of stereo and projection, written by hand as the RFC says and read back."""

import struct
import zlib

import pytest
import torch
from small_videos import gradient

from turnaround.geometry.lenses import half_sphere_lens, lens_pixels, lens_rays
from turnaround.io.matroska_projection import read_matroska
from turnaround.io.mesh_projection import read_meshes
from turnaround.io.spherical import box, mark_half_spheres, stereo_box, with_boxes
from turnaround.io.spherical_reading import CUSTOM, LEFT_RIGHT, RIGHT_LEFT, TOP_BOTTOM, read_spherical
from turnaround.io.video import write_video
from turnaround.types import EquirectangularLens, InputError, MeshLens

# a square pyramid: its top straight ahead, its corners 45 degrees to the side and up or down; OpenGL's axes
COORDINATES = (0.0, 1.0, -1.0, 0.5)
TOP, CORNERS = (0, 0, 2, 3, 3), ((2, 2, 2, 0, 0), (1, 2, 2, 1, 0), (1, 1, 2, 1, 1), (2, 1, 2, 0, 1))


def bits(numbers, width):
    digits = "".join(format(number, f"0{width}b") for number in numbers)
    digits += "0" * (-len(digits) % 8)
    return int(digits, 2).to_bytes(len(digits) // 8, "big")


def zigzag(indices):
    """Differences to the one before, as the RFC codes them."""
    steps = [after - before for before, after in zip([0, *indices], indices, strict=False)]
    return [2 * step if step >= 0 else -2 * step - 1 for step in steps]


def mesh_box(kind, order):
    vertices = [TOP, *CORNERS]
    columns = [zigzag([vertex[part] for vertex in vertices]) for part in range(5)]
    deltas = [columns[part][row] for row in range(len(vertices)) for part in range(5)]
    return box(
        b"mesh",
        struct.pack(">I4f", 4, *COORDINATES),
        struct.pack(">I", len(vertices)) + bits(deltas, 3),  # of 2 * 4 codes
        struct.pack(">IBBI", 1, 0, kind, len(order)) + bits(zigzag(order), 4),  # of 2 * 5 codes, rounded up
    )


FAN = mesh_box(2, [0, 1, 2, 3, 4, 1])
STRIP = mesh_box(1, [1, 2, 0, 3, 4, 4, 0, 1])
TRIANGLES = mesh_box(0, [0, 1, 2, 0, 2, 3, 0, 3, 4, 0, 4, 1])


def projection(kind, *parts):
    header = box(b"svhd", bytes(4), b"by hand\0")
    return box(b"sv3d", header, box(b"proj", box(b"prhd", bytes(16)), box(kind, bytes(4), *parts)))


def deflated(*boxes):
    packer = zlib.compressobj(wbits=-15)
    return b"sum!dfl8" + packer.compress(b"".join(boxes)) + packer.flush()


@pytest.fixture
def film(tmp_path):
    write_video(tmp_path / "film.mp4", gradient(3, 32, 64), fps=12.0)
    return tmp_path / "film.mp4"


def marked(film, added):
    film.write_bytes(with_boxes(film, film.read_bytes(), added))
    return film


def test_what_we_write_is_read_back(film):
    assert read_spherical(film).stereo_mode is None
    mark_half_spheres(film)
    found = read_spherical(film)
    assert found.stereo_mode == LEFT_RIGHT
    assert found.views is not None
    assert [view.lens(32, 32) for view in found.views] == [half_sphere_lens(32, 32)] * 2


def test_bounds_are_shares_of_the_sphere_left_out(film):
    bounds = struct.pack(">4I", 2**29, 2**30, 2**28, 2**31)  # 1/8, 1/4, 1/16, 1/2
    found = read_spherical(marked(film, stereo_box() + projection(b"equi", bounds)))
    assert found.views is not None
    expected = EquirectangularLens(start_yaw=-157.5, end_yaw=0.0, start_tilt=-67.5, end_tilt=45.0, height=20, width=10)
    assert found.views[0].lens(20, 10) == expected


@pytest.mark.parametrize("mesh", [FAN, STRIP, TRIANGLES], ids=["fan", "strip", "triangles"])
@pytest.mark.parametrize("pack", [deflated, lambda *boxes: b"sum!raw " + b"".join(boxes)], ids=["deflated", "raw"])
def test_a_mesh_shows_where_each_way_lies(film, mesh, pack):
    found = read_spherical(marked(film, stereo_box() + projection(b"mshp", pack(mesh, box(b"free", b"more")))))
    assert found.views is not None
    assert found.views[0] is found.views[1]
    lens = found.views[0].lens(40, 20)
    assert isinstance(lens, MeshLens)
    assert len(lens.triangles) == 4
    # up and to the right, in OpenGL's axes the corner (1, 1, -1), is the picture's upper right one
    rays = torch.tensor([[0, 0, 1], [0.999, -0.999, 1], [-0.5, 0, 1]], dtype=torch.float64)
    expected = torch.tensor([[10, 20], [19.99, 0.02], [5, 20]], dtype=torch.float64)
    torch.testing.assert_close(lens_pixels(lens, rays), expected)
    torch.testing.assert_close(lens_rays(lens, expected), torch.nn.functional.normalize(rays, dim=-1))


def test_a_mesh_for_each_eye(film):
    found = read_spherical(marked(film, projection(b"mshp", deflated(FAN, TRIANGLES))))
    assert found.stereo_mode is None
    assert found.views is not None
    assert found.views[0] is not found.views[1]


def test_damaged_meshes_are_refused():
    packed = deflated(FAN)
    beyond = mesh_box(0, [0, 1, 6])
    for body, found in (
        (b"sum!gzip" + FAN, "encoded as b'gzip'"),
        (packed[:-4], "cut off"),
        (b"sum!dfl8" + bytes([255] * 20), "do not unpack"),
        (b"sum!raw ", "0 meshes"),
        (deflated(FAN, FAN, FAN), "3 meshes"),
        (b"sum!raw " + box(b"mesh", FAN[8:-4]), "a mesh that is cut off"),
        (b"sum!raw " + beyond, "points outside its lists"),
        (b"sum!raw " + mesh_box(0, [0, 0, 1]), "without triangles"),
        (b"sum!raw " + mesh_box(3, [0, 1, 2]), "texture 0 and type 3"),
        (b"sum!raw " + struct.pack(">I4s", 99, b"mesh"), "a mesh box of 99 bytes"),
    ):
        with pytest.raises(InputError, match=found):
            read_meshes("film", body)


def test_other_projections_are_refused(film):
    marked(film, stereo_box() + projection(b"cbmp", bytes(8)))
    with pytest.raises(InputError, match=r"equirectangular or a mesh projection, found cbmp; choose the view"):
        read_spherical(film)


def element(name, *parts):
    """Of Matroska, with a size of 8 bytes."""
    body = b"".join(parts)
    return bytes.fromhex(name) + (1 << 56 | len(body)).to_bytes(8, "big") + body


def matroska(*video):
    tracks = element("1654ae6b", element("ae", element("e0", element("b0", b"\x40"), *video)))
    whole = bytes.fromhex("18538067") + b"\x01" + bytes([255] * 7)  # a segment of unknown size
    return element("1a45dfa3", b"webm") + whole + element("1549a966", b"info") + tracks


def test_matroska_says_it_in_its_own_way(tmp_path):
    path = tmp_path / "film.webm"
    mesh = element("7670", element("7671", b"\x03"), element("7672", bytes(4) + deflated(FAN)))
    whole = element("7670", element("7671", b"\x01"))
    for stereo, projection_of, mode, kind in (
        (b"\x01", mesh, LEFT_RIGHT, MeshLens),
        (b"\x03", whole, TOP_BOTTOM, EquirectangularLens),
        (b"\x0b", b"", RIGHT_LEFT, None),
        (b"\x02", b"", CUSTOM, None),
    ):
        path.write_bytes(matroska(element("53b8", stereo), projection_of))
        found = read_spherical(path)
        assert found.stereo_mode == mode
        assert (found.views and type(found.views[0].lens(8, 8))) == kind
    path.write_bytes(matroska())
    assert read_spherical(path).stereo_mode is None


def test_a_real_webm_is_read_up_to_its_tracks(tmp_path):
    write_video(tmp_path / "film.mkv", gradient(3, 32, 64), fps=12.0)
    found = read_matroska(tmp_path / "film.mkv")
    assert found is not None
    assert (found.stereo, found.kind) == (None, None)


def test_what_is_no_mp4_says_nothing(tmp_path):
    for data in (b"", b"\x1a\x45\xdf\xa3" + bytes(40), b"\0\0\0\x10moov"):
        (tmp_path / "film").write_bytes(data)
        if b"moov" in data:
            with pytest.raises(InputError):
                read_spherical(tmp_path / "film")
        else:
            assert read_spherical(tmp_path / "film").views is None
