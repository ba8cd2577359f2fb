"""NYU Depth v2: single images as Marigold prepares them, and raw videos."""

import shutil

import pytest
import torch
from benchmark_pictures import assert_same, metres, write_picture, write_steps

from turnaround.datasets.depth_benchmarks_raw import NyuImages, NyuVideos
from turnaround.types import ClipSource, InputError


def write_nyu(root) -> tuple[torch.Tensor, torch.Tensor]:
    names = [f"test/kitchen_0004/{kind}_0001.png" for kind in ("rgb", "depth", "filled")]
    (root / "filename_list_test.txt").write_text(" ".join(names) + "\n")
    write_steps(root / names[1], 480, 640)
    return write_picture(root / names[0], 480, 640), write_steps(root / names[2], 480, 640)


def nyu(root) -> NyuImages:
    return NyuImages(root=str(root), listing=str(root / "filename_list_test.txt"))


def test_nyu_images_are_clips_of_one_frame(tmp_path):
    image, steps = write_nyu(tmp_path)
    assert isinstance(nyu(tmp_path), ClipSource)
    assert nyu(tmp_path).ids() == ["NYUv2/test/kitchen_0004/rgb_0001"]
    clip = nyu(tmp_path).clip("NYUv2/test/kitchen_0004/rgb_0001")
    assert torch.equal(clip.video, image[None, :, 45:471, 41:601])
    assert_same(clip.depth.values, metres(steps, 1000)[None, 45:471, 41:601])


@pytest.mark.parametrize("text", ["", "a.png b.png\n", "a.png b.png ../c.png\n"])
def test_bad_listings_are_named(tmp_path, text):
    write_nyu(tmp_path)
    (tmp_path / "filename_list_test.txt").write_text(text)
    with pytest.raises(InputError, match=r"filename_list_test\.txt"):
        nyu(tmp_path).ids()


def test_nyu_of_another_size_has_no_such_crop(tmp_path):
    write_nyu(tmp_path)
    write_steps(tmp_path / "test/kitchen_0004/filled_0001.png", 240, 320)
    with pytest.raises(InputError, match="rows 45 to 471, columns 41 to 601, found 320 x 240"):
        nyu(tmp_path).clip("NYUv2/test/kitchen_0004/rgb_0001")


def test_nyu_videos_have_their_own_unit(tmp_path):
    image = write_picture(tmp_path / "cafe_0001a/rgb/1.jpg", 480, 640)
    steps = write_steps(tmp_path / "cafe_0001a/depth/1.png", 480, 640)
    clips = NyuVideos(root=str(tmp_path), scenes=["cafe_0001a"], start=0, frames=500, stride=1)
    clip = clips.clip("nyuv2/cafe_0001a")
    assert torch.equal(clip.video, image[None, :, 45:471, 41:601])
    assert_same(clip.depth.values, metres(steps, 6000)[None, 45:471, 41:601])
    shutil.rmtree(tmp_path / "cafe_0001a/rgb")
    with pytest.raises(InputError, match="no frames"):
        clips.clip("nyuv2/cafe_0001a")
