"""Poses in text files: KITTI's rows and RealEstate10K's cameras."""

import pytest
import torch

from turnaround.io.camera_poses import read_camera_poses
from turnaround.types import InputError

TURNED = "0 -1 0 4 1 0 0 5 0 0 1 6"  # a quarter turn about z


def written(tmp_path, text):
    path = tmp_path / "poses.txt"
    path.write_text(text)
    return path


def test_twelve_numbers_are_the_rows_of_world_from_cam(tmp_path):
    found = read_camera_poses(written(tmp_path, f"1 0 0 0 0 1 0 0 0 0 1 0\n{TURNED}\n"))
    expected = torch.tensor([[0.0, -1, 0, 4], [1, 0, 0, 5], [0, 0, 1, 6], [0, 0, 0, 1]]).double()
    assert torch.equal(found, torch.stack([torch.eye(4).double(), expected]))


def test_cameras_of_realestate_are_inverted(tmp_path):
    """They are camera-from-world: a translation of (4, 5, 6) puts the camera at (-4, -5, -6)."""
    row = "0 0.5 0.9 0.5 0.5 0 0 1 0 0 4 0 1 0 5 0 0 1 6"
    found = read_camera_poses(written(tmp_path, f"https://example.org\n{row}\n"))
    assert found[0, :3, 3].tolist() == [-4, -5, -6]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{TURNED}\n1 0 0\n", "line 2: expected 12 finite numbers, found 3"),
        (f"{TURNED}\n{TURNED.replace('4', 'nan')}\n", "line 2: expected 12 finite numbers"),
        (f"{TURNED}\n{TURNED.replace('4', 'x')}\n", "line 2: expected 12 numbers"),
        ("2 0 0 0 0 1 0 0 0 0 1 0\n", "line 1: expected a rotation and a translation"),
        ("1 0 0 0 0 1 0 0 0 0 -1 0\n", "line 1: expected a rotation and a translation, found inf"),
        ("", "a URL and 1 to"),
    ],
)
def test_what_is_no_pose_is_refused(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        read_camera_poses(written(tmp_path, text))
