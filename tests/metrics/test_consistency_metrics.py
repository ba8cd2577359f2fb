"""Consistency of neighbouring frames: a wall that a camera passes, and what stands before it."""

import math

import pytest
import torch

from turnaround.metrics.consistency import HoleWarpedError, LoopError, WarpedError, WarpedLpips
from turnaround.metrics.perceptual import PerceptualDistance
from turnaround.types import Pinhole

HEIGHT, WIDTH, FRAMES = 4, 8, 3


def passing(frames=FRAMES) -> Pinhole:
    """Focal length 8; half a metre to the right per frame, which moves what is 4 m away by one pixel to the left."""
    poses = torch.eye(4).repeat(frames, 1, 1)
    poses[:, 0, 3] = 0.5 * torch.arange(frames)
    k = torch.tensor([[8.0, 0, 4], [0, 8, 2], [0, 0, 1]]).repeat(frames, 1, 1)
    return Pinhole(world_from_cam=poses, intrinsics=k, height=HEIGHT, width=WIDTH)


def wall(frames=FRAMES):
    """A picture on the wall as each frame shows it, and its depth."""
    picture = torch.rand(3, HEIGHT, WIDTH + frames, generator=torch.Generator().manual_seed(0))
    video = torch.stack([picture[:, :, frame : frame + WIDTH] for frame in range(frames)])
    return video, torch.full((frames, HEIGHT, WIDTH), 4.0)


NOWHERE = torch.zeros(FRAMES, HEIGHT, WIDTH, dtype=torch.bool)


def test_the_truth_is_consistent():
    video, depth = wall()
    # bilinear samples at pixel centres that float32 misses by 1e-6 of a pixel
    assert WarpedError(tolerance=0.01)(video, NOWHERE, depth, passing()).value == pytest.approx(0, abs=1e-5)
    assert WarpedError(tolerance=0.01)(video.flip(0), NOWHERE, depth, passing()).value > 0.1


def test_an_error_counts_by_its_share_of_the_pixels_seen_in_both_frames():
    video, depth = wall()
    video = video * 0.5
    video[1, :, 1, 2] += 0.28  # on one pixel of frame 1; 28 of its 32 pixels were seen in frame 0
    found = WarpedError(tolerance=0.01)(video, NOWHERE, depth, passing())
    assert found.value == pytest.approx(0.28 / 28, abs=1e-5), "it is met twice: by frame 0 and by frame 2"
    assert found.count == 2
    filled = NOWHERE.clone()
    filled[1, 1, 2:4] = True
    made = HoleWarpedError(tolerance=0.01)(video, filled, depth, passing())
    assert made.value == pytest.approx(0.14, abs=1e-5)
    assert made.count == 1, "nothing was filled in frame 2"


def test_hidden_and_unknown_pixels_do_not_count():
    video, depth = wall()
    depth[0, :, 3] = 1.0  # frame 0 saw something else there: column 2 of frame 1
    depth[1, 0] = torch.nan
    video[1, :, :, 2], video[1, :, 0] = 9.0, 9.0
    depth[2] = torch.nan  # no pair with frame 2
    found = WarpedError(tolerance=0.01)(video, NOWHERE, depth, passing())
    assert found.value == pytest.approx(0, abs=1e-5)
    assert found.count == 1


def test_a_single_picture_has_no_value():
    video, depth = wall(1)
    assert math.isnan(WarpedError(tolerance=0.01)(video, NOWHERE[:1], depth, passing(1)).value)


def test_lpips_needs_its_weights(tmp_path):
    video, depth = wall()
    distance = PerceptualDistance(net="squeeze", weights=str(tmp_path / "none.pth"))
    found = WarpedLpips(tolerance=0.01, distance=distance)(video, NOWHERE, depth, passing())
    assert math.isnan(found.value)


def loop_error(*greys):
    video = torch.tensor(greys)[:, None, None, None].expand(-1, 3, HEIGHT, WIDTH)
    depth = torch.full((len(greys), HEIGHT, WIDTH), 4.0)
    return LoopError()(video, torch.zeros_like(depth, dtype=torch.bool), depth, passing(len(greys)))


def test_a_loop_by_hand():
    assert loop_error(0.0, 0.25, 0.5, 0.25).value == 1
    assert loop_error(0.0, 0.25, 0.5, 0.75).value == 3
    assert loop_error(0.0, 0.25, 0.5, 0.0).value == 0
    # steps of 0.25, 0.25 and 0.5: the median is not moved by the largest
    assert loop_error(0.0, 0.25, 0.5, 1.0).value == 4
    assert loop_error(0.0, 0.25, 0.5, 1.0).count == 1


def test_a_loop_of_one_picture_has_no_value():
    assert loop_error(0.5).count == 0
    assert loop_error(0.5, 0.5, 0.5).count == 0
    assert math.isnan(loop_error(0.5, 0.5, 0.5).value)


def test_a_loop_takes_the_mean_over_all_pixels():
    video = torch.zeros(3, 3, HEIGHT, WIDTH)
    video[1, 0, 0, 0] = 0.5
    video[2, :, 0, 0] = 0.5
    found = LoopError()(video, NOWHERE, torch.full((3, HEIGHT, WIDTH), 4.0), passing())
    # 1 value changes, then 2, then 3 from the last to the first; the lower of the two steps is their median
    assert found.value == pytest.approx(3)
