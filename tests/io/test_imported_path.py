"""A path comes back from every kind of file, placed on the picture's own camera."""

import math
import shutil

import pytest
import torch
from filmed_orbits import camera_lines
from picture_cameras import ahead, held_askew, level

from turnaround.geometry.camera_path import CameraPath, DollyZoom, Spiral
from turnaround.geometry.easing import Linear
from turnaround.io.camera_path import FilmedPath, write_camera_path
from turnaround.io.colmap import SparseModel, write_colmap
from turnaround.io.imported_path import Imported
from turnaround.io.nerfstudio import PosedFrames, write_transforms
from turnaround.types import InputError

FRAMES, PIVOT = 6, 2.0
SPIRAL = Spiral(frames=FRAMES, turns=1, rise_degrees=20.0, reach=1.5)
ZOOM = DollyZoom(frames=FRAMES, share=0.5, easing=Linear())


def write(folder, name, cameras):
    """As the file of that name, and its path."""
    path = folder / name
    match name:
        case "path.json":
            write_camera_path(path, FilmedPath(cameras=cameras, fps=24.0, closed=True))
        case "transforms.json":
            images = [folder / f"{number}.png" for number in range(len(cameras))]
            write_transforms(path, PosedFrames(images=images, depths=None, cameras=cameras))
        case "cameras.txt":
            path.write_text("\n".join(camera_lines(cameras)))
        case "sparse":
            names = [f"{number}.png" for number in range(len(cameras))]
            none = torch.zeros(0, 3)
            write_colmap(path, SparseModel(names=names, cameras=cameras, points=none, colors=none.to(torch.uint8)))
    return str(path)


@pytest.mark.parametrize("name", ["path.json", "transforms.json", "cameras.txt", "sparse"])
@pytest.mark.parametrize("made", [SPIRAL, ZOOM], ids=["spiral", "dolly zoom"])
def test_a_path_of_another_start_in_another_unit_comes_back(tmp_path, name, made):
    """Written from where the file's world has its picture, at half the size, and read for ours at twice that."""
    file = write(tmp_path, name, made.cameras(level(), ahead(PIVOT / 2)))
    path = Imported(file=file, scale=2.0)
    assert isinstance(path, CameraPath)
    assert path.frames == FRAMES
    assert path.closed == (name == "path.json")
    start = held_askew()
    found = path.cameras(start, ahead(9.0))
    first_from_cam = made.cameras(level(), ahead(PIVOT)).world_from_cam  # level stands where the world's axes are
    expected = start.world_from_cam[0] @ first_from_cam
    torch.testing.assert_close(found.world_from_cam, expected, rtol=0, atol=1e-6)  # transforms.json is read in float32
    zooms = made.cameras(start, ahead(PIVOT)).intrinsics
    torch.testing.assert_close(found.intrinsics, zooms, rtol=1e-6, atol=0)
    assert torch.equal(found.world_from_cam[0], start.world_from_cam[0])
    assert torch.equal(found.intrinsics[0], start.intrinsics[0])


def test_the_type_and_size_are_the_starts(tmp_path):
    path = Imported(file=write(tmp_path, "path.json", SPIRAL.cameras(level(), ahead(PIVOT))), scale=1.0)
    start = held_askew(torch.float32)
    found = path.cameras(start, ahead(PIVOT))
    assert found.world_from_cam.dtype == found.intrinsics.dtype == torch.float32
    assert torch.equal(found.world_from_cam[0], start.world_from_cam[0])
    assert (found.height, found.width) == (start.height, start.width)


def test_what_holds_no_path_is_refused_at_once(tmp_path):
    file = write(tmp_path, "path.json", SPIRAL.cameras(level(), ahead(PIVOT)))
    for scale in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="scale: expected metres above 0"):
            Imported(file=file, scale=scale)
    shutil.copy(file, tmp_path / "path.yaml")
    with pytest.raises(
        InputError, match=r"path\.yaml: expected camera_path\.json, .* found a name that ends with '\.yaml'"
    ):
        Imported(file=str(tmp_path / "path.yaml"), scale=1.0)
    for name, found in (("none.json", "no such file"), ("none.txt", "no such file"), ("none", "a name that ends")):
        with pytest.raises(InputError, match=found):
            Imported(file=str(tmp_path / name), scale=1.0)
    with pytest.raises(InputError, match=r"cameras\.txt: .* no such file"):
        Imported(file=str(tmp_path), scale=1.0)
