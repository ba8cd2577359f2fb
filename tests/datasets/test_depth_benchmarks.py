import numpy as np
import pytest
import torch

from turnaround.datasets.depth_benchmarks import PreparedClips
from turnaround.io.video import read_video, write_video
from turnaround.types import ClipSource, DepthKind, InputError

HEIGHT, WIDTH = 16, 24


def truth(frames=3, height=HEIGHT, width=WIDTH) -> np.ndarray:
    return np.random.default_rng(0).uniform(1, 9, (frames, 1, height, width))


def write_clip(root, name, depth=None, *, frames=3, height=HEIGHT, width=WIDTH, key="disparity"):
    """One clip and its line in set.csv, all as DepthCrafter's scripts leave them: float64 in an uncompressed .npz."""
    video, npz = f"set/{name}_rgb_left.mp4", f"set/{name}_disparity.npz"
    generator = torch.Generator().manual_seed(0)
    write_video(root / video, torch.rand(frames, 3, height, width, generator=generator), fps=15.0)
    np.savez(root / npz, **{key: truth() if depth is None else depth})
    table = root / "set.csv"
    if not table.exists():
        table.write_text("filepath_left,filepath_disparity\n")
    with table.open("a") as file:
        file.write(f"{video},{npz}\n")


def clips_of(root, frames=50) -> PreparedClips:
    return PreparedClips(root=str(root), csv=str(root / "set.csv"), frames=frames)


def test_a_prepared_clip_is_its_files(tmp_path):
    write_clip(tmp_path, "b")
    write_clip(tmp_path, "a")
    clips = clips_of(tmp_path)
    assert isinstance(clips, ClipSource)
    assert clips.ids() == ["set/b", "set/a"]  # the order of the table
    clip = clips.clip("set/a")
    assert clip.id == "set/a"
    assert clip.depth.kind is DepthKind.METRIC
    assert torch.equal(clip.depth.values, torch.from_numpy(truth()[:, 0]).float())
    assert torch.equal(clip.video, read_video(tmp_path / "set/a_rgb_left.mp4", max_frames=3))
    assert clip.cameras is None
    assert clip.sources["video"] == "set/a_rgb_left.mp4"
    assert clip.sources["frames"].splitlines() == ["set/a_rgb_left.mp4", "set/a_disparity.npz"]


@pytest.mark.parametrize("unknown", [np.nan, 0.0, -1.0, np.inf])
def test_what_is_no_positive_number_is_unknown(tmp_path, unknown):
    depth = truth().astype(np.float32)
    depth[1, 0, 2, 3] = unknown
    write_clip(tmp_path, "a", depth)
    values = clips_of(tmp_path).clip("set/a").depth.values
    assert values.isnan().nonzero().tolist() == [[1, 2, 3]]


def test_the_first_frames_are_used(tmp_path):
    write_clip(tmp_path, "a")
    clip = clips_of(tmp_path, frames=2).clip("set/a")
    assert torch.equal(clip.depth.values, torch.from_numpy(truth()[:2, 0]).float())
    assert len(clip.video) == 2


def test_a_clip_is_read_when_it_is_asked_for(tmp_path):
    write_clip(tmp_path, "a")
    write_clip(tmp_path, "b")
    (tmp_path / "set/b_disparity.npz").write_bytes(b"damaged")
    clips = clips_of(tmp_path)
    assert clips.clip("set/a").id == "set/a"
    with pytest.raises(InputError, match=r"b_disparity\.npz: expected an \.npz of true depth"):
        clips.clip("set/b")


def test_the_hash_tells_each_byte_but_not_the_names(tmp_path):
    write_clip(tmp_path, "a")
    write_clip(tmp_path, "b")
    clips = clips_of(tmp_path)
    before = clips.clip("set/a").sources["sha256"]
    assert len(before) == 64
    assert clips.clip("set/a").sources["sha256"] == before
    assert clips.clip("set/b").sources["sha256"] == before  # the same content under other names
    path = tmp_path / "set/a_disparity.npz"
    changed = truth()
    changed[-1, 0, -1, -1] = np.nextafter(changed[-1, 0, -1, -1], np.inf)
    np.savez(path, disparity=changed)
    assert clips.clip("set/a").sources["sha256"] != before


def test_depth_of_a_smaller_sensor_is_fine_another_shape_is_not(tmp_path):
    write_clip(tmp_path, "double", height=2 * HEIGHT, width=2 * WIDTH)
    write_clip(tmp_path, "other", height=HEIGHT, width=2 * WIDTH)
    clip = clips_of(tmp_path).clip("set/double")
    assert clip.video.shape[2:] == (2 * HEIGHT, 2 * WIDTH)
    assert clip.depth.values.shape[1:] == (HEIGHT, WIDTH)
    with pytest.raises(InputError, match=r"other_rgb_left\.mp4: expected the size of its depth, 24 x 16.*48 x 16"):
        clips_of(tmp_path).clip("set/other")


@pytest.mark.parametrize(("frames", "found"), [(2, "found 2 frames"), (4, "found more")])
def test_video_and_depth_have_one_length(tmp_path, frames, found):
    write_clip(tmp_path, "a", frames=frames)
    for used in (1, 50):  # also where the frames that are used are there
        with pytest.raises(InputError, match=rf"a_rgb_left\.mp4: expected 3 frames.*{found}"):
            clips_of(tmp_path, frames=used).clip("set/a")


@pytest.mark.parametrize(
    ("depth", "key", "found"),
    [
        (truth(), "depth", "expected the key 'disparity', found depth"),
        (truth()[:, 0], "disparity", r"float64 \[3, 16, 24\]"),
        (np.repeat(truth(), 2, axis=1), "disparity", r"\[3, 2, 16, 24\]"),
        (truth().astype(np.int64), "disparity", "found int64"),
        (truth()[:0], "disparity", r"\[0, 1, 16, 24\]"),
        (np.asfortranarray(truth()), "disparity", "row by row"),
        (np.array([{}], dtype=object), "disparity", "found object"),
    ],
)
def test_foreign_depth_is_refused(tmp_path, depth, key, found):
    write_clip(tmp_path, "a", depth, key=key)
    with pytest.raises(InputError, match=found):
        clips_of(tmp_path).clip("set/a")


def test_a_huge_clip_is_refused_before_it_is_read(tmp_path):
    write_clip(tmp_path, "a", np.broadcast_to(np.float16(1), (1, 1, 2, 20000)))
    with pytest.raises(InputError, match="found 1 frames of 20000 x 2"):
        clips_of(tmp_path).clip("set/a")


def test_missing_files_are_counted_and_the_first_is_named(tmp_path):
    for name in "abc":
        write_clip(tmp_path, name)
    (tmp_path / "set/b_disparity.npz").unlink()
    (tmp_path / "set/c_rgb_left.mp4").unlink()
    with pytest.raises(InputError, match=r"set\.csv: expected 6 files.*2 missing, the first is .*b_disparity\.npz"):
        clips_of(tmp_path).ids()


@pytest.mark.parametrize(
    ("table", "found"),
    [
        (None, "no such file"),
        ("", "none named filepath_left or filepath_disparity"),
        ("filepath_left,depth\na.mp4,b.npz\n", "none named filepath_disparity"),
        ("filepath_left,filepath_disparity\n", "an empty table"),
        ("filepath_left,filepath_disparity\n../a.mp4,b.npz\n", r"line 2: .*'\.\./a\.mp4'"),
        ("filepath_left,filepath_disparity\na.mp4,/etc/passwd\n", "line 2: .*'/etc/passwd'"),
        ("filepath_left,filepath_disparity\na.mp4\n", "line 2: .*''"),
        ("filepath_left,filepath_disparity\na.mp4,b.npz\nc.mp4,b.npz\n", "line 3: .*b again"),
        ("filepath_left,filepath_disparity\na.mp4,b\0.npz\n", r"set\.csv"),
    ],
)
def test_a_bad_table_is_named(tmp_path, table, found):
    if table is not None:
        (tmp_path / "set.csv").write_text(table)
    with pytest.raises(InputError, match=found):
        clips_of(tmp_path).ids()


def test_a_table_of_bytes_is_refused(tmp_path):
    (tmp_path / "set.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"set\.csv: expected a table of clips"):
        clips_of(tmp_path).ids()


def test_no_frames_are_refused(tmp_path):
    with pytest.raises(InputError, match="at least 1, found 0"):
        clips_of(tmp_path, frames=0)
