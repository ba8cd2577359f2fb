"""Disparity in .npy: what is unknown, and what is refused."""

import numpy as np
import pytest
import torch

from turnaround.io.disparity import read_disparity, write_disparity
from turnaround.types import InputError


def test_round_trip(tmp_path):
    disparity = torch.tensor([[1.5, torch.nan], [3.0, 200.25]])
    write_disparity(tmp_path / "d.npy", disparity)
    found = read_disparity(tmp_path / "d.npy", height=2, width=2)
    torch.testing.assert_close(found, disparity, rtol=0, atol=0, equal_nan=True)


def test_what_is_not_a_positive_number_is_unknown(tmp_path):
    np.save(tmp_path / "d.npy", np.array([[0.0, -1.0, np.inf, 2.5]]))
    found = read_disparity(tmp_path / "d.npy", height=1, width=4)
    assert found.isnan().tolist() == [[True, True, True, False]]
    assert found.dtype == torch.float32


@pytest.mark.parametrize(
    ("stored", "named"),
    [
        (np.ones((2, 3), np.float32), r"\[4 5\].*found float32 \[2, 3\]"),
        (np.ones((4, 5, 1), np.float32), r"\[4, 5, 1\]"),
        (np.ones((4, 5), np.uint8), "found uint8"),
        (
            -np.ones((4, 5), np.float32),
            r"disparity above 0: x_right = x_left - disparity, found -1 to -1; change its sign",
        ),
        (np.full((4, 5), np.nan, np.float32), "found no number"),
        (np.array([[{"a": 1}]], dtype=object), "damaged or foreign"),
    ],
)
def test_bad_files_are_named(tmp_path, stored, named):
    np.save(tmp_path / "d.npy", stored, allow_pickle=True)
    with pytest.raises(InputError, match=rf"d\.npy: .*{named}"):
        read_disparity(tmp_path / "d.npy", height=4, width=5)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "d.npy").write_bytes(b"no numbers")
    with pytest.raises(InputError, match="damaged or foreign"):
        read_disparity(tmp_path / "d.npy", height=4, width=5)
    np.savez(tmp_path / "e.npz", a=np.ones((4, 5)))
    (tmp_path / "e.npz").rename(tmp_path / "d.npy")
    with pytest.raises(InputError, match="found an archive"):
        read_disparity(tmp_path / "d.npy", height=4, width=5)
    with pytest.raises(InputError, match="no such file"):
        read_disparity(tmp_path / "none.npy", height=4, width=5)
