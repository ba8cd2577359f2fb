import struct
import tracemalloc
import weakref
import zipfile

import cv2
import numpy as np
import pytest
import torch

from turnaround.io.depth import (
    MAX_BYTES,
    DepthNpzWriter,
    DepthPngWriter,
    read_depth_npz,
    read_depth_truth_npz,
    write_depth_npz,
)
from turnaround.types import DepthKind, DepthVideo, InputError


@pytest.fixture
def depth():
    values = torch.rand(4, 5, 7, generator=torch.Generator().manual_seed(0)) * 10 - 3
    return DepthVideo(values=values, kind=DepthKind.SCALE_INVARIANT)


def depth_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def write_all(writer, maps):
    with writer:
        for values in maps:
            writer.write(values)


def with_header(path, header, data=b""):
    """An .npz whose one array `depth` has that header and that data."""
    text = (repr(header) + "\n").encode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("depth.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data)
    return path


@pytest.mark.parametrize("kind", list(DepthKind))
def test_round_trip_is_exact_and_numpy_reads_it(tmp_path, depth, kind):
    write_depth_npz(tmp_path / "d.npz", DepthVideo(values=depth.values, kind=kind), scale=2.5, shift=-1.0)
    read = read_depth_npz(tmp_path / "d.npz")
    assert torch.equal(read.values, depth.values)
    assert read.kind is kind
    with np.load(tmp_path / "d.npz", allow_pickle=False) as entries:
        assert {name: (entries[name].shape, entries[name].dtype.kind) for name in entries} == {
            "depth": ((4, 5, 7), "f"),
            "kind": ((), "U"),
            "scale": ((), "f"),
            "shift": ((), "f"),
        }
        assert entries["depth"].dtype == np.float32
        assert (str(entries["kind"]), entries["scale"], entries["shift"]) == (kind.value, 2.5, -1.0)


def test_one_frame_of_one_pixel_and_the_same_bytes_twice(tmp_path):
    depth = DepthVideo(values=torch.full((1, 1, 1), 0.1), kind=DepthKind.METRIC)
    for name in ("a.npz", "b.npz"):
        write_depth_npz(tmp_path / name, depth)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert torch.equal(read_depth_npz(tmp_path / "a.npz").values, depth.values)
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:  # two writes within a tick of the clock would agree anyway
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_maps_are_written_as_they_come_and_let_go(tmp_path):
    frames, height, width = 40, 64, 64
    size = 4 * height * width
    alive = []
    with DepthNpzWriter(tmp_path / "d.npz", frames=frames, height=height, width=width, kind=DepthKind.METRIC) as writer:
        writer.write(torch.zeros(height, width))
        tracemalloc.start()
        for number in range(1, frames):
            values = torch.full((height, width), float(number))
            writer.write(values)
            alive.append(weakref.ref(values))
            del values
            (temporary,) = tmp_path.iterdir()
            assert temporary.stat().st_size >= number * size  # all but the last map at most are on the disk
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 3 * size
    assert not any(values() for values in alive)
    assert read_depth_npz(tmp_path / "d.npz").values[:, 0, 0].tolist() == list(range(frames))


def test_scale_and_shift_may_come_last(tmp_path):
    with DepthNpzWriter(tmp_path / "d.npz", frames=1, height=2, width=2, kind=DepthKind.AFFINE_DEPTH) as writer:
        writer.write(torch.ones(2, 2))
        writer.calibrate(scale=4.0, shift=0.5)
    with np.load(tmp_path / "d.npz") as entries:
        assert (entries["scale"], entries["shift"]) == (4.0, 0.5)


def test_files_of_other_programs(tmp_path, depth):
    """DepthCrafter's hold only `depth`, disparity; numpy keeps the order of transposed arrays and any float type."""
    values = depth.values.numpy()
    for other in (values, np.asfortranarray(values), values.astype(">f8"), values.astype(np.float16)):
        read = read_depth_npz(depth_npz(tmp_path / "d.npz", depth=other))
        assert read.kind is DepthKind.AFFINE_DISPARITY
        assert torch.equal(read.values, torch.from_numpy(other.astype(np.float32)))
    np.savez_compressed(tmp_path / "d.npz", disparity=values)
    assert torch.equal(read_depth_npz(tmp_path / "d.npz", key="disparity").values, depth.values)


def test_unknown_depth_is_for_truth_only(tmp_path, depth):
    depth.values[2, 1, 1] = float("nan")
    write_depth_npz(tmp_path / "d.npz", depth)
    with pytest.raises(InputError, match=r"d\.npz: expected a depth at every pixel, found NaN in frame 2"):
        read_depth_npz(tmp_path / "d.npz")
    truth = read_depth_truth_npz(tmp_path / "d.npz")
    torch.testing.assert_close(truth.values, depth.values, rtol=0, atol=0, equal_nan=True)
    assert truth.kind is depth.kind
    with pytest.raises(InputError, match=r"key 'kind': expected one of metric, .*, found none"):
        read_depth_truth_npz(depth_npz(tmp_path / "d.npz", depth=depth.values.numpy()))


def test_infinite_depth_is_refused_by_readers_and_writer(tmp_path, depth):
    depth.values[3, 0, 0] = float("inf")
    for read in (read_depth_npz, read_depth_truth_npz):
        with pytest.raises(InputError, match="found inf in frame 3"):
            read(depth_npz(tmp_path / "d.npz", depth=depth.values.numpy(), kind="metric"))
    with pytest.raises(InputError, match=r"e\.npz, frame 3: expected finite depth or NaN, found inf"):
        write_depth_npz(tmp_path / "e.npz", depth)
    assert [entry.name for entry in tmp_path.iterdir()] == ["d.npz"]


def test_wrong_key_lists_the_keys_there(tmp_path, depth):
    path = depth_npz(tmp_path / "d.npz", disparity=depth.values.numpy(), confidence=np.ones(3))
    with pytest.raises(InputError, match=r"d\.npz: expected the key 'depth', found disparity, confidence"):
        read_depth_npz(path)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.zeros((2, 3, 4), np.int32), r"int32 \[2, 3, 4\]"),
        (np.zeros((3, 4), np.float32), r"float32 \[3, 4\]"),
        (np.zeros((2, 1, 3, 4), np.float32), r"float32 \[2, 1, 3, 4\]"),
        (np.array([None, {}]), r"object \[2\]"),  # would run code if unpickled
        (np.zeros((0, 3, 4), np.float32), r"0, \[0, 3, 4\]"),
    ],
)
def test_other_arrays_are_refused(tmp_path, values, found):
    with pytest.raises(InputError, match=rf"d\.npz, key 'depth': expected .*, found {found}"):
        read_depth_npz(depth_npz(tmp_path / "d.npz", depth=values))


@pytest.mark.parametrize("kind", ["depth in feet", np.array(["metric"]), np.float32(1), np.array({})])
def test_other_kinds_are_refused(tmp_path, depth, kind):
    path = depth_npz(tmp_path / "d.npz", depth=depth.values.numpy(), kind=kind)
    with pytest.raises(InputError, match="key 'kind': expected"):
        read_depth_npz(path)


def test_sizes_are_checked_before_memory_is_taken(tmp_path):
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**4, 10**4)}
    with pytest.raises(InputError, match=f"expected 1 to {MAX_BYTES} bytes, found {4 * 10**14}"):
        read_depth_npz(with_header(tmp_path / "d.npz", header))
    header["shape"] = (100, 1000, 1000)
    with pytest.raises(InputError, match=r"expected 400000000 bytes, \[100, 1000, 1000\], found 4"):
        read_depth_npz(with_header(tmp_path / "d.npz", header, b"four"))
    header["shape"] = (-1, -2, 3)
    with pytest.raises(InputError, match="expected 24 bytes"):
        read_depth_npz(with_header(tmp_path / "d.npz", header))
    header["shape"] = (-2, 2, 3)
    with pytest.raises(InputError, match="found -48"):
        read_depth_npz(with_header(tmp_path / "d.npz", header))


def test_damaged_files_are_refused(tmp_path, depth):
    path = tmp_path / "d.npz"
    write_depth_npz(path, depth)
    whole = path.read_bytes()
    start = whole.index(depth.values[0].numpy().tobytes())
    flipped = whole[:start] + bytes([whole[start] ^ 1]) + whole[start + 1 :]
    for data in (whole[: len(whole) // 2], flipped, b"", b"this is no archive", b"PK\x05\x06" + bytes(10)):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"d\.npz: expected an \.npz of depth, found a damaged or foreign file"):
            read_depth_npz(path)
    with pytest.raises(InputError, match="found no such file"):
        read_depth_npz(tmp_path / "missing.npz")


def test_the_stated_size_is_kept(tmp_path):
    def write(maps):
        write_all(DepthNpzWriter(tmp_path / "d.npz", frames=2, height=3, width=4, kind=DepthKind.METRIC), maps)

    one = torch.zeros(3, 4)
    with pytest.raises(InputError, match=r"d\.npz: expected 2 maps, found 1"):
        write([one])
    with pytest.raises(InputError, match=r"frame 2: expected 2 maps of 4 x 3, found map 3"):
        write([one, one, one])
    with pytest.raises(InputError, match=r"frame 1: expected 2 maps of 4 x 3, found map 2 of 3 x 4"):
        write([one, torch.zeros(4, 3)])
    with pytest.raises(InputError, match="at least one frame and pixel, found 0 x 3 x 4"):
        DepthNpzWriter(tmp_path / "d.npz", frames=0, height=3, width=4, kind=DepthKind.METRIC)
    assert list(tmp_path.iterdir()) == []


def test_an_error_between_maps_leaves_nothing(tmp_path):
    npz = DepthNpzWriter(tmp_path / "d.npz", frames=2, height=3, width=4, kind=DepthKind.METRIC)
    for writer in (npz, DepthPngWriter(tmp_path / "png")):
        with pytest.raises(ZeroDivisionError):
            write_all(writer, (torch.full((3, 4), 1 / number) for number in (1, 0)))
    assert list(tmp_path.iterdir()) == []


def test_png_sequence_holds_the_values_in_16_bits(tmp_path):
    for _ in range(2):  # the second replaces the first
        maps = [[[0.0, 0.5], [1.0, float("nan")]], [[0.25] * 2] * 2]
        write_all(DepthPngWriter(tmp_path / "png"), map(torch.tensor, maps))
    assert sorted(file.name for file in (tmp_path / "png").iterdir()) == ["00000.png", "00001.png"]
    assert cv2.imread(str(tmp_path / "png" / "00000.png"), cv2.IMREAD_UNCHANGED).tolist() == [[0, 32768], [65535, 0]]
    assert list(tmp_path.iterdir()) == [tmp_path / "png"]


def test_png_sequence_refuses_other_values_and_none(tmp_path):
    with pytest.raises(InputError, match=r"png/00001\.png: expected values in \[0, 1\], found 2 to 2"):
        write_all(DepthPngWriter(tmp_path / "png"), [torch.ones(2, 2), torch.full((2, 2), 2.0)])
    with pytest.raises(InputError, match="png: expected at least one map, found none"):
        write_all(DepthPngWriter(tmp_path / "png"), [])
    assert list(tmp_path.iterdir()) == []


def test_unwritable_places_are_refused_on_entry(tmp_path):
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "d.npz"
    npz = DepthNpzWriter(below, frames=1, height=1, width=1, kind=DepthKind.METRIC)
    for writer in (npz, DepthPngWriter(below)):
        with pytest.raises(InputError, match=r"d\.npz: expected a writable place"), writer:
            pytest.fail("the block must not start")


@pytest.mark.parametrize("room", [0, 50_000])
def test_a_full_disk_leaves_nothing(tmp_path, full_disk, room):
    noise = torch.rand(10, 100, 100, generator=torch.Generator().manual_seed(0))
    with full_disk(room), pytest.raises(InputError, match=r"d\.npz: expected a writable place.*file too large"):
        write_depth_npz(tmp_path / "d.npz", DepthVideo(values=noise, kind=DepthKind.METRIC))
    with full_disk(room), pytest.raises(InputError, match=r"png: expected a writable place.*file too large"):
        write_all(DepthPngWriter(tmp_path / "png"), [torch.zeros(10, 10), noise.reshape(200, 500)])
    assert list(tmp_path.iterdir()) == []
