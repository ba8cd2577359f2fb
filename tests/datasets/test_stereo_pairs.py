"""Stereo pairs: exact holes, and each kind of bad input."""

import shutil

import cv2
import numpy as np
import pytest
import torch
from small_pairs import BEGIN, BOTTOM, END, FAR, HEIGHT, NEAR, TOP, WIDTH, expected_holes, picture, texture, write_pair

from turnaround.datasets.stereo_pairs import StereoPairs
from turnaround.io.disparity import write_disparity
from turnaround.io.image import read_image, write_image
from turnaround.render.elements import Edges
from turnaround.types import InpaintSource, InputError

EDGES = Edges(depth_ratio=0.1, stretch=3.0)


def pairs(root) -> StereoPairs:
    return StereoPairs(root=str(root), edges=EDGES, tolerance=1.0, most_vertical=1.0)


def test_holes_are_exactly_what_the_left_eye_cannot_see(tmp_path):
    _, right = write_pair(tmp_path / "a")
    source = pairs(tmp_path)
    assert isinstance(source, InpaintSource)
    assert source.ids() == ["a"]
    assert source.dropped == {}
    item = source.item("a")
    assert torch.equal(item.hole[0], expected_holes())
    assert torch.equal(item.given.hole[0], expected_holes())
    assert item.counted.all()
    assert torch.equal(item.truth[0], right)
    known = ~expected_holes()
    # whole disparities: the warp looks colours up at pixel centres, in float32
    torch.testing.assert_close(item.given.video[0][:, known], right[:, known], rtol=0, atol=1e-5)
    assert not item.given.video[0][:, ~known].any()
    assert item.given.depth[0][~known].isnan().all()
    assert item.given.depth[0][TOP, BEGIN - NEAR] == pytest.approx(WIDTH / NEAR), "in baselines"
    assert item.sources["hole"] == "left-right check of both disparities"
    assert len(item.sources["sha256"]) == 64


def test_without_the_right_disparity_holes_are_those_of_the_warp(tmp_path):
    write_pair(tmp_path / "a", right_disparity=False)
    item = pairs(tmp_path).item("a")
    assert torch.equal(item.hole[0], expected_holes())
    assert item.counted.all()
    assert item.sources["hole"] == "what the warp leaves open"
    assert pairs(tmp_path).pair("a").right_disparity is None


def test_unknown_disparity_is_not_counted_and_opens_the_warp(tmp_path):
    write_pair(tmp_path / "a")
    (_, of_left), (_, of_right) = picture(0, 0), picture(FAR, NEAR)
    of_left[:4, 20:30] = torch.nan
    of_right[-4:, 5:15] = torch.nan
    write_disparity(tmp_path / "a" / "disparity_left.npy", of_left)
    write_disparity(tmp_path / "a" / "disparity_right.npy", of_right)
    item = pairs(tmp_path).item("a")
    uncounted = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    uncounted[:4, 20 - FAR : 30 - FAR] = True  # whether the left eye sees these cannot be told
    uncounted[-4:, 5:15] = True
    assert torch.equal(~item.counted[0], uncounted)
    assert torch.equal((item.hole & item.counted)[0], expected_holes())
    assert item.given.hole[0, :4, 20 - FAR : 30 - FAR].all(), "to be filled, but not scored"
    assert not item.given.hole[0, -4:, 5:15].any()


def test_a_missing_left_disparity_is_estimated(tmp_path):
    write_pair(tmp_path / "a")
    (tmp_path / "a" / "disparity_left.npy").unlink()
    pair = pairs(tmp_path).pair("a")
    _, truth = picture(0, 0)
    known = pair.disparity.isfinite()
    assert known.float().mean() > 0.6
    # within half a pixel nearly everywhere; windows of 5 pixels blur the square's outline
    assert ((pair.disparity - truth).abs()[known] < 0.5).float().mean() > 0.95
    assert pairs(tmp_path).item("a").sources["disparity"] == "estimated (OpenCV SGBM, HH, block 5, left-right check)"


def test_pairs_serve_training_as_they_are(tmp_path):
    left, right = write_pair(tmp_path / "a")
    pair = pairs(tmp_path).pair("a")
    assert torch.equal(pair.left, left)
    assert torch.equal(pair.right, right)
    assert torch.equal(pair.disparity, picture(0, 0)[1])
    assert torch.equal(pair.right_disparity, picture(FAR, NEAR)[1])


def test_alpha_is_dropped_and_said(tmp_path):
    left, _ = write_pair(tmp_path / "a")
    stored = cv2.imread(str(tmp_path / "a" / "left.png"))
    cv2.imwrite(str(tmp_path / "a" / "left.png"), np.dstack([stored, np.full((HEIGHT, WIDTH), 7, np.uint8)]))
    assert torch.equal(pairs(tmp_path).pair("a").left, left)
    sources = pairs(tmp_path).item("a").sources
    assert (sources["left"], sources["right"]) == ("left.png, alpha dropped", "right.png")


def unrectified(folder):
    right = read_image(folder / "right.png")
    write_image(folder / "right.png", torch.cat([texture(3, WIDTH, 5), right[:, :-3]], dim=1))


def swapped(folder):
    for old, new in (("left.png", "other.png"), ("right.png", "left.png"), ("other.png", "right.png")):
        (folder / old).rename(folder / new)


def smaller(folder):
    write_image(folder / "right.png", read_image(folder / "right.png")[:, :, :-2])


def disparity(change):
    return lambda folder: write_disparity(folder / "disparity_left.npy", change(picture(0, 0)[1]))


BAD = {
    "unrectified": (unrectified, r"b: expected a rectified pair, .* at most 1 px, found a median of 3\.0 px over \d+"),
    "swapped eyes": (swapped, r"b: expected points further left .*, found a median of (4|12)\.\d px further right"),
    "sizes differ": (smaller, r"b/right\.png: expected 96 x 64, as left\.png, found 94 x 64"),
    "disparity of another size": (disparity(lambda d: d[:, :-1]), r"b/disparity_left\.npy.*found float32 \[64, 95\]"),
    "disparity of the other sign": (disparity(lambda d: -d), r"disparity above 0.*found -12 to -4"),
    "no left picture": (lambda folder: (folder / "left.png").unlink(), r"b/left\.png: .*no such file"),
    "no picture": (lambda folder: (folder / "right.png").write_text("none"), r"b/right\.png: expected an image"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_pairs_are_refused_by_name_before_anything_is_scored(tmp_path, name):
    spoil, named = BAD[name]
    for item in ("a", "b"):
        write_pair(tmp_path / item)
    spoil(tmp_path / "b")
    with pytest.raises(InputError, match=named):
        pairs(tmp_path).ids()


def test_pairs_without_holes_or_with_nothing_else_are_dropped_and_named(tmp_path, capsys):
    for item in ("a", "b", "c"):
        write_pair(tmp_path / item)
    wall = torch.full((HEIGHT, WIDTH), float(FAR))
    write_disparity(tmp_path / "b" / "disparity_left.npy", wall)
    unseen = wall.clone()
    unseen[:, -FAR:] = torch.nan  # all that is hidden is unknown
    write_disparity(tmp_path / "b" / "disparity_right.npy", unseen)
    write_disparity(tmp_path / "c" / "disparity_left.npy", torch.full((HEIGHT, WIDTH), 500.0))
    source = pairs(tmp_path)
    assert source.ids() == ["a"]
    assert source.dropped == {"b": "no hole that is counted", "c": "nothing but holes"}
    said = " ".join(capsys.readouterr().err.split())
    assert "2 of 3 dropped: b (no hole that is counted), c (nothing but holes)" in said
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(InputError, match="expected pairs with holes, found 2 without: b, no hole that is counted, c"):
        pairs(tmp_path).ids()


def test_an_empty_root_is_refused(tmp_path):
    with pytest.raises(InputError, match="one folder per pair"):
        pairs(tmp_path).ids()
    with pytest.raises(InputError, match="nowhere"):
        pairs(tmp_path / "nowhere").ids()


def test_the_square_is_where_the_test_says():
    left, of_left = picture(0, 0)
    right, of_right = picture(FAR, NEAR)
    assert torch.equal(left[:, TOP:BOTTOM, BEGIN:END], right[:, TOP:BOTTOM, BEGIN - NEAR : END - NEAR])
    assert torch.equal(left[:, :TOP, FAR:], right[:, :TOP, : WIDTH - FAR])
    assert of_left[TOP, BEGIN] == of_right[TOP, BEGIN - NEAR] == NEAR
