"""KITTI and Bonn in their own layouts: pictures find their depth, by number or by time."""

import pytest
import torch
from benchmark_pictures import assert_same, metres, write_picture, write_steps

from turnaround.datasets.depth_benchmarks_raw import BonnClips, KittiClips
from turnaround.types import InputError


def test_kitti_pairs_drives_and_makes_sizes_even(tmp_path):
    drive, images, steps = "2011_09_26_drive_0002_sync", {}, {}
    for number in range(5, 9):  # the first and last frames of a drive have no annotated depth
        path = tmp_path / f"val/{drive}/proj_depth/groundtruth/image_02/{number:010d}.png"
        steps[number] = write_steps(path, 7, 11)
    for number in range(12):
        images[number] = write_picture(tmp_path / f"2011_09_26/{drive}/image_02/data/{number:010d}.png", 7, 11)
    clips = KittiClips(root=str(tmp_path), scenes=[drive], start=0, frames=3, stride=1)
    assert clips.ids() == [f"KITTI/{drive}"]
    clip = clips.clip(f"KITTI/{drive}")
    assert torch.equal(clip.video, torch.stack([images[i] for i in (5, 6, 7)])[..., :6, :10])
    assert_same(clip.depth.values, torch.stack([metres(steps[i], 256) for i in (5, 6, 7)])[:, :6, :10])
    assert clip.depth.values[:, 0, 0].isnan().all()
    assert clip.cameras is None


def write_bonn(root, image_times, depth_times, scene="rgbd_bonn_balloon2") -> tuple[dict, dict]:
    images, steps = {}, {}
    for name, times in (("rgb", image_times), ("depth", depth_times)):
        lines = ["# timestamp filename", *(f"{time:.5f} {name}/{time:.5f}.png" for time in times)]
        (root / scene).mkdir(exist_ok=True)
        (root / scene / f"{name}.txt").write_text("\n".join(lines) + "\n")
    for time in image_times:
        images[time] = write_picture(root / f"{scene}/rgb/{time:.5f}.png", 5, 6)
    for time in depth_times:
        steps[time] = write_steps(root / f"{scene}/depth/{time:.5f}.png", 5, 6)
    return images, steps


def bonn(root, start=0, frames=9) -> BonnClips:
    return BonnClips(root=str(root), scenes=["rgbd_bonn_balloon2"], start=start, frames=frames, stride=1)


def test_bonn_is_paired_by_time(tmp_path):
    # 1.10 has no depth within 0.02 s, 1.149 is nearer to 1.15 than 1.16 is, and the depth of 0.5 has no picture
    images, steps = write_bonn(tmp_path, [1.0, 1.1, 1.149, 1.16, 1.2], [0.5, 0.99, 1.15, 1.21])
    clip = bonn(tmp_path).clip("bonn/rgbd_bonn_balloon2")
    assert torch.equal(clip.video, torch.stack([images[t] for t in (1.0, 1.149, 1.2)])[..., :4, :])
    assert_same(clip.depth.values, torch.stack([metres(steps[t], 5000) for t in (0.99, 1.15, 1.21)])[:, :4])
    assert clip.sources["frames"].splitlines()[-2:] == [f"rgbd_bonn_balloon2/{n}.txt" for n in ("rgb", "depth")]
    later = bonn(tmp_path, start=1, frames=1).clip("bonn/rgbd_bonn_balloon2")
    assert torch.equal(later.video[0], images[1.149][:, :4])


def test_a_list_with_one_line_is_a_list(tmp_path):
    images, _ = write_bonn(tmp_path, [1.0, 1.1], [1.1])
    assert torch.equal(bonn(tmp_path).clip("bonn/rgbd_bonn_balloon2").video[0], images[1.1][:, :4])


@pytest.mark.parametrize("text", ["", "# only this\n", "1.0\n", "one rgb/a.png\n", "1.0 ../../secret.png\n"])
def test_bad_lists_are_named(tmp_path, text):
    write_bonn(tmp_path, [1.0], [1.0])
    (tmp_path / "rgbd_bonn_balloon2/rgb.txt").write_text(text)
    with pytest.raises(InputError, match=r"rgb\.txt"):
        bonn(tmp_path).clip("bonn/rgbd_bonn_balloon2")
