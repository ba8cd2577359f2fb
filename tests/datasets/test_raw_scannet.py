"""ScanNet as its SensReader exports it."""

import cv2
import numpy as np
import pytest
import torch
from benchmark_pictures import assert_same, metres, rigid, write_picture, write_steps

from turnaround.datasets.depth_benchmarks_raw import ScanNetClips
from turnaround.types import InputError

SCANNET_K = np.array([[30.0, 0, 15.5, 0], [0, 31.0, 11.5, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def write_scannet(root, scene="scene0707_00", frames=11, factor=1) -> tuple[list, list]:
    images, steps = [], []
    for number in range(frames):  # unpadded: 10 comes after 9, not after 1
        images.append(write_picture(root / f"{scene}/color/{number}.jpg", 24 * factor, 32 * factor))
        steps.append(write_steps(root / f"{scene}/depth/{number}.png", 24, 32))
        (root / scene / "pose").mkdir(exist_ok=True)
        np.savetxt(root / f"{scene}/pose/{number}.txt", rigid(number))
    (root / scene / "intrinsic").mkdir(exist_ok=True)
    np.savetxt(root / f"{scene}/intrinsic/intrinsic_depth.txt", SCANNET_K)
    return images, steps


def scannet(root, frames=4, stride=3) -> ScanNetClips:
    return ScanNetClips(root=str(root), scenes=None, start=0, frames=frames, stride=stride)


def test_scannet_is_cropped_and_strided(tmp_path):
    images, steps = write_scannet(tmp_path)
    clip = scannet(tmp_path).clip("scannet/scene0707_00")
    kept = [0, 3, 6, 9]
    assert torch.equal(clip.video, torch.stack([images[i] for i in kept])[..., 8:16, 11:21])
    assert_same(clip.depth.values, torch.stack([metres(steps[i], 1000) for i in kept])[:, 8:16, 11:21])
    assert (clip.cameras.height, clip.cameras.width) == (8, 10)
    assert clip.cameras.intrinsics[3].tolist() == [[30, 0, 5], [0, 31, 4], [0, 0, 1]]  # + 0.5 - 11, + 0.5 - 8
    np.testing.assert_allclose(clip.cameras.world_from_cam[2], rigid(6), atol=1e-6)
    assert clip.sources["frames"].splitlines()[-1] == "scene0707_00/intrinsic/intrinsic_depth.txt"


def test_larger_colour_is_brought_to_the_depth(tmp_path):
    write_scannet(tmp_path, frames=1, factor=2)
    cv2.imwrite(str(tmp_path / "scene0707_00/color/0.jpg"), np.full((48, 64, 3), 51, np.uint8))
    clip = scannet(tmp_path).clip("scannet/scene0707_00")
    assert clip.video.shape == (1, 3, 8, 10)
    torch.testing.assert_close(clip.video, torch.full_like(clip.video, 0.2))


def test_lost_tracking_leaves_no_cameras(tmp_path):
    write_scannet(tmp_path)
    np.savetxt(tmp_path / "scene0707_00/pose/3.txt", np.full((4, 4), -np.inf))
    clip = scannet(tmp_path).clip("scannet/scene0707_00")
    assert clip.cameras is None
    assert "cameras" not in clip.sources
    assert scannet(tmp_path, frames=1).clip("scannet/scene0707_00").cameras is not None


@pytest.mark.parametrize("text", ["1 2 3", "a " * 16, ""])
def test_a_pose_has_sixteen_numbers(tmp_path, text):
    write_scannet(tmp_path)
    (tmp_path / "scene0707_00/pose/3.txt").write_text(text)
    with pytest.raises(InputError, match=r"3\.txt: expected 4 x 4 numbers"):
        scannet(tmp_path).clip("scannet/scene0707_00")


def test_a_picture_without_room_for_the_crop_is_refused(tmp_path):
    write_scannet(tmp_path, frames=1)
    write_steps(tmp_path / "scene0707_00/depth/0.png", 16, 32)
    with pytest.raises(InputError, match=r"0\.png: expected a picture that holds rows 8 to 8"):
        scannet(tmp_path).clip("scannet/scene0707_00")


def test_depth_of_eight_bits_is_refused(tmp_path):
    write_scannet(tmp_path, frames=1)
    cv2.imwrite(str(tmp_path / "scene0707_00/depth/0.png"), np.ones((24, 32), np.uint8))
    with pytest.raises(InputError, match=r"0\.png: expected one channel of 16 bits"):
        scannet(tmp_path).clip("scannet/scene0707_00")
