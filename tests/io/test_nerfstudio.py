"""transforms.json: round trips, axes, and files that must be refused."""

import json

import pytest
import torch
from benchmark_pictures import rigid

from turnaround.io.nerfstudio import PosedFrames, read_transforms, write_transforms
from turnaround.types import InputError, Pinhole


def posed(folder, frames=3):
    poses = torch.stack([torch.from_numpy(rigid(seed)) for seed in range(frames)]).float()
    k = torch.tensor([[[50.0, 0, 31], [0, 51.5, 24], [0, 0, 1]]]).repeat(frames, 1, 1)
    return PosedFrames(
        images=[folder / "images" / f"{number}.png" for number in range(frames)],
        depths=[folder / "depth" / f"{number}.png" for number in range(frames)],
        cameras=Pinhole(world_from_cam=poses, intrinsics=k, height=48, width=64),
    )


@pytest.fixture
def stored(tmp_path):
    """What a file of three frames holds."""
    write_transforms(tmp_path / "transforms.json", posed(tmp_path))
    return json.loads((tmp_path / "transforms.json").read_text())


def test_round_trip(tmp_path):
    frames = posed(tmp_path)
    write_transforms(tmp_path / "transforms.json", frames)
    found = read_transforms(tmp_path / "transforms.json")
    assert (found.images, found.depths) == (frames.images, frames.depths)
    assert (found.cameras.height, found.cameras.width) == (48, 64)
    for name in ("world_from_cam", "intrinsics"):
        torch.testing.assert_close(getattr(found.cameras, name), getattr(frames.cameras, name), rtol=0, atol=0)


def test_axes_are_opengls(tmp_path, stored):
    """There the identity looks along -z with y up."""
    stored["frames"] = stored["frames"][:1]
    stored["frames"][0]["transform_matrix"] = torch.eye(4).tolist()
    (tmp_path / "t.json").write_text(json.dumps(stored))
    pose = read_transforms(tmp_path / "t.json").cameras.world_from_cam[0]
    assert torch.equal(pose[:3, 2], torch.tensor([0.0, 0, -1])), "forward"
    assert torch.equal(pose[:3, 1], torch.tensor([0.0, -1, 0])), "down"
    assert torch.equal(pose[:3, 0], torch.tensor([1.0, 0, 0])), "right"


def test_intrinsics_may_stand_at_the_top_and_depth_may_be_absent(tmp_path, stored):
    for frame in stored["frames"]:
        for key in ("fl_x", "fl_y", "cx", "cy"):
            stored[key] = frame.pop(key)
        frame.pop("depth_file_path")
    stored |= {"k1": 0, "p2": 0.0}
    (tmp_path / "t.json").write_text(json.dumps(stored))
    found = read_transforms(tmp_path / "t.json")
    assert found.depths is None
    assert torch.equal(found.cameras.intrinsics, posed(tmp_path).cameras.intrinsics)


def change(stored, path, value):
    *way, last = path
    for key in way:
        stored = stored[key]
    if value is None:
        del stored[last]
    else:
        stored[last] = value


SHEAR = [[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
MIRROR = [[-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (["frames"], [], "1 to 100000 frames"),
        (["frames"], "all", "frames"),
        (["frames", 1], 3, "frames"),
        (["frames", 1, "fl_x"], None, r"frame 1: expected a number under 'fl_x', found none"),
        (["frames", 1, "fl_x"], "50", "'50'"),
        (["frames", 1, "fl_y"], float("nan"), "nan"),
        (["frames", 1, "fl_y"], -50, "focal lengths above 0"),
        (["frames", 1, "k1"], 0.1, "without lens distortion, found k1 0.1; undistort"),
        (["w"], 1e8, "w and h from 1 to 16384"),
        (["w"], 63.5, "63.5 x 48"),
        (["frames", 2, "w"], 32, "frames of one size"),
        (["frames", 0, "transform_matrix"], SHEAR, "a rotation and a translation"),
        (["frames", 0, "transform_matrix"], MIRROR, "a rotation and a translation"),
        (["frames", 0, "transform_matrix"], [[1, 0], [0, 1]], "4 x 4 finite numbers"),
        (["frames", 0, "transform_matrix", 0, 3], float("inf"), "4 x 4 finite numbers"),
        (["frames", 2, "file_path"], "../secret.png", "secret"),
        (["frames", 2, "file_path"], "/etc/passwd", "passwd"),
        (["frames", 2, "file_path"], 7, "a path under 'file_path'"),
        (["frames", 2, "depth_file_path"], "images/../../d.png", "names inside"),
        (["frames", 2, "depth_file_path"], None, "it in 2 of 3"),
    ],
)
def test_hostile_files_are_refused(tmp_path, stored, path, value, named):
    change(stored, path, value)
    (tmp_path / "t.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match=rf"t\.json.*{named}"):
        read_transforms(tmp_path / "t.json")


@pytest.mark.parametrize("text", ["", "{", "[1]", '"frames"', "[" * 100_000, "\xff"])
def test_what_is_no_such_json_is_refused(tmp_path, text):
    (tmp_path / "t.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"t\.json: expected nerfstudio's transforms\.json"):
        read_transforms(tmp_path / "t.json")
    with pytest.raises(InputError, match="no such file"):
        read_transforms(tmp_path / "none.json")
