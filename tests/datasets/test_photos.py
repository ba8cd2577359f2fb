"""Pictures in a folder: fitted, broken ones passed over."""

import cv2
import numpy as np
import pytest
import torch

from turnaround.datasets.cover import Cover
from turnaround.datasets.drops import TRIES, DroppedError, Drops, drawn
from turnaround.datasets.photos import Photos
from turnaround.io.atomic import unwritable
from turnaround.io.image import write_image
from turnaround.types import ClipSource, InputError


def ramp(height, width):
    """Red grows evenly from left to right, green from top to bottom."""
    y, x = torch.meshgrid((torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x)])


def photos(root):
    return Photos(root=str(root), height=16, width=24)


def test_pictures_cover_the_size_and_keep_their_middle(tmp_path):
    write_image(tmp_path / "wide.png", ramp(32, 96))
    write_image(tmp_path / "below" / "exact.jpg", ramp(16, 24))
    source = photos(tmp_path)
    assert isinstance(source, ClipSource)
    assert source.ids() == ["below/exact.jpg", "wide.png"]
    clip = source.clip("wide.png")
    assert clip.video.shape == (1, 3, 16, 24)
    assert clip.depth is clip.cameras is None
    # 32 x 96 becomes 16 x 48, of which columns 12 to 36 are kept; stored in 8 bits
    expected = ramp(16, 48)[:, 1:-1, 12:36]  # at the border the filter has less to average
    torch.testing.assert_close(clip.video[0][:, 1:-1], expected, atol=1 / 255, rtol=0)
    assert clip.sources == {"video": "wide.png"}


def test_what_cannot_be_used_is_dropped_by_name_and_counted(tmp_path, capsys):
    write_image(tmp_path / "good.png", ramp(16, 24))
    write_image(tmp_path / "small.png", ramp(15, 24))
    (tmp_path / "broken.jpg").write_text("no picture")
    source = photos(tmp_path)
    assert len(source.ids()) == 3
    clips = [drawn(source.ids(), source.clip, np.random.default_rng(seed)) for seed in range(8)]
    assert {clip.id for clip in clips} == {"good.png"}
    assert set(source.drops.reasons) == {"small.png", "broken.jpg"}
    assert "expected at least 24 x 16 pixels, found 24 x 15" in source.drops.reasons["small.png"]
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("small.png (") == said.count("broken.jpg (") == 1, "once each"
    assert "photos: 2 dropped so far" in said


def test_alpha_is_dropped_and_said(tmp_path):
    pixels = np.full((16, 24, 4), 100, np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    assert photos(tmp_path).clip("a.png").sources == {"video": "a.png, alpha dropped"}


def test_a_folder_of_broken_pictures_ends_in_one_line(tmp_path):
    (tmp_path / "broken.jpg").write_text("no picture")
    source = photos(tmp_path)
    with pytest.raises(InputError, match=rf"broken\.jpg: expected items that can serve, found {TRIES} in a row"):
        drawn(source.ids(), source.clip, np.random.default_rng(0))


def test_paths_stay_inside_and_empty_folders_are_refused(tmp_path):
    write_image(tmp_path / "outside.png", ramp(16, 24))
    with pytest.raises(InputError, match="expected names inside"):
        photos(tmp_path / "root").clip("../outside.png")
    with pytest.raises(InputError, match=r"root: expected pictures .*, found none"):
        photos(tmp_path / "root").ids()


def test_a_full_disk_is_no_fault_of_the_item(tmp_path):
    drops = Drops("things")
    with pytest.raises(InputError) as caught, drops.named("a"):
        raise unwritable(tmp_path, "no space left on device")
    assert not isinstance(caught.value, DroppedError)
    assert not drops.reasons


def test_intrinsics_follow_the_picture():
    # 100 x 200 pixels become 20 x 40, of which columns 5 to 35 are kept
    k = Cover(height=20, width=30).intrinsics("a", torch.tensor([[0.9, 1.8, 0.5, 0.4]]), 100, 200)
    torch.testing.assert_close(k, torch.tensor([[[36.0, 0, 15], [0, 36, 8], [0, 0, 1]]]))
