"""Chosen frames are those of the whole video, and a video without them is refused."""

import pytest
import torch
from small_videos import noise

from turnaround.io.video import open_frames, write_video
from turnaround.io.video_frames import frames_at
from turnaround.types import InputError


def test_chosen_frames_are_those_of_the_whole(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, noise(12, 32, 48), fps=24.0)
    whole = list(open_frames(path))
    for chosen in ([0], [11], [2, 3, 7]):
        found = list(frames_at(path, chosen))
        assert len(found) == len(chosen)
        assert all(torch.equal(frame, whole[number]) for frame, number in zip(found, chosen, strict=True))


def test_a_video_that_ends_too_early_or_is_none_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, noise(3, 32, 48), fps=24.0)
    with pytest.raises(InputError, match="found 3 frames, of which number 3 was asked for"):
        list(frames_at(path, [1, 3]))
    with pytest.raises(InputError, match="no such file"):
        list(frames_at(tmp_path / "b.mp4", [0]))
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="expected a video"):
        list(frames_at(path, [0]))
