"""The released format: written here it loads by the published rules, and what breaks them is refused in one line."""

import zipfile
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mined_folders import truth_of, without_tracks, world

from turnaround.io.stereo4d import read_stereo4d, read_stereo4d_length, read_stereo4d_poses, write_stereo4d
from turnaround.types import InputError, Stereo4DClip

KEYS = {
    *("name", "video_id", "timestamps", "camera2world", "track_lengths", "track_indices", "track_coordinates"),
    *("rectified2rig", "fov_bounds"),
}


@pytest.fixture(scope="module")
def clip():
    return truth_of(world(1), "wor_ld-1_2000000")[0]


def same(one, other):
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, torch.Tensor):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a.numpy(), b.numpy())
        else:
            assert a == b


def arrays_of(path):
    with np.load(path, allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}


def changed(path, **arrays):
    stored = arrays_of(path)
    np.savez_compressed(path, **{key: value for key, value in (stored | arrays).items() if value is not None})


def test_what_is_written_loads_by_the_published_rules(tmp_path, clip):
    path = tmp_path / "a.npz"
    write_stereo4d(path, clip)
    stored = arrays_of(path)
    assert set(stored) == KEYS
    assert str(stored["name"]) == "wor_ld-1_2000000"
    assert str(stored["video_id"]) == "wor_ld-1"
    assert stored["timestamps"].tolist()[:2] == [2_000_000, 2_033_333]
    assert stored["camera2world"].shape == (6, 3, 4)
    lengths, count = stored["track_lengths"], len(stored["timestamps"])
    tracks = np.full((len(lengths), count, 3), np.nan)  # as the release's loader scatters them
    tracks[np.repeat(np.arange(len(lengths)), lengths), stored["track_indices"]] = stored["track_coordinates"]
    np.testing.assert_array_equal(tracks, clip.tracks.transpose(0, 1).numpy())
    assert (stored["rectified2rig"].shape, stored["fov_bounds"].shape) == ((2, 3, 3), (4,))


def test_writing_reading_and_writing_again_gives_equal_arrays_and_bytes(tmp_path, clip):
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    write_stereo4d(first, clip)
    same(read_stereo4d(first), clip)
    write_stereo4d(second, read_stereo4d(first))
    assert first.read_bytes() == second.read_bytes()
    assert read_stereo4d_length(first) == 6


@pytest.mark.parametrize("name", ["track_coordinates", "camera2world", "rectified2rig", "fov_bounds"])
def test_the_precision_that_is_read_is_kept(tmp_path, clip, name):
    path, again = tmp_path / "a.npz", tmp_path / "b.npz"
    for dtype in (np.float32, np.float64):
        write_stereo4d(path, clip)
        changed(path, **{name: arrays_of(path)[name].astype(dtype)}, track_lengths=arrays_of(path)["track_lengths"])
        write_stereo4d(again, read_stereo4d(path))
        before, after = arrays_of(path), arrays_of(again)
        for key in KEYS:
            np.testing.assert_array_equal(after[key], before[key])
        assert after[name].dtype == dtype


def test_some_frames_are_those_of_the_whole(tmp_path, clip):
    path = tmp_path / "a.npz"
    write_stereo4d(path, clip)
    some = read_stereo4d(path, frames=[1, 4])
    assert torch.equal(some.timestamps, clip.timestamps[[1, 4]])
    assert torch.equal(some.world_from_cam, clip.world_from_cam[[1, 4]])
    np.testing.assert_array_equal(some.tracks.numpy(), clip.tracks[[1, 4]].numpy())
    assert torch.equal(read_stereo4d_poses(path), clip.world_from_cam)
    with pytest.raises(InputError, match=r"from 0 to 5, found \[2, 6\]"):
        read_stereo4d(path, frames=[2, 6])


def test_whole_degrees_may_be_stored_as_such(tmp_path, clip):
    path = tmp_path / "a.npz"
    write_stereo4d(path, clip)
    changed(path, fov_bounds=np.array([-90, 90, -90, 90]))
    assert torch.equal(read_stereo4d(path).fov_bounds, torch.tensor([-90.0, 90.0, -90.0, 90.0]).double())


@st.composite
def clips(draw):
    frames, tracks = draw(st.integers(1, 5)), draw(st.integers(0, 6))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    values = draw(hnp.arrays(dtype, (frames, tracks, 3), elements=st.floats(-100, 100, width=32)))
    known = draw(hnp.arrays(np.bool_, (frames, tracks)))
    start = draw(st.integers(0, 2**40))
    steps = draw(st.lists(st.integers(1, 10**6), min_size=frames, max_size=frames))
    id = draw(st.text("abcXYZ019_-", min_size=1, max_size=11))
    times = start + np.cumsum([0, *steps[1:]])
    return Stereo4DClip(
        name=f"{id}_{start}",
        video_id=id,
        timestamps=torch.from_numpy(times.astype(np.int64)),
        world_from_cam=torch.eye(4, dtype=torch.float64).expand(frames, 4, 4).clone(),
        tracks=torch.from_numpy(np.where(known[..., None], values, np.nan).astype(dtype)),
        eye_from_rectified=torch.eye(3).expand(2, 3, 3).clone(),
        fov_bounds=torch.tensor([-80.0, 80.0, -90.0, 90.0]),
    )


@given(clip=clips())
def test_any_sound_clip_comes_back(tmp_path_factory, clip):
    path = tmp_path_factory.mktemp("round") / "a.npz"
    write_stereo4d(path, clip)
    same(read_stereo4d(path), clip)


def turned(matrices):
    matrices = matrices.copy()
    matrices[1, 0, 0] += 0.1
    return matrices


BROKEN = {
    "missing key": ({"fov_bounds": None}, "expected the key 'fov_bounds'"),
    "wrong type": ({"timestamps": np.arange(6.0)}, "'timestamps': expected int32 or int64"),
    "objects": ({"name": np.array("a")[None]}, r"'name': expected str \[\]"),
    "wrong length": ({"camera2world": np.zeros((5, 3, 4))}, r"\[t 3 4\] t = 6, found float64 \[5, 3, 4\]"),
    "name": ({"name": np.asarray("wor_ld_2000000")}, "'name': expected the video's id"),
    "first timestamp": ({"timestamps": 7 + np.arange(6)}, "'name': expected the video's id, _ and the first"),
    "timestamps": ({"timestamps": np.array([2000000, 2000001, 2000001, 4000000, 5000000, 6000000])}, "that increase"),
    "fov": ({"fov_bounds": np.array([90.0, -90.0, -90.0, 90.0])}, "each start below its end"),
    "fov NaN": ({"fov_bounds": np.array([np.nan, 90.0, -90.0, 90.0])}, "each start below its end"),
    "rig": ({"rectified2rig": turned(np.tile(np.eye(3), (2, 1, 1)))}, "'rectified2rig': expected rotations"),
    "poses": ({"camera2world": turned(np.tile(np.eye(4)[:3], (6, 1, 1)))}, "'camera2world': expected rotations"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_the_format_is_refused(tmp_path, clip, name):
    arrays, message = BROKEN[name]
    path = tmp_path / "a.npz"
    write_stereo4d(path, clip)
    changed(path, **arrays)
    with pytest.raises(InputError, match=message) as refused:
        read_stereo4d(path)
    assert "\n" not in str(refused.value)


def first_two_alike(indices, lengths):
    long = int((lengths > 1).argmax())
    start = int(lengths[:long].sum())
    indices[start + 1] = indices[start]


def beyond(indices, lengths):
    indices[-1] = 6


@pytest.mark.parametrize(
    ("change", "message"),
    [(first_two_alike, "increase within a track"), (beyond, "track_indices from 0 to 5")],
)
def test_unsound_samples_are_refused(tmp_path, clip, change, message):
    path = tmp_path / "a.npz"
    write_stereo4d(path, clip)
    stored = arrays_of(path)
    change(stored["track_indices"], stored["track_lengths"])
    changed(path, track_indices=stored["track_indices"])
    with pytest.raises(InputError, match=message):
        read_stereo4d(path)


def test_lengths_that_do_not_sum_and_coordinates_that_are_not_finite_are_refused(tmp_path, clip):
    path = tmp_path / "a.npz"
    write_stereo4d(path, clip)
    lengths, coordinates = arrays_of(path)["track_lengths"], arrays_of(path)["track_coordinates"]
    changed(path, track_lengths=lengths + 1)
    with pytest.raises(InputError, match="as many samples as track_lengths say"):
        read_stereo4d(path)
    coordinates[3, 1] = np.inf
    changed(path, track_lengths=lengths, track_coordinates=coordinates)
    with pytest.raises(InputError, match="expected finite coordinates"):
        read_stereo4d(path)


def test_a_header_that_promises_more_than_there_is_is_refused_before_anything_is_read(tmp_path, clip):
    path = tmp_path / "a.npz"
    write_stereo4d(path, clip)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    text = members["track_coordinates.npy"]
    rows = str(len(arrays_of(path)["track_coordinates"]))
    members["track_coordinates.npy"] = text.replace(b"(" + rows.encode(), b"(" + b"9" * len(rows), 1)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(InputError, match="track_coordinates"):
        read_stereo4d(path)


@pytest.mark.parametrize("header", [b"{'descr': (", b"{'descr': '<f8'}", b"no header"])
def test_headers_that_are_none_are_refused(tmp_path, clip, header):
    path = tmp_path / "a.npz"
    text = header + b"\n"
    magic = np.lib.format.magic(1, 0) + len(text).to_bytes(2, "little")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("name.npy", magic + text)
    with pytest.raises(InputError, match="a damaged or foreign file"):
        read_stereo4d(path)


def test_pickles_and_other_files_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, name=np.array([{}], dtype=object))
    with pytest.raises(InputError, match=r"'name': expected str \[\], found object"):
        read_stereo4d(path)
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"expected an \.npz of Stereo4D, found a damaged or foreign file"):
        read_stereo4d(path)
    with pytest.raises(InputError, match="no such file"):
        read_stereo4d(tmp_path / "b.npz")


def test_the_writer_refuses_what_the_reader_would(tmp_path, clip):
    path = tmp_path / "a.npz"
    tracks = clip.tracks.clone()
    frame, track = (~tracks.isnan().any(-1)).nonzero()[0].tolist()
    tracks[frame, track, 1] = torch.nan
    with pytest.raises(InputError, match="points known whole or not at all"):
        write_stereo4d(path, replace(clip, tracks=tracks))
    with pytest.raises(InputError, match="expected finite coordinates"):
        write_stereo4d(path, replace(clip, tracks=clip.tracks.nan_to_num(nan=torch.inf)))
    with pytest.raises(InputError, match="a name of 1 to"):
        write_stereo4d(path, replace(clip, name="../a_2000000", video_id="../a"))
    assert not path.exists()


def test_a_clip_without_tracks_is_a_clip(tmp_path, clip):
    path = tmp_path / "a.npz"
    write_stereo4d(path, without_tracks(clip))
    assert read_stereo4d(path).tracks.shape == (6, 0, 3)
