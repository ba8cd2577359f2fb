"""camera_path.json: a file by hand, round trips, and files that must be refused."""

import dataclasses
import json
import math

import pytest
import torch
from benchmark_pictures import rigid

from turnaround.io.camera_path import FilmedPath, read_camera_path, write_camera_path
from turnaround.types import InputError, Pinhole

# As nerfstudio's viewer writes it, with what else stands there.
BY_HAND = {
    "keyframes": [],
    "camera_type": "perspective",
    "render_height": 1080,
    "render_width": 1920,
    "camera_path": [
        {"camera_to_world": [1, 0, 0, 0.5, 0, 1, 0, -2, 0, 0, 1, 4, 0, 0, 0, 1], "fov": 90, "aspect": 1.7777},
        {"camera_to_world": [0, 0, 1, 0, 0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 0, 1], "fov": 60.0, "aspect": 1.0},
    ],
    "fps": 24,
    "seconds": 4,
    "smoothness_value": 0.5,
    "is_cycle": True,
    "crop": None,
}


@pytest.fixture
def stored():
    return json.loads(json.dumps(BY_HAND))


def filmed(frames=4):
    poses = torch.stack([torch.from_numpy(rigid(seed)) for seed in range(frames)])
    k = torch.tensor([[40.0, 0, 32], [0, 40, 24], [0, 0, 1]], dtype=torch.float64).repeat(frames, 1, 1)
    k[:, [0, 1], [0, 1]] *= torch.linspace(1, 3, frames)[:, None]
    return FilmedPath(cameras=Pinhole(world_from_cam=poses, intrinsics=k, height=48, width=64), fps=30.0, closed=False)


def test_a_file_by_hand(tmp_path, stored):
    (tmp_path / "p.json").write_text(json.dumps(stored))
    found = read_camera_path(tmp_path / "p.json")
    assert (found.fps, found.closed, found.cameras.height, found.cameras.width) == (24, True, 1080, 1920)
    # OpenGL's identity looks along -z with y up
    first = torch.tensor([[1, 0, 0, 0.5], [0, -1, 0, -2], [0, 0, -1, 4], [0, 0, 0, 1]], dtype=torch.float64)
    second = torch.tensor([[0, 0, -1, 0], [0, -1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]], dtype=torch.float64)
    assert torch.equal(found.cameras.world_from_cam, torch.stack([first, second]))
    focal = [540, 540 * math.sqrt(3)]  # half the height over the tangent of half of fov
    for k, f in zip(found.cameras.intrinsics, focal, strict=True):
        expected = torch.tensor([[f, 0, 960], [0, f, 540], [0, 0, 1]], dtype=torch.float64)
        torch.testing.assert_close(k, expected, rtol=1e-12, atol=0)


def test_round_trip(tmp_path):
    path, given = tmp_path / "p.json", filmed()
    write_camera_path(path, given)
    found = read_camera_path(path)
    assert (found.fps, found.closed) == (given.fps, given.closed)
    assert torch.equal(found.cameras.world_from_cam, given.cameras.world_from_cam)
    # through degrees and a tangent, in float64
    torch.testing.assert_close(found.cameras.intrinsics, given.cameras.intrinsics, rtol=1e-12, atol=0)
    written = json.loads(path.read_text())
    assert written["seconds"] == pytest.approx(4 / 30)
    assert (written["render_height"], written["render_width"], written["is_cycle"]) == (48, 64, False)
    assert written["camera_path"][0]["aspect"] == pytest.approx(64 / 48)


def test_what_is_left_out_has_nerfstudios_meaning(tmp_path, stored):
    del stored["camera_type"], stored["is_cycle"]
    (tmp_path / "p.json").write_text(json.dumps(stored))
    assert not read_camera_path(tmp_path / "p.json").closed


@pytest.mark.parametrize(("row", "column", "value"), [(0, 0, 41.0), (0, 2, 30.0), (1, 2, 25.0), (0, 1, 0.5)])
def test_lenses_without_room_in_the_file_are_refused(tmp_path, row, column, value):
    given = filmed()
    given.cameras.intrinsics[2, row, column] = value
    with pytest.raises(InputError, match=r"p\.json: expected square pixels and a centred .* write transforms\.json"):
        write_camera_path(tmp_path / "p.json", given)
    assert not list(tmp_path.iterdir())


def test_float32_is_square_and_centred_enough(tmp_path):
    given = filmed()
    rounded = dataclasses.replace(given.cameras, intrinsics=given.cameras.intrinsics.float())
    write_camera_path(tmp_path / "p.json", dataclasses.replace(given, cameras=rounded))
    found = read_camera_path(tmp_path / "p.json").cameras
    torch.testing.assert_close(found.intrinsics, given.cameras.intrinsics, rtol=1e-6, atol=0)


SHEAR = [1, 0.5, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
MIRROR = [-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("frame", "key", "value", "named"),
    [
        (None, "camera_type", "fisheye", "expected camera_type 'perspective', found 'fisheye'"),
        (None, "is_cycle", 1, "true or false under 'is_cycle'"),
        (None, "fps", 0, "expected fps above 0"),
        (None, "fps", None, "a number under 'fps'"),
        (None, "render_height", 1e9, "a number under 'render_height'"),
        (None, "render_width", 1e8, "render_width and render_height from 1 to 16384"),
        (None, "render_width", 63.5, "63.5 x 1080"),
        (None, "camera_path", [], "1 to 100000 frames"),
        (None, "camera_path", None, "camera_path"),
        (None, "camera_path", [1], "camera_path"),
        (1, "fov", None, "frame 1: expected a number under 'fov', found none"),
        (1, "fov", 180, "frame 1: expected fov between 0 and 180 degrees, found 180"),
        (1, "fov", True, "a number under 'fov'"),
        (1, "camera_to_world", None, "frame 1: expected 4 x 4 finite numbers under 'camera_to_world'"),
        (1, "camera_to_world", SHEAR[:12], "4 x 4 finite numbers"),
        (1, "camera_to_world", [math.nan, *SHEAR[1:]], "4 x 4 finite numbers"),
        (1, "camera_to_world", SHEAR, "a rotation and a translation"),
        (1, "camera_to_world", MIRROR, "a rotation and a translation"),
    ],
)
def test_hostile_files_are_refused(tmp_path, stored, frame, key, value, named):
    (stored if frame is None else stored["camera_path"][frame])[key] = value
    (tmp_path / "p.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match=rf"p\.json.*{named}"):
        read_camera_path(tmp_path / "p.json")


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000, "\xff"])
def test_what_is_no_such_json_is_refused(tmp_path, text):
    (tmp_path / "p.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"p\.json: expected nerfstudio's camera path"):
        read_camera_path(tmp_path / "p.json")
