"""The points and surfaces of a small orbit, read back."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_orbits import EDGES, TOLERANCE, small_orbit, written

from turnaround.geometry.projection import project, unproject
from turnaround.io.image import read_image
from turnaround.io.ply import read_ply
from turnaround.pipelines.orbit.exports.contributions import OBLIQUE, contributions, radii
from turnaround.pipelines.orbit.exports.scene import SceneGlb, ScenePly
from turnaround.types import Pinhole, Provenance, View

FRAMES, HEIGHT, WIDTH = 6, 48, 64


@pytest.fixture(scope="module")
def finished():
    return small_orbit(height=HEIGHT, width=WIDTH, frames=FRAMES)


def test_points_of_all_key_views_each_surface_once(tmp_path, finished):
    out, cache = written(tmp_path, finished, ScenePly()), finished[1]
    cloud = read_ply(out / "scene.ply")
    first, last, behind = (view.view for view in cache.ordered)
    step = cloud.attributes["step"]
    ours = step == 0
    assert torch.equal(cloud.vertices[ours], unproject(first.depth.double()[None], first.camera).float().reshape(-1, 3))
    assert torch.equal(cloud.colors[ours], (first.image * 255).round().byte().flatten(1).T)
    assert cloud.attributes["label"][ours].unique().tolist() == [Provenance.OBSERVED]
    # Of the last view stays exactly what was labelled as new to it.
    generated = cache.views[1].label == int(Provenance.GENERATED)
    assert int((step == 1).sum()) == int(generated.sum())
    assert torch.equal(cloud.attributes["confidence"][step == 1], cache.views[1].confidence[generated])
    assert cloud.attributes["label"][step == 1].unique().tolist() == [Provenance.GENERATED]
    # Behind the box there is the wall, of which the last view has shown a part.
    points = cloud.vertices[step == 2]
    assert 0 < len(points) < int(behind.depth.isfinite().sum())
    assert points[:, 2].sub(8).abs().max() < 1e-4  # float32 at 8 metres
    pixels, z = project(points[None].double(), last.camera)
    x, y = pixels[0].long().unbind(-1)
    inside = (x >= 0) & (x < WIDTH) & (y >= 0) & (y < HEIGHT)
    assert (last.depth[y[inside], x[inside]] < z[0, inside] * (1 - TOLERANCE)).all(), "hidden from the last view"


def parsed_glb(path):
    """The JSON, and what gives a view's bytes and an accessor's array, by glTF 2.0 itself (3.6, 4.4)."""
    data = path.read_bytes()
    magic, version, length, text_length, kind = struct.unpack_from("<4sII I4s", data)
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    document, body = json.loads(data[20 : 20 + text_length]), data[28 + text_length :]

    def view(number):
        stated = document["bufferViews"][number]
        part = body[stated["byteOffset"] : stated["byteOffset"] + stated["byteLength"]]
        assert len(part) == stated["byteLength"]
        return part

    def array(number):
        stated = document["accessors"][number]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}[stated["type"]]
        dtype = {5125: "<u4", 5126: "<f4"}[stated["componentType"]]
        return np.frombuffer(view(stated["bufferView"]), dtype).reshape(stated["count"], width)

    return document, view, array


def test_glb_shows_each_view_from_its_camera(tmp_path, finished):
    out, cache = written(tmp_path, finished, SceneGlb()), finished[1]
    document, _, array = parsed_glb(out / "scene.glb")
    nodes = {node["name"]: node for node in document["nodes"]}
    assert list(nodes) == ["view 0", "view 1", "behind 0"]
    for node, key in zip(nodes.values(), cache.ordered, strict=True):
        (primitive,) = document["meshes"][node["mesh"]]["primitives"]
        positions = array(primitive["attributes"]["POSITION"]).astype(np.float64)
        stated = document["accessors"][primitive["attributes"]["POSITION"]]
        assert np.float32(stated["min"]).tolist() == positions.min(0).tolist()
        assert np.float32(stated["max"]).tolist() == positions.max(0).tolist()
        # glTF's axes: the camera looks along -z with y up, so its world_from_cam turns by half about x on both sides
        matrix = np.reshape(node["matrix"], (4, 4)).T
        world = positions @ matrix[:3, :3].T + matrix[:3, 3]
        turn = np.diag([1.0, -1.0, -1.0, 1.0])
        camera = turn @ key.view.camera.world_from_cam[0].double().numpy() @ turn
        in_camera = (world - camera[:3, 3]) @ camera[:3, :3]
        assert (in_camera[:, 2] < 0).all()
        focal = WIDTH  # of these worlds, with the middle as principal point
        seen = np.stack([in_camera[:, 0], -in_camera[:, 1]], axis=1) / -in_camera[:, 2:] * focal
        places = array(primitive["attributes"]["TEXCOORD_0"]) * [WIDTH, HEIGHT] - [WIDTH / 2, HEIGHT / 2]
        np.testing.assert_allclose(seen, places, atol=1e-3)  # pixels; float32 at 8 metres
        # Fronts are counter-clockwise with y up (3.7.2.1), all of them.
        corners = (seen * [1, -1])[array(primitive["indices"]).reshape(-1, 3)]
        one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        area = (one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]) / 2
        np.testing.assert_allclose(area, 0.5, atol=1e-3)


def test_glb_holds_pictures_and_provenance(tmp_path, finished):
    out, cache = written(tmp_path, finished, SceneGlb()), finished[1]
    document, view, array = parsed_glb(out / "scene.glb")
    for number, key in enumerate(cache.ordered):
        (primitive,) = document["meshes"][number]["primitives"]
        material = document["materials"][primitive["material"]]
        texture = document["textures"][material["pbrMetallicRoughness"]["baseColorTexture"]["index"]]
        image = document["images"][texture["source"]]
        assert image["mimeType"] == "image/png"
        (tmp_path / "texture.png").write_bytes(view(image["bufferView"]))
        picture = read_image(tmp_path / "texture.png")
        torch.testing.assert_close(picture, key.view.image, rtol=0, atol=0.5 / 255 + 1e-6)  # half a step of 8 bits
        pixels = (array(primitive["attributes"]["TEXCOORD_0"]) * [WIDTH, HEIGHT]).astype(int)
        rows, columns = pixels[:, 1], pixels[:, 0]
        for name, values in (("_LABEL", key.label), ("_CONFIDENCE", key.confidence)):
            stored = array(primitive["attributes"][name])[:, 0]
            assert stored.tolist() == values.float()[rows, columns].tolist()
        assert set(array(primitive["attributes"]["_STEP"])[:, 0].tolist()) == {float(key.step)}


def test_glb_is_cut_at_depth_edges(tmp_path, finished):
    out, cache = written(tmp_path, finished, SceneGlb()), finished[1]
    document, _, array = parsed_glb(out / "scene.glb")
    (primitive,) = document["meshes"][0]["primitives"]
    depth = array(primitive["attributes"]["POSITION"])[:, 2][array(primitive["indices"])[:, 0].reshape(-1, 3)]
    near, far = depth.min(axis=1), depth.max(axis=1)
    assert ((far - near) < 2 * EDGES.depth_ratio * far).all()  # a diagonal takes two steps
    # The box is 0.8 from the pivot to its front: 3.2 m away, the wall 8; so the squares across its outline are missing.
    in_box = cache.views[0].view.depth < 5
    mixed = torch.stack([in_box[:-1, :-1], in_box[:-1, 1:], in_box[1:, :-1], in_box[1:, 1:]]).sum(0) % 4 != 0
    assert len(depth) == 2 * ((HEIGHT - 1) * (WIDTH - 1) - int(mixed.sum()))


def test_a_view_that_adds_nothing_is_left_out(finished):
    _, cache = finished
    again = replace(cache.views[0], step=7)
    parts = list(contributions(cache.with_view(again), TOLERANCE))
    assert [part.name for part in parts] == ["view 0", "view 1", "behind 0", "view 2"]
    assert [bool(part.new.any()) for part in parts] == [True, True, True, False]


def test_points_reach_half_way_to_the_next_on_their_surface():
    """A focal length of 2: pixels of a wall at 2 metres are a metre apart."""
    k = torch.tensor([[[2.0, 0, 1.5], [0, 2.0, 1], [0, 0, 1]]])
    camera = Pinhole(world_from_cam=torch.eye(4)[None], intrinsics=k, height=2, width=3)
    wall = View(image=torch.zeros(3, 2, 3), depth=torch.full((2, 3), 2.0), camera=camera)
    assert torch.equal(radii(wall, EDGES), torch.full((2, 3), 0.5))
    # The last column stands 20 metres away: of another surface, so it changes nothing but its own.
    edge = replace(wall, depth=torch.tensor([2.0, 2.0, 20.0]).expand(2, 3))
    assert radii(edge, EDGES)[0].tolist() == [0.5, 0.5, 5.0]
    # Rows of 2 and 2.1 metres: (x, y, z) of the first column are (-1, -0.5, 2) and (-1.05, 0.525, 2.1).
    slope = replace(wall, depth=torch.tensor([[2.0], [2.1]]).expand(2, 3))
    assert float(radii(slope, EDGES)[0, 0]) == pytest.approx((0.05**2 + 1.025**2 + 0.1**2) ** 0.5 / 2)
    # What is far apart and yet one surface reaches no further than so many pixels that face the camera.
    far = replace(EDGES, depth_ratio=1.0)
    assert float(radii(edge, far)[0, 1]) == OBLIQUE * 0.5
