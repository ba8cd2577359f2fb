"""What lies beside a mined clip: its quality, and its disparity frame by frame."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from mined_folders import truth_of, world

from turnaround.io.clip_disparity import ClipDisparityWriter, open_clip_disparity
from turnaround.io.clip_quality import read_clip_quality, read_quality_figures, write_clip_quality
from turnaround.types import InputError


@pytest.fixture(scope="module")
def quality():
    return truth_of(world(2))[1]


def same(one, other, *, but=()):
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name in but:
            continue
        if isinstance(a, torch.Tensor):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a.numpy(), b.numpy())
        else:
            assert a == b


def test_quality_comes_back_and_the_same_gives_the_same_bytes(tmp_path, quality):
    path, again = tmp_path / "a.npz", tmp_path / "b.npz"
    lifted = quality.lifted.clone()
    lifted[2] = torch.nan  # pixels are known where no depth is
    given = replace(quality, lifted=lifted)
    write_clip_quality(path, given)
    same(read_clip_quality(path), given)
    write_clip_quality(again, read_clip_quality(path))
    assert path.read_bytes() == again.read_bytes()
    assert read_clip_quality(path).dropped == {"sky": 3, "drift": 1}


def test_figures_are_read_without_samples(tmp_path, quality):
    path = tmp_path / "a.npz"
    write_clip_quality(path, quality)
    figures = read_quality_figures(path)
    same(figures, quality, but=("pixels", "lifted"))
    assert figures.pixels.shape == (0, quality.sigma.shape[0], 2)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"format": np.int64(2)}, "'format': expected 1, found 2"),
        ({"dropped": np.asarray("[1")}, "'dropped': expected a JSON object of whole numbers"),
        ({"dropped": np.asarray('{"a": 1.5}')}, "'dropped': expected a JSON object of whole numbers"),
        ({"baseline": np.float64(0)}, "a baseline above 0"),
        ({"sigma": np.zeros(1)}, r"'left_right': expected float32 or float64 \[n\] n = 1"),
        ({"frames": np.int64(1)}, "track_indices from 0 to 0"),
    ],
)
def test_unsound_quality_is_refused(tmp_path, quality, arrays, message):
    path = tmp_path / "a.npz"
    write_clip_quality(path, quality)
    with np.load(path) as stored:
        held = {key: stored[key] for key in stored.files}
    np.savez(path, **(held | arrays))
    with pytest.raises(InputError, match=message):
        read_clip_quality(path)


def write_maps(path, maps, *, frames=None):
    count, height, width = maps.shape
    with ClipDisparityWriter(path, frames=frames or count, height=height, width=width, fx=30.0, baseline=0.063) as out:
        for values in maps:
            out.write(values)


def test_disparity_comes_back_frame_by_frame(tmp_path):
    maps = 0.01 + 60 * torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0))
    maps[1, 2, 3] = torch.nan
    path, again = tmp_path / "a.npz", tmp_path / "b.npz"
    write_maps(path, maps)
    write_maps(again, maps)
    assert path.read_bytes() == again.read_bytes()
    found = open_clip_disparity(path)
    assert (found.frames, found.height, found.width, found.fx, found.baseline) == (3, 4, 5, 30.0, 0.063)
    np.testing.assert_array_equal(torch.stack(list(found)).numpy(), maps.half().float().numpy())
    np.testing.assert_array_equal(torch.stack(list(found.at([0, 2]))).numpy(), maps[[0, 2]].half().float().numpy())
    with pytest.raises(InputError, match="it ends early"):
        list(found.at([1, 3]))
    with np.load(path) as stored:
        assert stored["disparity"].dtype == np.float16


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), 70000.0])
def test_disparity_that_no_depth_has_is_refused(tmp_path, value):
    with pytest.raises(InputError, match="frame 0: expected disparity above 0"):
        write_maps(tmp_path / "a.npz", torch.full((1, 2, 2), value))
    assert not (tmp_path / "a.npz").exists()


def test_a_wrong_number_or_size_of_maps_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(InputError, match="expected 3 maps, found 2"):
        write_maps(path, torch.ones(2, 2, 2), frames=3)
    with pytest.raises(InputError, match="expected 1 maps of 2 x 2, found map 2"):
        write_maps(path, torch.ones(2, 2, 2), frames=1)


def test_damaged_disparity_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    write_maps(path, torch.rand(40, 20, 20) + 1)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    with pytest.raises(InputError, match="a damaged or foreign file"):
        list(open_clip_disparity(path))
    np.savez(path, disparity=np.ones((2, 3, 3), np.float32), fx=np.float64(1), baseline=np.float64(1))
    with pytest.raises(InputError, match=r"expected float16 \[t h w\]"):
        open_clip_disparity(path)
