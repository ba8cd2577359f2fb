"""RealEstate10K's camera files: what they mean, and the lines that must be refused by name."""

import pytest
import torch

from turnaround.io.realestate import read_timed_cameras
from turnaround.types import InputError


def test_a_file_by_hand(tmp_path):
    """The second camera stands at (1, 2, 3) and looks along the world's x axis."""
    rows = ["0 0.5 1 0.5 0.5 0 0 1 0 0 0 0 1 0 0 0 0 1 0", "40000 1 2 0.25 0.5 0 0 0 0 -1 3 0 1 0 -2 1 0 0 -1"]
    (tmp_path / "a.txt").write_text("\n".join(["https://video.example", *rows]))
    timed = read_timed_cameras(tmp_path / "a.txt")
    assert timed.seconds.tolist() == [0, 0.04]
    cameras = timed.of_size(100, 200)
    assert (cameras.height, cameras.width) == (100, 200)
    assert torch.equal(cameras.world_from_cam[0], torch.eye(4, dtype=torch.float64))
    expected = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 2], [-1, 0, 0, 3], [0, 0, 0, 1]], dtype=torch.float64)
    assert torch.equal(cameras.world_from_cam[1], expected)
    k = torch.tensor([[[100, 0, 100], [0, 100, 50], [0, 0, 1]], [[200, 0, 50], [0, 200, 50], [0, 0, 1]]])
    assert torch.equal(cameras.intrinsics, k.double())


GOOD = "40000 0.9 1.6 0.5 0.5 0 0 1 0 0 0.1 0 1 0 0 0 0 1 0"
BAD = {
    "too few numbers": (GOOD.rsplit(" ", 1)[0], "line 3: expected 19 numbers, found 18"),
    "a word": (GOOD.replace("0.1", "left"), "line 3: expected 19 numbers, found could not convert .* 'left'"),
    "not a number": (GOOD.replace("0.1", "nan"), "line 3: expected finite numbers, found nan"),
    "infinite": (GOOD.replace("0.1", "-inf"), "line 3: expected finite numbers, found -inf"),
    "time stands still": (GOOD.replace("40000", "0"), "line 3: expected whole microseconds that rise .*, found 0"),
    "no focal length": (GOOD.replace("0.9", "0"), "line 3: expected focal lengths above 0, found 0 and 1.6"),
    "distortion": (GOOD.replace("0.5 0 0", "0.5 0.1 0"), "line 3: expected a lens without distortion"),
    "no rotation": (GOOD.replace("0 1 0 0 0 0 1 0", "0 2 0 0 0 0 1 0"), "line 3: expected a rotation .*, found 3 away"),
    "a mirror": (GOOD.replace("0 1 0 0 0 0 1 0", "0 -1 0 0 0 0 1 0"), "line 3: expected a rotation and a translation"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_lines_are_named(name, tmp_path):
    line, named = BAD[name]
    path = tmp_path / "a.txt"
    path.write_text("\n".join(["url", GOOD.replace("40000", "0"), line, GOOD.replace("40000", "90000")]))
    with pytest.raises(InputError, match=rf"a\.txt, {named}"):
        read_timed_cameras(path)


def test_files_without_cameras_are_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("url\n")
    with pytest.raises(InputError, match=r"a\.txt: expected a URL and 1 to 99999 cameras, found 1 lines"):
        read_timed_cameras(path)
    path.write_bytes(b"url\n\xff\xfe")
    with pytest.raises(InputError, match=r"a\.txt: expected a camera file of RealEstate10K"):
        read_timed_cameras(path)
