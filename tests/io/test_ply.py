import pytest
import torch

from turnaround.io.ply import read_ply, write_ply
from turnaround.types import InputError


@pytest.fixture
def cube():
    points = torch.tensor([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)]) * 1.1 - 3
    colors = torch.arange(24, dtype=torch.uint8).reshape(8, 3) * 10
    return points, colors, torch.tensor([[0, 1, 2], [7, 6, 5]])


def test_round_trip_is_exact(tmp_path, cube):
    points, colors, faces = cube
    extra = {"confidence": torch.linspace(0, 1, 8), "provenance": torch.arange(8, dtype=torch.uint8)}
    write_ply(tmp_path / "a.ply", points, colors=colors, faces=faces, attributes=extra)
    mesh = read_ply(tmp_path / "a.ply")
    assert torch.equal(mesh.vertices, points)
    assert torch.equal(mesh.colors, colors)
    assert torch.equal(mesh.faces, faces)
    assert mesh.attributes.keys() == extra.keys()
    assert all(torch.equal(mesh.attributes[name], values) for name, values in extra.items())


def test_points_alone_and_none_at_all(tmp_path, cube):
    for points in (cube[0], torch.zeros(0, 3)):
        write_ply(tmp_path / "a.ply", points)
        mesh = read_ply(tmp_path / "a.ply")
        assert torch.equal(mesh.vertices, points)
        assert (mesh.colors, mesh.faces, dict(mesh.attributes)) == (None, None, {})


def test_layout_is_the_standard_one(tmp_path):
    write_ply(tmp_path / "a.ply", torch.tensor([[1.0, 2.0, -1.0]]), colors=torch.tensor([[1, 2, 3]], dtype=torch.uint8))
    header = (
        b"ply\nformat binary_little_endian 1.0\nelement vertex 1\n"
        b"property float x\nproperty float y\nproperty float z\n"
        b"property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n"
    )
    assert (tmp_path / "a.ply").read_bytes() == header + bytes.fromhex("0000803f 00000040 000080bf 010203")


def test_other_programs_may_order_and_comment(tmp_path):
    header = (
        b"ply\nformat binary_little_endian 1.0\ncomment made elsewhere\nelement vertex 3\n"
        b"property uchar alpha\nproperty float32 x\nproperty float32 y\nproperty float32 z\n"
        b"element face 1\nproperty list uint8 uint32 vertex_index\nend_header\n"
    )
    vertex = bytes.fromhex("ff 0000803f 00000040 000080bf")
    (tmp_path / "a.ply").write_bytes(header + 3 * vertex + b"\3" + bytes.fromhex("02000000 01000000 00000000"))
    mesh = read_ply(tmp_path / "a.ply")
    assert mesh.vertices.tolist() == [[1.0, 2.0, -1.0]] * 3
    assert mesh.faces.tolist() == [[2, 1, 0]]
    assert mesh.attributes["alpha"].tolist() == [255] * 3


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (b"ply\n", b"plz\n", "something else"),
        (b"binary_little_endian", b"ascii", "format ascii 1.0"),
        (b"float x", b"double x", "property double x"),
        (b"float x", b"float red", "red, y, z"),
        (b"element vertex", b"element edge", "element edge 8"),
        (b"element vertex 8", b"element vertex 9", r"\d+"),
        (b"element vertex 8", b"element vertex 9000000000000", r"\d+"),
        (b"element vertex 8", b"element vertex -8", "element vertex -8"),
        (b"uchar int vertex", b"uchar float vertex", "property list uchar float vertex_indices"),
        (b"end_header", b"", "the end of the file|property|element"),
        (b"\n\x03\0", b"\n\x04\0", "other polygons"),
    ],
)
def test_other_layouts_are_refused_by_name(tmp_path, cube, old, new, found):
    write_ply(tmp_path / "a.ply", cube[0], faces=cube[2].flip(0) * 0 + torch.tensor([0, 1, 2]))
    data = (tmp_path / "a.ply").read_bytes()
    if old.startswith(b"\n\x03"):  # the corner count of the first triangle
        place = data.index(b"end_header\n") + len(b"end_header\n") + 8 * 12
        data = data[:place] + b"\4" + data[place + 1 :]
    else:
        assert data.count(old) == 1
        data = data.replace(old, new)
    (tmp_path / "a.ply").write_bytes(data)
    with pytest.raises(InputError, match=rf"a\.ply: expected .*, found ({found})"):
        read_ply(tmp_path / "a.ply")


def test_truncated_empty_and_missing_files_are_refused(tmp_path, cube):
    write_ply(tmp_path / "a.ply", cube[0])
    data = (tmp_path / "a.ply").read_bytes()
    for size in (0, 10, 100, len(data) - 1):
        (tmp_path / "a.ply").write_bytes(data[:size])
        with pytest.raises(InputError, match=r"a\.ply: expected"):
            read_ply(tmp_path / "a.ply")
    with pytest.raises(InputError, match="found no such file"):
        read_ply(tmp_path / "missing.ply")


def test_unsound_geometry_is_refused(tmp_path, cube):
    points, _, _ = cube
    with pytest.raises(InputError, match="expected faces of vertices 0 to 7, found 0 to 8"):
        write_ply(tmp_path / "a.ply", points, faces=torch.tensor([[0, 1, 8]]))
    with pytest.raises(InputError, match="expected finite vertices"):
        write_ply(tmp_path / "a.ply", points / 0)
    for name in ("x", "two words", "ünicode", ""):
        with pytest.raises(InputError, match="a new name of letters"):
            write_ply(tmp_path / "a.ply", points, attributes={name: points[:, 0]})
    assert list(tmp_path.iterdir()) == []


def test_unwritable_and_full_places(tmp_path, cube, full_disk):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"a\.ply: expected a writable place"):
        write_ply(tmp_path / "file" / "a.ply", cube[0])
    with full_disk(200), pytest.raises(InputError, match=r"a\.ply: expected a writable place.*file too large"):
        write_ply(tmp_path / "a.ply", cube[0])
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
