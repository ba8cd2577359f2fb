import json

import pytest
import torch

from turnaround.io.image import write_image
from turnaround.io.motion_hints import MAX_ARROWS, read_motion_hints, read_motion_mask
from turnaround.types import InputError

HEIGHT, WIDTH = 24, 40
LOWER = torch.zeros(HEIGHT, WIDTH).index_fill(0, torch.arange(12, HEIGHT), 1.0)
ARROW = [[0.5, 0.75], [0.1, -0.25]]


def written(folder, arrows, mask=LOWER):
    write_image(folder / "mask.png", mask.expand(3, -1, -1))
    text = arrows if isinstance(arrows, str) else json.dumps({"arrows": arrows})
    (folder / "arrows.json").write_text(text)
    return folder / "arrows.json", folder / "mask.png"


def read(folder, arrows, mask=LOWER):
    return read_motion_hints(*written(folder, arrows, mask), height=HEIGHT, width=WIDTH)


def test_shares_become_pixels(tmp_path):
    hints = read(tmp_path, [ARROW, [[0, 0.9375], [1, 0]]])
    assert hints.at.tolist() == [[20.0, 18.0], [0.0, 22.5]]
    assert hints.at.floor()[1].tolist() == [0.0, 22.0]
    torch.testing.assert_close(hints.arrows, torch.tensor([[4.0, -6.0], [40.0, 0.0]]))
    assert torch.equal(hints.moving, LOWER > 0)


def test_a_mask_may_be_larger_or_a_little_off_by_rounding(tmp_path):
    large = LOWER.repeat_interleave(3, 0).repeat_interleave(3, 1)
    assert torch.equal(read(tmp_path, [ARROW], large).moving, LOWER > 0)
    assert read(tmp_path, [ARROW], large[:, :-5]).moving.shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("arrows", "named"),
    [
        ("{", "arrows of motion"),
        ("[]", "arrows of motion"),
        ("{}", "found no list"),
        ([], "found 0"),
        ([ARROW] * (MAX_ARROWS + 1), "found 65"),
        ([ARROW, [1, 2]], "arrow 1: expected"),
        ([[[0.5, 0.75], [0.1]]], "finite numbers"),
        ([[[0.5, 0.75], [0.1, True]]], "finite numbers"),
        ('{"arrows": [[[0.5, 0.75], [NaN, 0]]]}', "finite numbers"),
        ('{"arrows": [[[0.5, 0.75], [1e999, 0]]]}', "finite numbers"),
        ([[[0.5, 0.75], [10**400, 0]]], "finite numbers"),
        ([[[0.5, 0.75], [11, 0]]], "at most 10 pictures per second"),
        ([[[1.0, 0.75], [0.1, 0]]], "a start in the picture"),
        ([[[0.5, -0.01], [0.1, 0]]], "a start in the picture"),
        ([ARROW, [[0.5, 0.25], [0.1, 0]]], "arrow 1: expected a start in the white"),
    ],
)
def test_bad_arrows_are_refused(arrows, named, tmp_path):
    with pytest.raises(InputError, match=named):
        read(tmp_path, arrows)


@pytest.mark.parametrize(
    ("mask", "named"),
    [(torch.zeros(HEIGHT, WIDTH), "expected white"), (torch.ones(WIDTH, HEIGHT), "a mask of the picture's shape")],
)
def test_bad_masks_are_refused(mask, named, tmp_path):
    with pytest.raises(InputError, match=named):
        read(tmp_path, [ARROW], mask)


def test_missing_files_are_refused(tmp_path):
    arrows, mask = written(tmp_path, [ARROW])
    with pytest.raises(InputError, match="no such file"):
        read_motion_hints(tmp_path / "none.json", mask, height=HEIGHT, width=WIDTH)
    with pytest.raises(InputError, match="no such file"):
        read_motion_mask(tmp_path / "none.png", height=HEIGHT, width=WIDTH)
    with pytest.raises(InputError, match="a picture"):
        read_motion_mask(arrows, height=HEIGHT, width=WIDTH)


def test_a_start_just_before_the_edge_lies_in_the_last_pixel(tmp_path):
    hints = read(tmp_path, [[[1 - 2**-53, 1 - 2**-53], [0.1, 0.1]]])
    assert hints.at.floor().tolist() == [[WIDTH - 1, HEIGHT - 1]]
