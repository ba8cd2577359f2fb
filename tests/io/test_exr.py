import sys

import numpy as np
import pytest
import torch

from turnaround.io.exr import read_exr, write_exr
from turnaround.types import InputError


@pytest.fixture
def openexr():
    return pytest.importorskip("OpenEXR", reason="the extra exr is not installed")


def test_round_trip_is_exact(tmp_path, openexr):
    values = torch.rand(7, 5, generator=torch.Generator().manual_seed(0)) * 1e6 - 10
    values[0, 0], values[1, 1] = float("nan"), float("inf")
    write_exr(tmp_path / "z.exr", values)
    torch.testing.assert_close(read_exr(tmp_path / "z.exr"), values, rtol=0, atol=0, equal_nan=True)
    with openexr.File(str(tmp_path / "z.exr"), separate_channels=True) as file:
        assert list(file.channels()) == ["Z"]


def test_bad_files_are_refused(tmp_path, openexr):
    write_exr(tmp_path / "whole.exr", torch.rand(50, 50))
    whole = (tmp_path / "whole.exr").read_bytes()
    for name, data in [("half.exr", whole[: len(whole) // 2]), ("text.exr", b"no picture"), ("empty.exr", b"")]:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=f"{name}: expected an EXR image, found something else or a damaged file"):
            read_exr(tmp_path / name)
    with pytest.raises(InputError, match="found no such file"):
        read_exr(tmp_path / "missing.exr")


def test_other_channels_are_refused_by_name(tmp_path, openexr):
    for channels, found in [
        ({"Y": np.zeros((2, 3), np.float32)}, "Y float32"),
        ({"Z": np.zeros((2, 3), np.float16)}, "Z float16"),
    ]:
        openexr.File({}, channels).write(str(tmp_path / "a.exr"))
        with pytest.raises(InputError, match=rf"a\.exr: expected a float32 channel Z, found {found}"):
            read_exr(tmp_path / "a.exr")


def test_unwritable_and_full_places(tmp_path, openexr, full_disk):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"z\.exr: expected a writable place"):
        write_exr(tmp_path / "file" / "z.exr", torch.zeros(2, 2))
    with full_disk(1000), pytest.raises(InputError, match=r"z\.exr: expected a writable place"):
        write_exr(tmp_path / "z.exr", torch.rand(100, 100))
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "OpenEXR", None)  # how Python marks a package that must not be found
    for call in (lambda path: write_exr(path, torch.zeros(2, 2)), read_exr):
        with pytest.raises(InputError, match="install the extra exr"):
            call(tmp_path / "z.exr")
