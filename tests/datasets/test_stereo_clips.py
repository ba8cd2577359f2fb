"""Stereo videos and folders of pairs for training: matched, checked when drawn, kept."""

import numpy as np
import pytest
import torch
from small_pairs import HEIGHT, WIDTH, expected_holes, picture, texture, write_pair

from turnaround.datasets.holes import RandomMasks
from turnaround.datasets.pairs import PairBatches, StereoSource, StereoWarps
from turnaround.datasets.realism import Realism
from turnaround.datasets.stereo_clips import StereoClips
from turnaround.datasets.stereo_folders import StereoFolders
from turnaround.datasets.stereo_pairs import StereoPairs
from turnaround.io.image import read_image, write_image
from turnaround.io.video import read_video, write_video
from turnaround.render.elements import Edges
from turnaround.types import InputError

EDGES = Edges(depth_ratio=0.1, stretch=3.0)


def write_clip(root, name, left, right, frames=3):
    for eye, image in (("left", left), ("right", right)):
        write_video(root / f"{name}_{eye}.mp4", image.expand(frames, *image.shape), fps=24.0)


def eyes():
    """As of `small_pairs`: a square of disparity 12 before a wall of disparity 4."""
    return picture(0, 0)[0], picture(4, 12)[0]


def clips(tmp_path, *, step=2):
    return StereoClips(root=str(tmp_path), step=step, most_vertical=1.0, cache=str(tmp_path / "cache"))


def folders(tmp_path, root):
    return StereoFolders(root=str(root), most_vertical=1.0, cache=str(tmp_path / "cache"))


def test_disparity_of_a_clip_is_close_to_the_truth_and_matched_once(tmp_path):
    write_clip(tmp_path, "a", *eyes())
    source = clips(tmp_path)
    assert isinstance(source, StereoSource)
    assert source.ids() == ["a/000000", "a/000002"]
    pair = source.pair("a/000002")
    known = pair.disparity.isfinite()
    assert known.float().mean() > 0.5
    # within half a pixel nearly everywhere; windows of 5 pixels blur the square's outline
    assert ((pair.disparity - picture(0, 0)[1]).abs()[known] < 0.5).float().mean() > 0.9
    assert torch.equal(pair.left, read_video(tmp_path / "a_left.mp4", max_frames=3)[2])
    (kept,) = (tmp_path / "cache").glob("*.npz")
    written = kept.stat().st_mtime_ns
    again = clips(tmp_path).pair("a/000002")
    assert torch.equal(again.disparity.nan_to_num(0), pair.disparity.nan_to_num(0))
    assert torch.equal(again.left, pair.left)
    assert kept.stat().st_mtime_ns == written


def test_swapped_and_unrectified_frames_are_dropped_by_name(tmp_path, capsys):
    left, right = eyes()
    write_clip(tmp_path, "good", left, right, 1)
    write_clip(tmp_path, "swapped", right, left, 1)
    write_clip(tmp_path, "tilted", left, torch.cat([texture(4, WIDTH, 5), right[:, :-4]], dim=1), 1)
    source = clips(tmp_path)
    warps = StereoWarps(pairs=source, edges=EDGES)
    drawn = {warps.draw(np.random.default_rng(seed)).source for seed in range(12)}
    assert drawn == {"stereo/good/000000"}
    reasons = source.drops.reasons
    assert set(reasons) == {"swapped/000000", "tilted/000000"}
    assert "points further left in the right picture" in reasons["swapped/000000"]
    assert "a rectified pair" in reasons["tilted/000000"]
    assert "stereo clips: 2 dropped so far" in " ".join(capsys.readouterr().err.split())


def test_clips_that_are_no_pair_are_dropped_before_training(tmp_path):
    left, right = eyes()
    write_clip(tmp_path, "good", left, right, 1)
    write_clip(tmp_path, "alone", left, right, 1)
    (tmp_path / "alone_right.mp4").unlink()
    write_clip(tmp_path, "uneven", left, right, 2)
    write_video(tmp_path / "uneven_right.mp4", right[None], fps=24.0)
    (tmp_path / "broken_left.mp4").write_text("none")
    source = clips(tmp_path)
    assert source.ids() == ["good/000000"]
    reasons = source.drops.reasons
    assert set(reasons) == {"alone", "uneven", "broken"}
    assert "alone_right.mp4" in reasons["alone"]
    assert "expected 2 frames of 96 x 64, as the left, found 1 frames of 96 x 64" in reasons["uneven"]


def test_paths_stay_inside_and_empty_roots_are_refused(tmp_path):
    with pytest.raises(InputError, match="names inside"):
        clips(tmp_path).pair("../a/000000")
    with pytest.raises(InputError, match=r"expected videos NAME_left\.mp4 and NAME_right\.mp4, found none"):
        clips(tmp_path).ids()
    with pytest.raises(InputError, match="step: expected at least 1, found 0"):
        clips(tmp_path, step=0)


@pytest.mark.parametrize("kind", ["scored", "for training"])
def test_pairs_on_disk_train(kind, tmp_path):
    write_pair(tmp_path / "pairs" / "a")
    root = tmp_path / "pairs"
    scored = StereoPairs(root=str(root), edges=EDGES, tolerance=1.0, most_vertical=1.0)
    source = scored if kind == "scored" else folders(tmp_path, root)
    pair = StereoWarps(pairs=source, edges=EDGES).draw(np.random.default_rng(0))
    assert torch.equal(pair.hole[0], expected_holes())
    masks = RandomMasks(strokes=1, boxes=0, thickness=[0.02, 0.02])
    exact = Realism(grow=0, dropped=0.0, flying=0.0, free=0.0, masks=masks)
    batches = PairBatches(
        pairs=StereoWarps(pairs=source, edges=EDGES),
        realism=exact,
        height=32,
        width=48,
        pixels_per_batch=2 * 32 * 48,
        least=0.01,
        most=0.9,
        seed=0,
    )
    batch = batches[0, 0]
    assert batch.target.shape == (2, 1, 3, 32, 48)
    assert (batch.hole.float().mean(dim=(1, 2, 3)) >= 0.01).all()


def test_folders_are_checked_one_by_one(tmp_path):
    root = tmp_path / "pairs"
    write_pair(root / "a")
    write_pair(root / "b")
    right = read_image(root / "b" / "right.png")
    write_image(root / "b" / "right.png", torch.cat([texture(3, WIDTH, 5), right[:, :-3]], dim=1))
    (root / "c").mkdir()
    source = folders(tmp_path, root)
    assert source.ids() == ["a", "b", "c"]
    assert not source.drops.reasons, "nothing is read yet"
    assert source.pair("a").disparity.shape == (HEIGHT, WIDTH)
    warps = StereoWarps(pairs=source, edges=EDGES)
    assert {warps.draw(np.random.default_rng(seed)).source for seed in range(12)} == {"stereo/a"}
    assert set(source.drops.reasons) == {"b", "c"}


def test_a_missing_disparity_is_matched_once(tmp_path):
    write_pair(tmp_path / "pairs" / "a")
    (tmp_path / "pairs" / "a" / "disparity_left.npy").unlink()
    first = folders(tmp_path, tmp_path / "pairs").pair("a")
    (kept,) = (tmp_path / "cache").glob("*.npz")
    written = kept.stat().st_mtime_ns
    again = folders(tmp_path, tmp_path / "pairs").pair("a")
    assert kept.stat().st_mtime_ns == written
    assert torch.equal(again.disparity.nan_to_num(0), first.disparity.nan_to_num(0))
    assert first.disparity.isfinite().float().mean() > 0.6
