"""COLMAP's text models: a model by hand, round trips, and files that must be refused."""

import dataclasses
import math

import pytest
import torch
from benchmark_pictures import rigid

from turnaround.io.colmap import SparseModel, read_colmap, write_colmap
from turnaround.types import InputError, Pinhole

HALF = math.sqrt(0.5)
# With the comments that COLMAP writes, images out of order, and tracks.
CAMERAS = """# Camera list with one line of data per camera:
#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]
# Number of cameras: 2
7 SIMPLE_PINHOLE 640 480 500.5 320 240
2 PINHOLE 640 480 510 520 310 230
"""
IMAGES = f"""# Image list with two lines of data per image:
#   IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME
#   POINTS2D[] as (X, Y, POINT3D_ID)
# Number of images: 2, mean observations per image: 1
9 {HALF} 0 {HALF} 0 1 2 3 2 right/b.png
2362.39 248.498 63390 12.5 1.5 -1
3 1 0 0 0 0 0 -4 7 a.png

"""
POINTS = """# 3D point list with one line of data per point:
#   POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[] as (IMAGE_ID, POINT2D_IDX)
63390 1.67241 0.292931 0.609726 115 121 122 1.33927 9 0 3 1
5 -1 2e-1 3 0 255 7 0.5
"""


@pytest.fixture
def folder(tmp_path):
    for name, text in (("cameras", CAMERAS), ("images", IMAGES), ("points3D", POINTS)):
        (tmp_path / f"{name}.txt").write_text(text)
    return tmp_path


def model(frames=4, points=5):
    poses = torch.stack([torch.from_numpy(rigid(seed)) for seed in range(frames)])
    k = torch.tensor([[50.25, 0, 31], [0, 51.5, 24], [0, 0, 1]], dtype=torch.float64).repeat(frames, 1, 1)
    k[-1, 0, 0] = 1 / 3
    generator = torch.Generator().manual_seed(0)
    return SparseModel(
        names=[f"{number:05d}.png" for number in range(frames)],
        cameras=Pinhole(world_from_cam=poses, intrinsics=k, height=48, width=64),
        points=torch.randn(points, 3, generator=generator),
        colors=torch.randint(0, 256, (points, 3), generator=generator, dtype=torch.uint8),
    )


def test_a_model_by_hand(folder):
    found = read_colmap(folder)
    assert found.names == ["a.png", "right/b.png"]
    assert (found.cameras.height, found.cameras.width) == (480, 640)
    k = torch.tensor([[[500.5, 0, 320], [0, 500.5, 240], [0, 0, 1]], [[510, 0, 310], [0, 520, 230], [0, 0, 1]]])
    assert torch.equal(found.cameras.intrinsics, k.double())
    # a quarter turn about y takes world x to -z and world z to x: cam_from_world is [[0 0 1], [0 1 0], [-1 0 0]]
    first = torch.tensor([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 4], [0, 0, 0, 1]], dtype=torch.float64)
    second = torch.tensor([[0, 0, -1, 3], [0, 1, 0, -2], [1, 0, 0, -1], [0, 0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(found.cameras.world_from_cam, torch.stack([first, second]), rtol=0, atol=1e-12)
    points = torch.tensor([[1.67241, 0.292931, 0.609726], [-1, 0.2, 3]], dtype=torch.float64)
    assert torch.equal(found.points, points)
    assert found.colors.tolist() == [[115, 121, 122], [0, 255, 7]]


def test_round_trip(tmp_path):
    given = model()
    write_colmap(tmp_path / "sparse", given)
    found = read_colmap(tmp_path / "sparse")
    assert found.names == given.names
    # through quaternions and two inversions in float64
    torch.testing.assert_close(found.cameras.world_from_cam, given.cameras.world_from_cam, rtol=0, atol=1e-12)
    assert torch.equal(found.cameras.intrinsics, given.cameras.intrinsics)
    assert torch.equal(found.points.float(), given.points)
    assert torch.equal(found.colors, given.colors)


def test_what_is_written_is_colmaps_format(tmp_path):
    still = model(frames=3, points=2)
    poses = torch.eye(4, dtype=torch.float64).repeat(3, 1, 1)
    poses[:, 2, 3] = torch.arange(3)
    colors = torch.tensor([[1, 2, 3], [255, 0, 9]], dtype=torch.uint8)
    points = torch.tensor([[0.5, -1, 2], [0.1, 0, 1e-9]])
    cameras = dataclasses.replace(still.cameras, world_from_cam=poses)
    write_colmap(tmp_path / "sparse", dataclasses.replace(still, cameras=cameras, points=points, colors=colors))
    lines = {
        path.name: [line for line in path.read_text().split("\n") if not line.startswith("#")]
        for path in (tmp_path / "sparse").iterdir()
    }
    assert lines == {
        "cameras.txt": [f"1 PINHOLE 64 48 {1 / 3} 51.5 31.0 24.0", "2 PINHOLE 64 48 50.25 51.5 31.0 24.0", ""],
        "images.txt": [
            *("1 1.0 0.0 0.0 0.0 -0.0 -0.0 -0.0 2 00000.png", ""),
            *("2 1.0 0.0 0.0 0.0 -0.0 -0.0 -1.0 2 00001.png", ""),
            *("3 1.0 0.0 0.0 0.0 -0.0 -0.0 -2.0 1 00002.png", "", ""),
        ],
        "points3D.txt": ["1 0.5 -1 2 1 2 3 -1", "2 0.100000001 0 9.99999972e-10 255 0 9 -1", ""],
    }


def test_many_points_and_none(tmp_path):
    for count in (0, 2**16 + 3):  # more than are written at a time
        given = model(points=count)
        write_colmap(tmp_path / "sparse", given)
        found = read_colmap(tmp_path / "sparse")
        assert torch.equal(found.points.float(), given.points)
        assert torch.equal(found.colors, given.colors)


@pytest.mark.parametrize("names", [["a b.png"], ["a.png", "a.png"], ["../a.png"], ["/a.png"], [""], ["#a.png"]])
def test_names_that_cannot_be_written_are_refused(tmp_path, names):
    given = dataclasses.replace(model(frames=len(names)), names=names)
    with pytest.raises(InputError, match="sparse: expected names"):
        write_colmap(tmp_path / "sparse", given)
    assert not list(tmp_path.iterdir())


def test_skew_and_points_at_infinity_are_refused(tmp_path):
    skewed, far = model(), model()
    skewed.cameras.intrinsics[0, 0, 1] = 1.0
    far.points[3, 1] = torch.inf
    for given in (skewed, far):
        with pytest.raises(InputError, match="lenses without skew and finite points"):
            write_colmap(tmp_path / "sparse", given)


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("cameras", "SIMPLE_PINHOLE", "OPENCV", "line 4: expected one of SIMPLE_PINHOLE, PINHOLE, found OPENCV; undis"),
        ("cameras", "7 SIMPLE_PINHOLE 640 480 500.5 320 240", "7", "line 4: expected one of"),
        ("cameras", "510 520 310 230", "510 520 310", "line 5: expected 6 finite numbers"),
        ("cameras", "510 520", "510 nan", "line 5: expected 6 finite numbers"),
        ("cameras", "510 520", "510 wide", "line 5: expected 6 numbers, found could not"),
        ("cameras", "510 520", "510 -520", "line 5: expected focal lengths above 0, found -520"),
        ("cameras", "2 PINHOLE 640 480", "2 PINHOLE 640 1e9", "line 5: expected a width and height from 1 to 16384"),
        ("cameras", "2 PINHOLE 640 480", "2 PINHOLE 320 240", "pictures of one size, at least one, found 2 sizes"),
        ("cameras", "2 PINHOLE", "7 PINHOLE", "cameras.txt: expected numbers that differ"),
        ("cameras", "2 PINHOLE", "two PINHOLE", "line 5: expected a whole number"),
        ("images", " 2 right/b.png", " 8 right/b.png", "images.txt: expected cameras of cameras.txt, found camera 8"),
        ("images", "right/b.png", "", "line 5: expected IMAGE_ID, 7 numbers, CAMERA_ID and a name.* found 9 words"),
        ("images", "right/b.png", "right b.png", "line 5: .* found 11 words"),
        ("images", "right/b.png", "../b.png", "images.txt: expected names inside"),
        ("images", "right/b.png", "a.png", "images.txt: expected names that differ"),
        ("images", "3 1 0 0 0", "3 2 0 0 0", "line 7: expected a quaternion of length 1, found 2"),
        ("images", "3 1 0 0 0", "3 0 0 0 0", "line 7: expected a quaternion of length 1, found 0"),
        ("images", "0 0 -4", "0 0 inf", "line 7: expected 7 finite numbers"),
        ("images", "2362.39 248.498 63390 12.5 1.5 -1\n", "", "line 5: expected a line of 2D points, or an empty one"),
        ("images", IMAGES, "# nothing\n", "pictures of one size, at least one, found 0"),
        ("points3D", "115 121 122", "115 121 256", "points3D.txt: expected finite points with whole colours"),
        ("points3D", "115 121 122", "115 121 0.5", "points3D.txt: expected finite points with whole colours"),
        ("points3D", "1.67241", "nan", "points3D.txt: expected finite points with whole colours"),
        ("points3D", "1.67241", "far", "points3D.txt: expected POINT3D_ID X Y Z R G B ERROR .*'far'"),
        ("points3D", "5 -1 2e-1 3 0 255 7 0.5", "5 -1 2e-1 3", "points3D.txt: expected POINT3D_ID X Y Z R G B ERROR"),
    ],
)
def test_hostile_files_are_refused(folder, file, old, new, named):
    path = folder / f"{file}.txt"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=named):
        read_colmap(folder)


@pytest.mark.parametrize("name", ["cameras.txt", "images.txt", "points3D.txt"])
def test_files_that_are_missing_or_not_text_are_refused(folder, name):
    (folder / name).write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=rf"{name}: expected {name} of COLMAP"):
        read_colmap(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=rf"{name}: .* no such file"):
        read_colmap(folder)
