"""Stereo in two files, with what a folder says of its lens and its poses."""

import json

import pytest
import torch
from stereo_films import eyes

from turnaround.io.image import write_image
from turnaround.io.stereo_folder import is_stereo_folder, read_poses
from turnaround.io.stereo_layout import Arrangement, StereoLayout
from turnaround.io.stereo_video import open_stereo
from turnaround.io.video import write_video
from turnaround.types import InputError

AUTO = StereoLayout(arrangement=None, view=None, swapped=False, least_height=256, samples=1, crossed_deg=0.5)
ROWS = ["1 0 0 1 0 1 0 2 0 0 1 3", "0 0 1 4 0 1 0 5 -1 0 0 6", "1 0 0 7 0 1 0 8 0 0 1 9"]


@pytest.fixture
def folder(tmp_path):
    """Pictures of two eyes, calibrated, ten to the second."""
    root = tmp_path / "sequence 01"
    for eye, video in zip(("left", "right"), eyes(3), strict=True):
        (root / eye).mkdir(parents=True)
        for number, picture in enumerate(video):
            write_image(root / eye / f"{number}.png", picture)
    calibration = {"fx": 200.0, "fy": 210.0, "cx": 127.0, "cy": 129.0, "baseline": 0.54, "fps": 10}
    (root / "calibration.json").write_text(json.dumps(calibration))
    return root


def test_folders_of_pictures(folder):
    (folder / "poses.txt").write_text("\n".join([*ROWS, ROWS[0]]))
    assert is_stereo_folder(folder)
    assert not is_stereo_folder(folder / "left")
    video = open_stereo(folder, AUTO)
    assert (video.id, video.layout, video.baseline, video.rate) == ("sequence-01", Arrangement.TWO_FILES, 0.54, 10.0)
    assert video.left_lens.intrinsics.tolist() == [[200, 0, 127], [0, 210, 129], [0, 0, 1]]
    assert video.world_from_left is not None
    assert video.world_from_left[1].tolist() == [[0, 0, 1, 4], [0, 1, 0, 5], [-1, 0, 0, 6], [0, 0, 0, 1]]
    left, right = eyes(3)
    for number, pair in enumerate(video.frames(1), start=1):
        for found, expected in zip(pair, (left, right), strict=True):
            torch.testing.assert_close(found, expected[number], rtol=0.0, atol=0.51 / 255)  # 8 bits


def test_two_videos(tmp_path, folder):
    for eye, video in zip(("left", "right"), eyes(3), strict=True):
        write_video(tmp_path / f"{eye}.mp4", video, fps=25.0)
    with pytest.raises(InputError, match="expected a known lens"):
        open_stereo(tmp_path, AUTO)
    (folder / "calibration.json").rename(tmp_path / "calibration.json")
    video = open_stereo(tmp_path, AUTO)
    assert (video.rate, video.world_from_left, len(list(video.frames()))) == (25.0, None, 3)


def test_eyes_of_different_size_or_length_are_refused(folder):
    write_image(folder / "left" / "3.png", torch.zeros(3, 256, 256))
    with pytest.raises(InputError, match=r"right: expected 4 frames of 256 x 256, as the left, found 3 frames"):
        open_stereo(folder, AUTO)
    (folder / "left" / "3.png").unlink()
    for number in range(3):
        write_image(folder / "right" / f"{number}.png", torch.zeros(3, 256, 258))
    with pytest.raises(InputError, match=r"as the left, found 3 frames of 258 x 256; cut both alike"):
        open_stereo(folder, AUTO)


def test_folders_without_two_eyes_are_refused(folder):
    (folder / "left.mp4").touch()
    with pytest.raises(InputError, match=r"one video or folder of pictures called left, found left, left\.mp4"):
        open_stereo(folder, AUTO)


def test_damaged_calibrations_and_poses_are_refused(folder):
    for rows in (ROWS[:2], [*ROWS[:2], "1 2 3"], [*ROWS[:2], ROWS[2] + "x"], [*ROWS[:2], "nan " + ROWS[2][2:]]):
        (folder / "poses.txt").write_text("\n".join(rows))
        with pytest.raises(InputError, match="3 or more rows of 12 numbers"):
            read_poses(folder, 3)
    (folder / "poses.txt").write_text("\n".join([ROWS[0], ROWS[0].replace("1", "2", 1)]))
    with pytest.raises(InputError, match="no rotation in row 2"):
        read_poses(folder, 2)
    (folder / "calibration.json").write_text(json.dumps({"fx": 0, "fy": 1, "cx": 2, "cy": 3}))
    with pytest.raises(InputError, match=r"calibration\.json: expected fx above 0, found 0"):
        open_stereo(folder, AUTO)
