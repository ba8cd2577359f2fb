"""Videos and pictures are read as they were written."""

import struct
import tracemalloc
import weakref

import av
import pytest
import torch
from small_videos import gradient, noise, remuxed

from turnaround.io.image import write_image
from turnaround.io.video import VideoWriter, open_frames, read_video, write_video
from turnaround.types import InputError


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 64), (48, 63), (47, 63)])
def test_round_trip_keeps_size_rate_and_colours(tmp_path, suffix, height, width):
    video = gradient(5, height, width)
    write_video(tmp_path / f"a{suffix}", video, fps=29.97)
    source = open_frames(tmp_path / f"a{suffix}")
    assert (source.height, source.width) == (height, width)
    assert source.fps == pytest.approx(30000 / 1001, abs=0.01)  # Matroska keeps times in milliseconds
    assert source.frames == (None if suffix == ".mkv" else 5)
    # crf 16 and chroma at half resolution move a smooth picture by a few steps of 255; its own step is 5 a pixel
    error = (read_video(tmp_path / f"a{suffix}", max_frames=5) - video).abs()
    assert error.mean() < 2 / 255
    assert error.max() < 12 / 255


def test_even_sizes_play_everywhere_and_colours_are_tagged(tmp_path):
    for size, pixels in [((16, 32), "yuv420p"), ((15, 32), "yuv444p"), ((1, 1), "yuv444p")]:
        write_video(tmp_path / "a.mp4", gradient(2, *size), fps=24.0)
        with av.open(str(tmp_path / "a.mp4")) as container:
            context = container.streams.video[0].codec_context
            assert (context.name, context.pix_fmt) == ("h264", pixels)
            assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)  # BT.709


def test_pure_colours_survive(tmp_path):
    colors = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0], [0.8, 0.1, 0.35]])
    write_video(tmp_path / "a.mp4", colors[:, :, None, None].expand(-1, -1, 32, 32), fps=24.0)
    read = read_video(tmp_path / "a.mp4", max_frames=6)
    # 8 bit limited range YCbCr has steps of up to 2 in RGB; a wrong matrix (BT.601) would move green by over 20
    torch.testing.assert_close(read.mean((2, 3)), colors, atol=3 / 255, rtol=0)


def test_one_frame_and_no_clock_in_the_file(tmp_path):
    """One frame only: over many frames x264 now and then codes one of them otherwise."""
    video = noise(1, 33, 50)
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, video, fps=25.0)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert read_video(tmp_path / "a.mp4", max_frames=1).shape == video.shape
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert "creation_time" not in container.metadata


def test_frames_can_be_read_again_and_are_let_go(tmp_path):
    video = noise(30, 64, 80)
    write_video(tmp_path / "a.mp4", video, fps=24.0)
    source = open_frames(tmp_path / "a.mp4")
    assert torch.equal(torch.stack(list(source)), torch.stack(list(source)))
    for _ in source:  # lazy imports and decoder state, so that only frames are measured below
        pass
    tracemalloc.start()
    alive = [weakref.ref(frame) for frame in source]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(frame() is not None for frame in alive) <= 1
    assert peak < 10 * 64 * 80 * 3  # a frame of bytes before and after turning, and slack; the video has 30


def test_rotation_is_applied(clip, tmp_path):
    upright = read_video(clip, max_frames=12)
    data = bytearray(clip.read_bytes())
    matrix = data.index(b"tkhd") + 44  # ISO 14496-12, 8.3.2; this one turns clockwise, as phones held upright do
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    (tmp_path / "phone.mp4").write_bytes(data)
    source = open_frames(tmp_path / "phone.mp4")
    assert (source.height, source.width) == (48, 32)
    assert torch.equal(torch.stack(list(source)), upright.rot90(-1, (2, 3)))


def test_images_of_a_folder_come_in_natural_order(tmp_path):
    for number in (10, 9, 1):
        write_image(tmp_path / f"frame{number}.png", torch.full((3, 5, 7), number / 255))
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden.png").write_text("not an image either")
    source = open_frames(tmp_path)
    assert (source.height, source.width, source.fps, source.frames) == (5, 7, 24.0, 3)
    for _ in range(2):
        assert [round(frame.mean().item() * 255) for frame in source] == [1, 9, 10]


def test_one_image_is_one_frame(tmp_path):
    image = torch.round(noise(1, 5, 7) * 255) / 255
    write_image(tmp_path / "a.png", image[0])
    assert open_frames(tmp_path / "a.png").frames == 1
    assert torch.equal(read_video(tmp_path / "a.png", max_frames=1), image)


def test_a_live_matroska_states_no_size(tmp_path, clip):
    live = remuxed(clip, tmp_path / "live.mkv", options={"live": "1"})
    assert len(list(open_frames(live))) == 12


def test_frames_hidden_by_an_edit_list_are_not_missed(tmp_path, clip):
    with av.open(str(clip)) as container:
        ticks = round(1 / (24 * container.streams.video[0].time_base))  # of one frame
    trimmed = remuxed(clip, tmp_path / "trimmed.mp4", shift=5 * ticks, options={"avoid_negative_ts": "disabled"})
    source = open_frames(trimmed)
    assert source.frames == 7
    assert torch.equal(torch.stack(list(source)), read_video(clip, max_frames=12)[5:])


def test_reading_at_once_is_bounded(clip):
    with pytest.raises(InputError, match=r"clip\.mp4: expected at most 11 frames, found more"):
        read_video(clip, max_frames=11)


def write_all(path, frames):
    with VideoWriter(path, fps=24.0) as writer:
        for frame in frames:
            writer.write(frame)


def test_a_failed_video_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match=r"a\.mp4: expected at least one frame, found none"):
        write_video(tmp_path / "a.mp4", torch.zeros(0, 3, 16, 16), fps=24.0)
    with pytest.raises(InputError, match="frame 1: expected the size of the first, 16 x 8, found 18 x 8"):
        write_all(tmp_path / "a.mp4", [torch.zeros(3, 8, 16), torch.zeros(3, 8, 18)])
    with pytest.raises(InputError, match=r"frame 0: expected values in \[0, 1\]"):
        write_video(tmp_path / "a.mp4", torch.full((1, 3, 8, 8), 2.0), fps=24.0)
    with pytest.raises(ZeroDivisionError):
        write_all(tmp_path / "a.mp4", (torch.full((3, 8, 8), 1 / number) for number in (1, 0)))
    assert list(tmp_path.iterdir()) == []


def test_output_names_rates_and_places_are_checked(tmp_path):
    with pytest.raises(InputError, match=r"a name in \.mp4 or \.mov or \.mkv, found '\.gif'"):
        VideoWriter(tmp_path / "a.gif", fps=24.0)
    with pytest.raises(InputError, match=r"expected a positive frame rate, found 0\.0"):
        VideoWriter(tmp_path / "a.mp4", fps=0.0)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"a\.mp4: expected a writable place"):
        write_video(tmp_path / "file" / "a.mp4", torch.zeros(1, 3, 8, 8), fps=24.0)


@pytest.mark.parametrize("room", [0, 60_000])
def test_a_full_disk_leaves_nothing(tmp_path, full_disk, room):
    with full_disk(room), pytest.raises(InputError, match=r"a\.mp4: expected a writable place.*file too large"):
        write_video(tmp_path / "a.mp4", noise(30, 64, 64), fps=24.0)
    assert list(tmp_path.iterdir()) == []
