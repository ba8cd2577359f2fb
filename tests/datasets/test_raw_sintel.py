"""MPI Sintel in its own layout, and what all raw sets share: selection, origin, missing and damaged files."""

import struct

import numpy as np
import pytest
import torch
from benchmark_pictures import RANDOM, rigid, write_picture

from turnaround.datasets.depth_benchmarks_raw import SintelClips
from turnaround.geometry.projection import project
from turnaround.types import ClipSource, DepthKind, InputError

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
