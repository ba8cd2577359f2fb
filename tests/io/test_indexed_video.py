"""Frames by number are those of a full decode, wherever key frames lie; times are the file's, or it is refused."""

import av
import pytest
import torch
from small_videos import gradient, noise, remuxed, samples
from stereo_films import retimed, write_film

from turnaround.io.image import write_image
from turnaround.io.indexed_video import open_indexed
from turnaround.io.video import read_video, write_video
from turnaround.types import InputError

FRAMES = 26
UNEVEN = [0, 40, 81, 120, 300, 340, 380] + [420 + 33 * n for n in range(FRAMES - 7)]  # milliseconds
GROUPS = {
    "closed": {"g": "7", "bf": "3", "sc_threshold": "0"},
    "open": {"g": "7", "bf": "3", "sc_threshold": "0", "x264-params": "open-gop=1"},
    "one key frame": {"g": "100", "bf": "2"},
    "no b frames": {"g": "5", "bf": "0"},
}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("options", GROUPS.values(), ids=GROUPS)
def test_any_part_is_that_of_a_full_decode(tmp_path, options, suffix):
    path = write_film(tmp_path / f"film{suffix}", noise(FRAMES, 32, 48), UNEVEN, options=options)
    whole, film = read_video(path, max_frames=FRAMES), open_indexed(path, still_fps=24.0)
    assert (film.height, film.width) == (32, 48)
    assert film.times.tolist() == [1000 * time for time in UNEVEN]
    for start in range(FRAMES):
        stop = min(start + 2, FRAMES)
        assert torch.equal(torch.stack(list(film.frames(start, stop))), whole[start:stop]), start
    assert torch.equal(torch.stack(list(film.frames(0, FRAMES))), whole)
    assert list(film.frames(4, 4)) == []


def test_a_film_that_starts_late_keeps_its_times(tmp_path):
    path = write_film(tmp_path / "film.mkv", gradient(5, 32, 48), [200, 240, 280, 320, 360])
    film = open_indexed(path, still_fps=24.0)
    assert film.times.tolist() == [200000, 240000, 280000, 320000, 360000]
    assert torch.equal(next(iter(film.frames(3, 4))), read_video(path, max_frames=5)[3])


def test_frames_hidden_by_an_edit_list_have_no_number(tmp_path, clip):
    with av.open(str(clip)) as container:
        ticks = round(1 / (24 * container.streams.video[0].time_base))  # of one frame
    trimmed = remuxed(clip, tmp_path / "trimmed.mp4", shift=5 * ticks, options={"avoid_negative_ts": "disabled"})
    film, whole = open_indexed(trimmed, still_fps=24.0), read_video(clip, max_frames=12)
    assert len(film.times) == 7
    for start in range(7):
        assert torch.equal(torch.stack(list(film.frames(start, 7))), whole[5 + start :])


def test_pictures_are_numbered_in_natural_order(tmp_path):
    video = (noise(12, 5, 7) * 255).round() / 255
    for number, picture in enumerate(video):
        write_image(tmp_path / f"{number}.png", picture)
    film = open_indexed(tmp_path, still_fps=10.0)
    assert film.times.tolist() == list(range(0, 1_200_000, 100_000))
    torch.testing.assert_close(torch.stack(list(film.frames(9, 12))), video[9:])


def test_times_that_do_not_rise_are_refused(tmp_path):
    even = [40 * n for n in range(8)]
    path = write_film(tmp_path / "film.mkv", gradient(8, 32, 48), even, options={"bf": "0"})
    twice = retimed(path, tmp_path / "twice.mkv", lambda n, pts, dts: (pts - 40 * (n > 4), dts - 40 * (n > 4)))
    with pytest.raises(
        InputError, match=r"twice\.mkv: expected times of frames, which rise, found frame 5 at the time"
    ):
        open_indexed(twice, still_fps=24.0)


def test_films_without_times_are_refused(tmp_path):
    bare = write_film(tmp_path / "bare.h264", gradient(8, 32, 48), [40 * n for n in range(8)])
    with pytest.raises(
        InputError, match=r"bare\.h264: expected times of frames, which rise, found 8 of 8 frames without"
    ):
        open_indexed(bare, still_fps=24.0)


def test_a_cut_film_is_refused_and_the_frame_named(tmp_path):
    path = tmp_path / "film.mp4"
    write_video(path, noise(12, 32, 48), fps=24.0)
    place = sorted(samples(path))[7]
    whole = path.read_bytes()
    remuxed(path, tmp_path / "streamed.mp4", options={"movflags": "faststart"})
    streamed = tmp_path / "streamed.mp4"
    cut = sorted(samples(streamed))[7][0] + 5
    streamed.write_bytes(streamed.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"streamed\.mp4: expected a whole video, found the end of the file after 7"):
        open_indexed(streamed, still_fps=24.0)
    film = open_indexed(path, still_fps=24.0)
    start, size = place
    path.write_bytes(whole[:start] + bytes(size) + whole[start + size :])
    with pytest.raises(InputError, match=r"film\.mp4: expected a whole video, found .*frame \d"):
        list(film.frames(0, 12))
