import shutil
import struct

import cv2
import numpy as np
import pytest
import torch

from turnaround.datasets.depth_benchmarks_raw import (
    BonnClips,
    KittiClips,
    NyuImages,
    NyuVideos,
    ScanNetClips,
    SintelClips,
)
from turnaround.geometry.projection import project
from turnaround.io.image import read_image
from turnaround.types import ClipSource, DepthKind, InputError

RANDOM = np.random.default_rng(0)


def write_picture(path, height, width) -> torch.Tensor:
    """What reading it gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8))
    return read_image(path)


def write_steps(path, height, width) -> torch.Tensor:
    """The steps of a 16 bit depth map, 0 at its corner, as float64."""
    path.parent.mkdir(parents=True, exist_ok=True)
    steps = RANDOM.integers(1, 65536, (height, width), dtype=np.uint16)
    steps[0, 0] = 0
    cv2.imwrite(str(path), steps)
    return torch.from_numpy(steps.astype(np.float64))


def metres(steps, divisor) -> torch.Tensor:
    return torch.where(steps == 0, torch.nan, steps / divisor).float()


def assert_same(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def rigid(seed) -> np.ndarray:
    motion = np.eye(4)
    motion[:3, :3] = cv2.Rodrigues(np.random.default_rng(seed).normal(size=3))[0]
    motion[:3, 3] = np.random.default_rng(seed).normal(size=3)
    return motion


# MPI Sintel

HEIGHT, WIDTH = 10, 14
SINTEL_K = np.array([[20.0, 0, 6.5], [0, 21.0, 4.5], [0, 0, 1]])  # centred, with pixel centres at whole numbers


def write_sintel(root, scene="alley_1", frames=3) -> tuple[list, list]:
    images, depths = [], []
    for number in range(1, frames + 1):
        images.append(write_picture(root / f"training/clean/{scene}/frame_{number:04d}.png", HEIGHT, WIDTH))
        depth = RANDOM.uniform(1, 90, (HEIGHT, WIDTH)).astype("<f4")
        depth[0, 0] = np.inf
        path = root / f"training/depth/{scene}/frame_{number:04d}.dpt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(struct.pack("<fii", 202021.25, WIDTH, HEIGHT) + depth.tobytes())
        depths.append(torch.from_numpy(depth))
        path = root / f"training/camdata_left/{scene}/frame_{number:04d}.cam"
        path.parent.mkdir(parents=True, exist_ok=True)
        cam_from_world = np.linalg.inv(rigid(number))[:3]
        path.write_bytes(struct.pack("<f", 202021.25) + SINTEL_K.astype("<f8").tobytes() + cam_from_world.tobytes())
    return images, depths


def sintel(root, **changes) -> SintelClips:
    return SintelClips(**({"root": str(root), "scenes": None, "start": 0, "frames": 50, "stride": 1} | changes))


def test_sintel_is_its_files(tmp_path):
    images, depths = write_sintel(tmp_path)
    write_sintel(tmp_path, "cave_2", frames=1)
    clips = sintel(tmp_path)
    assert isinstance(clips, ClipSource)
    assert clips.ids() == ["sintel/alley_1", "sintel/cave_2"]
    clip = clips.clip("sintel/alley_1")
    assert torch.equal(clip.video, torch.stack(images))
    assert clip.depth.kind is DepthKind.METRIC
    assert clip.depth.values[:, 0, 0].isnan().all()
    assert torch.equal(clip.depth.values[:, 1:], torch.stack(depths)[:, 1:])


def test_sintel_cameras_see_as_its_matrices_say(tmp_path):
    write_sintel(tmp_path)
    cameras = sintel(tmp_path).clip("sintel/alley_1").cameras
    assert (cameras.height, cameras.width) == (HEIGHT, WIDTH)
    assert cameras.intrinsics[0, :2, 2].tolist() == [7, 5]  # the middle, with centres at +0.5
    np.testing.assert_allclose(cameras.world_from_cam[1], rigid(2), atol=1e-6)  # float32
    point = rigid(2) @ [0.3, -0.2, 4, 1]
    seen = SINTEL_K @ np.linalg.inv(rigid(2))[:3] @ point  # sintel_io.py: x = M N X, up to a factor
    pixels, z = project(torch.tensor(point[:3]).expand(3, 1, 3).double(), cameras)
    np.testing.assert_allclose(pixels[1, 0], seen[:2] / seen[2] + 0.5, atol=1e-4)
    assert z[1, 0].item() == pytest.approx(4, abs=1e-5)


def test_frames_are_selected_by_start_number_and_stride(tmp_path):
    images, _ = write_sintel(tmp_path, frames=12)
    clip = sintel(tmp_path, start=1, frames=3, stride=4).clip("sintel/alley_1")
    assert torch.equal(clip.video, torch.stack([images[1], images[5], images[9]]))
    assert len(clip.cameras) == 3
    assert len(sintel(tmp_path, start=10, frames=5).clip("sintel/alley_1").video) == 2
    with pytest.raises(InputError, match="found no frames"):
        sintel(tmp_path, start=12).clip("sintel/alley_1")
    with pytest.raises(InputError, match="start 0, frames 1, stride 0"):
        sintel(tmp_path, frames=1, stride=0)


def test_the_origin_lists_all_files_and_tells_each_byte(tmp_path):
    write_sintel(tmp_path, frames=2)
    sources = sintel(tmp_path, frames=1).clip("sintel/alley_1").sources
    assert sources["video"] == "training/clean/alley_1"
    assert sources["frames"].splitlines() == [
        "training/clean/alley_1/frame_0001.png",
        "training/depth/alley_1/frame_0001.dpt",
        "training/camdata_left/alley_1/frame_0001.cam",
    ]
    for name, used in (("frame_0001.dpt", True), ("frame_0002.dpt", False)):
        path = tmp_path / "training/depth/alley_1" / name
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        now = sintel(tmp_path, frames=1).clip("sintel/alley_1").sources["sha256"]
        assert (now != sources["sha256"]) is used
        sources = {**sources, "sha256": now}


def test_missing_scenes_and_files_are_named(tmp_path):
    with pytest.raises(InputError, match="expected one folder per scene, found none"):
        sintel(tmp_path).ids()
    write_sintel(tmp_path, frames=3)
    with pytest.raises(InputError, match="expected 2 scenes, found 1 missing, the first is cave_2"):
        sintel(tmp_path, scenes=["alley_1", "cave_2"]).ids()
    for number in (2, 3):
        (tmp_path / f"training/depth/alley_1/frame_{number:04d}.dpt").unlink()
    with pytest.raises(InputError, match=r"clip sintel/alley_1 .*2 missing, the first is .*frame_0002\.dpt"):
        sintel(tmp_path).clip("sintel/alley_1")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("depth/alley_1/frame_0002.dpt", lambda data: data[:-1]),
        ("depth/alley_1/frame_0002.dpt", lambda data: data + b"\0"),
        ("depth/alley_1/frame_0002.dpt", lambda data: b"HEIP" + data[4:]),
        ("depth/alley_1/frame_0002.dpt", lambda data: data[:4] + struct.pack("<ii", -WIDTH, -HEIGHT) + data[12:]),
        ("depth/alley_1/frame_0002.dpt", lambda data: data[:4] + struct.pack("<ii", 2**30, 2**30) + data[12:]),
        ("depth/alley_1/frame_0002.dpt", lambda data: b""),
        ("camdata_left/alley_1/frame_0002.cam", lambda data: data[:-1]),
        ("camdata_left/alley_1/frame_0002.cam", lambda data: b"HEIP" + data[4:]),
        ("clean/alley_1/frame_0002.png", lambda data: data[:40]),
    ],
)
def test_damaged_files_are_named(tmp_path, name, change):
    write_sintel(tmp_path)
    path = tmp_path / "training" / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=path.name):
        sintel(tmp_path).clip("sintel/alley_1")


def test_frames_of_other_sizes_are_named(tmp_path):
    write_sintel(tmp_path)
    path = tmp_path / "training/depth/alley_1/frame_0003.dpt"
    path.write_bytes(struct.pack("<fii", 202021.25, 2, 3) + bytes(24))
    with pytest.raises(InputError, match=r"frame_0003\.dpt: expected 14 x 10, as the first, found 2 x 3"):
        sintel(tmp_path).clip("sintel/alley_1")
    write_sintel(tmp_path)
    write_picture(tmp_path / "training/clean/alley_1/frame_0002.png", HEIGHT, 2 * WIDTH)
    with pytest.raises(InputError, match=r"frame_0002\.png: expected the size of its depth"):
        sintel(tmp_path).clip("sintel/alley_1")


# ScanNet

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


# KITTI


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


# Bonn


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


# NYU Depth v2


def write_nyu(root) -> tuple[torch.Tensor, torch.Tensor]:
    names = [f"test/kitchen_0004/{kind}_0001.png" for kind in ("rgb", "depth", "filled")]
    (root / "filename_list_test.txt").write_text(" ".join(names) + "\n")
    write_steps(root / names[1], 480, 640)
    return write_picture(root / names[0], 480, 640), write_steps(root / names[2], 480, 640)


def nyu(root) -> NyuImages:
    return NyuImages(root=str(root), listing=str(root / "filename_list_test.txt"))


def test_nyu_images_are_clips_of_one_frame(tmp_path):
    image, steps = write_nyu(tmp_path)
    assert isinstance(nyu(tmp_path), ClipSource)
    assert nyu(tmp_path).ids() == ["NYUv2/test/kitchen_0004/rgb_0001"]
    clip = nyu(tmp_path).clip("NYUv2/test/kitchen_0004/rgb_0001")
    assert torch.equal(clip.video, image[None, :, 45:471, 41:601])
    assert_same(clip.depth.values, metres(steps, 1000)[None, 45:471, 41:601])


@pytest.mark.parametrize("text", ["", "a.png b.png\n", "a.png b.png ../c.png\n"])
def test_bad_listings_are_named(tmp_path, text):
    write_nyu(tmp_path)
    (tmp_path / "filename_list_test.txt").write_text(text)
    with pytest.raises(InputError, match=r"filename_list_test\.txt"):
        nyu(tmp_path).ids()


def test_nyu_of_another_size_has_no_such_crop(tmp_path):
    write_nyu(tmp_path)
    write_steps(tmp_path / "test/kitchen_0004/filled_0001.png", 240, 320)
    with pytest.raises(InputError, match="rows 45 to 471, columns 41 to 601, found 320 x 240"):
        nyu(tmp_path).clip("NYUv2/test/kitchen_0004/rgb_0001")


def test_nyu_videos_have_their_own_unit(tmp_path):
    image = write_picture(tmp_path / "cafe_0001a/rgb/1.jpg", 480, 640)
    steps = write_steps(tmp_path / "cafe_0001a/depth/1.png", 480, 640)
    clips = NyuVideos(root=str(tmp_path), scenes=["cafe_0001a"], start=0, frames=500, stride=1)
    clip = clips.clip("nyuv2/cafe_0001a")
    assert torch.equal(clip.video, image[None, :, 45:471, 41:601])
    assert_same(clip.depth.values, metres(steps, 6000)[None, 45:471, 41:601])
    shutil.rmtree(tmp_path / "cafe_0001a/rgb")
    with pytest.raises(InputError, match="no frames"):
        clips.clip("nyuv2/cafe_0001a")
