import pytest
import torch

from turnaround.datasets.lengths import UniformLengths
from turnaround.datasets.windows import Crop, GridWindows, Window
from turnaround.types import Clip, DepthKind, DepthVideo, InputError

FRAMES, HEIGHT, WIDTH = 6, 8, 12


class Numbered:
    """Clips whose every pixel says where it lies: red the frame, green the row, blue the column, depth all three."""

    def __init__(self, heights=(HEIGHT, HEIGHT)):
        self.heights = heights

    def ids(self):
        return [str(index) for index in range(len(self.heights))]

    def clip(self, id):
        height = self.heights[int(id)]
        axes = torch.meshgrid(torch.arange(FRAMES), torch.arange(height), torch.arange(WIDTH), indexing="ij")
        frame, row, column = (axis.float() for axis in axes)
        depth = 1 + int(id) + 10 * frame + 100 * row + 1000 * column
        depth[:, 0, 0] = torch.nan
        return Clip(
            id=id, video=torch.stack([frame, row, column], dim=1), depth=DepthVideo(values=depth, kind=DepthKind.METRIC)
        )


def grid(crop=None, step=2, least=2, most=4, clips=None, pixels=1) -> GridWindows:
    return GridWindows(
        clips=clips or Numbered(),
        lengths=UniformLengths(least=least, most=most),
        step=step,
        crop=crop,
        pixels_per_batch=pixels,
        seed=0,
    )


def test_a_window_is_cut_and_turned_as_it_says():
    windows = grid(crop=Crop(height=3, width=4, step=2))
    window = Window(clip="1", start=2, length=3, row=4, column=6, mirrored=True, reversed=True)
    video, inverse = windows.read(window)
    assert video[:, 0, 0, 0].tolist() == [4, 3, 2]
    assert video[0, 1, :, 0].tolist() == [4, 5, 6]
    assert video[0, 2, 0].tolist() == [9, 8, 7, 6]
    torch.testing.assert_close(1 / inverse[0, 0, 0], torch.tensor(2.0 + 10 * 4 + 100 * 4 + 1000 * 9))


def test_unknown_depth_stays_unknown():
    batch = grid(least=6, most=6)[0, 0]
    assert (~batch.valid).sum() == 6, "one corner of each frame"
    assert not batch.inverse_depth[~batch.valid].any()


def test_windows_come_from_a_finite_set_all_of_which_comes():
    windows = grid(crop=Crop(height=4, width=8, step=4), least=4, most=4)
    drawn = {window for number in range(600) for window in windows.draw((number, 0))}
    assert {window.start for window in drawn} == {0, 2}
    assert {(window.row, window.column) for window in drawn} == {(row, column) for row in (0, 4) for column in (0, 4)}
    assert len(drawn) == 2 * 2 * 4 * 2 * 2


def test_batches_follow_from_number_and_process_and_are_equally_long():
    windows = grid(pixels=8 * HEIGHT * WIDTH)
    for number in range(20):
        first, second = windows.draw((number, 0)), windows.draw((number, 1))
        assert {window.length for window in first} == {window.length for window in second}
        assert len(first) == len(second) == 8 // first[0].length
        assert first == grid(pixels=8 * HEIGHT * WIDTH).draw((number, 0))
    assert any(windows.draw((n, 0)) != windows.draw((n, 1)) for n in range(20))


def test_crops_larger_than_the_clips_and_clips_smaller_than_the_first_are_refused():
    with pytest.raises(InputError, match=r"crop: expected at most 8 x 12 pixels, found 9 x 4"):
        grid(crop=Crop(height=9, width=4, step=1))
    windows = grid(clips=Numbered(heights=(HEIGHT, 6)))
    with pytest.raises(InputError, match=r"^1: expected at least 6 frames of 8 x 12, .* found 6 frames of 6 x 12"):
        windows.read(Window(clip="1", start=0, length=2, row=0, column=0, mirrored=False, reversed=False))
