import json
import struct
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from turnaround.io.glb import read_glb, write_glb, write_textured_glb
from turnaround.io.mesh import TexturedMesh
from turnaround.types import InputError


@pytest.fixture
def triangle():
    vertices = torch.tensor([[0.1, -2.0, 3.0], [1.0, 0.5, 4.0], [-1.0, 0.7, 2.0]])
    return (
        vertices,
        torch.tensor([[0, 1, 2]]),
        torch.tensor([[0, 1, 2], [128, 64, 32], [255, 254, 253]], dtype=torch.uint8),
    )


def parts(path):
    """The JSON document and the binary chunk, by the specification's own layout (glTF 2.0, 4.4)."""
    data = path.read_bytes()
    assert struct.unpack_from("<4sII", data) == (b"glTF", 2, len(data))
    length, kind = struct.unpack_from("<I4s", data, 12)
    assert (kind, length % 4) == (b"JSON", 0)
    body_length, body_kind = struct.unpack_from("<I4s", data, 20 + length)
    body = data[28 + length :]
    assert (body_kind, body_length, body_length % 4) == (b"BIN\0", len(body), 0)
    return json.loads(data[20 : 20 + length]), body


@pytest.mark.parametrize("with_faces", ["mesh", "points"])
@pytest.mark.parametrize("with_colors", ["coloured", "plain"])
def test_round_trip_is_exact(tmp_path, triangle, with_faces, with_colors):
    vertices, faces, colors = triangle
    faces = faces if with_faces == "mesh" else None
    colors = colors if with_colors == "coloured" else None
    write_glb(tmp_path / "a.glb", vertices, faces, colors)
    mesh = read_glb(tmp_path / "a.glb")
    assert torch.equal(mesh.vertices, vertices)
    assert mesh.faces is None if faces is None else torch.equal(mesh.faces, faces)
    assert mesh.colors is None if colors is None else torch.equal(mesh.colors, colors)


def test_every_colour_survives_the_linear_light_of_the_format(tmp_path):
    colors = torch.arange(256, dtype=torch.uint8)[:, None].expand(-1, 3)
    write_glb(tmp_path / "a.glb", torch.zeros(256, 3), None, colors)
    assert torch.equal(read_glb(tmp_path / "a.glb").colors, colors)
    _, body = parts(tmp_path / "a.glb")
    stored = np.frombuffer(body, "<u2", offset=256 * 12).reshape(256, 4)
    assert stored[:, 3].tolist() == [65535] * 256
    assert stored[188, 0] / 65535 == pytest.approx(0.5, abs=0.004)  # sRGB 188 is half the light


def test_document_follows_the_specification(tmp_path, triangle):
    write_glb(tmp_path / "a.glb", *triangle)
    document, body = parts(tmp_path / "a.glb")
    (primitive,) = document["meshes"][0]["primitives"]
    assert primitive["mode"] == 4
    position, color = (document["accessors"][primitive["attributes"][name]] for name in ("POSITION", "COLOR_0"))
    assert (position["componentType"], position["type"], position["count"]) == (5126, "VEC3", 3)
    assert np.float32(position["min"]).tolist() == np.float32([-1, -2, 2]).tolist()
    assert np.float32(position["max"]).tolist() == np.float32([1, 0.7, 4]).tolist()
    assert (color["componentType"], color["type"], color["normalized"]) == (5123, "VEC4", True)
    assert document["buffers"] == [{"byteLength": len(body)}]
    sizes = {5126: 4, 5125: 4, 5123: 2}
    widths = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}
    for accessor in document["accessors"]:
        view = document["bufferViews"][accessor["bufferView"]]
        assert view["byteOffset"] % 4 == 0
        assert view["byteLength"] == accessor["count"] * sizes[accessor["componentType"]] * widths[accessor["type"]]
        assert view["byteOffset"] + view["byteLength"] <= len(body)
    write_glb(tmp_path / "b.glb", triangle[0], None, None)
    assert parts(tmp_path / "b.glb")[0]["meshes"][0]["primitives"][0]["mode"] == 0


def test_axes_become_y_up_and_minus_z_forward(tmp_path, triangle):
    write_glb(tmp_path / "a.glb", *triangle)
    matrix = np.reshape(parts(tmp_path / "a.glb")[0]["nodes"][0]["matrix"], (4, 4)).T  # stored by columns
    down_and_forward = matrix @ [0, 1, 0, 1], matrix @ [0, 0, 1, 1]
    assert [list(point) for point in down_and_forward] == [[0, -1, 0, 1], [0, 0, -1, 1]]
    assert np.linalg.det(matrix) == 1  # no mirror


def test_bad_files_are_refused(tmp_path, triangle):
    path = tmp_path / "a.glb"
    write_glb(path, *triangle)
    whole = path.read_bytes()
    for data in (
        b"",
        b"no scene",
        whole[:40],
        whole[:-4],
        whole.replace(b'"generator":"turnaround"', b'"generator":"elsewhere_"'),
        whole.replace(b'"count":3', b'"count":9'),
        whole.replace(b'"accessors"', b'"accessorz"'),
        whole.replace(b'"meshes":[{', b'"meshes":[,'),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"a\.glb: expected a GLB that this program wrote"):
            read_glb(path)
    with pytest.raises(InputError, match="found no such file"):
        read_glb(tmp_path / "missing.glb")


def test_unsound_geometry_is_refused(tmp_path, triangle):
    vertices, faces, _ = triangle
    with pytest.raises(InputError, match="expected vertices and faces, found none"):
        write_glb(tmp_path / "a.glb", vertices[:0], None, None)
    with pytest.raises(InputError, match="expected faces of vertices 0 to 2, found 1 to 3"):
        write_glb(tmp_path / "a.glb", vertices, faces + 1, None)
    with pytest.raises(InputError, match="expected finite vertices"):
        write_glb(tmp_path / "a.glb", vertices * float("nan"), None, None)
    assert list(tmp_path.iterdir()) == []


def test_unwritable_and_full_places(tmp_path, triangle, full_disk):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"a\.glb: expected a writable place"):
        write_glb(tmp_path / "file" / "a.glb", *triangle)
    with full_disk(500), pytest.raises(InputError, match=r"a\.glb: expected a writable place.*file too large"):
        write_glb(tmp_path / "a.glb", *triangle)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.fixture
def textured(triangle):
    vertices, faces, _ = triangle
    return TexturedMesh(
        name="one",
        vertices=vertices,
        faces=faces,
        coordinates=torch.tensor([[0.0, 0.0], [1.0, 0.25], [0.5, 1.0]]),
        picture=torch.arange(60, dtype=torch.uint8).view(4, 5, 3),
        attributes={"_LABEL": torch.tensor([0.0, 1.0, 2.0])},
    )


def test_textured_scene_follows_the_specification(tmp_path, textured):
    write_textured_glb(tmp_path / "a.glb", [textured, replace(textured, name="other", picture=textured.picture + 100)])
    document, body = parts(tmp_path / "a.glb")
    assert [node["name"] for node in document["nodes"]] == ["one", "other"]
    assert document["scenes"][document["scene"]]["nodes"] == [0, 1]
    assert document["buffers"] == [{"byteLength": len(body)}]
    assert "extensionsRequired" not in document
    sizes, widths = {5126: 4, 5125: 4}, {"SCALAR": 1, "VEC2": 2, "VEC3": 3}
    for accessor in document["accessors"]:
        view = document["bufferViews"][accessor["bufferView"]]
        assert view["byteOffset"] % 4 == 0
        assert view["byteLength"] == accessor["count"] * sizes[accessor["componentType"]] * widths[accessor["type"]]
        assert view["byteOffset"] + view["byteLength"] <= len(body)
    for number, mesh in enumerate(document["meshes"]):
        (primitive,) = mesh["primitives"]
        assert set(primitive["attributes"]) == {"POSITION", "TEXCOORD_0", "_LABEL"}
        kinds = {name: document["accessors"][index]["type"] for name, index in primitive["attributes"].items()}
        assert kinds == {"POSITION": "VEC3", "TEXCOORD_0": "VEC2", "_LABEL": "SCALAR"}
        coordinates = document["bufferViews"][
            document["accessors"][primitive["attributes"]["TEXCOORD_0"]]["bufferView"]
        ]
        stored = np.frombuffer(body, "<f4", count=6, offset=coordinates["byteOffset"])
        assert stored.tolist() == textured.coordinates.flatten().tolist()
        texture = document["materials"][primitive["material"]]["pbrMetallicRoughness"]["baseColorTexture"]["index"]
        view = document["bufferViews"][document["images"][document["textures"][texture]["source"]]["bufferView"]]
        png = body[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        with Image.open(BytesIO(png)) as picture:
            assert np.array(picture).tolist() == (textured.picture + 100 * number).tolist()


def test_textured_scenes_without_faces_or_sense_are_refused(tmp_path, textured):
    path = tmp_path / "a.glb"
    for meshes in ([], [textured, replace(textured, faces=textured.faces[:0])]):
        with pytest.raises(InputError, match="expected meshes with faces, found none"):
            write_textured_glb(path, meshes)
    with pytest.raises(InputError, match="expected faces of vertices 0 to 2, found 1 to 3"):
        write_textured_glb(path, [replace(textured, faces=textured.faces + 1)])
    assert list(tmp_path.iterdir()) == []
    write_textured_glb(path, [textured])
    with pytest.raises(InputError, match="a scene with textures"):
        read_glb(path)
