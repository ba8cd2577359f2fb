"""What is no whole video is refused by its name, and the first bad frame named."""

import struct
import wave

import av
import pytest
import torch
from small_videos import remuxed, samples

from turnaround.io.image import write_image
from turnaround.io.video import open_frames
from turnaround.types import InputError


def test_the_first_image_of_another_size_is_named(tmp_path):
    for number, width in enumerate((7, 7, 8, 9)):
        write_image(tmp_path / f"{number}.png", torch.zeros(3, 5, width))
    with pytest.raises(InputError, match=r"2\.png: expected the size of the first, 7 x 5, found 8 x 5"):
        list(open_frames(tmp_path))


def test_what_is_no_video_is_refused(tmp_path, clip):
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100)
    (tmp_path / "notes.txt").write_text("FFmpeg would play this text\n" * 100)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "picture.jpg").write_text("this is no picture")
    (tmp_path / "nothing").mkdir()
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", "NONE"))
        sound.writeframes(bytes(8000))
    for name, message in [
        ("missing.mp4", "found no such file"),
        ("text.mp4", "expected a video, found something else or a truncated video"),
        ("notes.txt", "expected a video, found text"),
        ("empty.mp4", "expected a video, found an empty file"),
        ("sound.wav", "expected a video, found only sound"),
        ("picture.jpg", "expected an image, found something else"),
        ("nothing", r"expected images .*, found none"),
    ]:
        with pytest.raises(InputError, match=rf"{name}: .*{message}") as caught:
            open_frames(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_sound_with_a_cover_picture_is_no_video(tmp_path):
    cover = tmp_path / "cover.png"
    write_image(cover, torch.zeros(3, 16, 16))
    with av.open(str(tmp_path / "song.mp3"), "w") as song, av.open(str(cover)) as picture:
        sound = song.add_stream("mp3", rate=44100)
        shown = song.add_stream_from_template(picture.streams.video[0])
        shown.disposition = av.stream.Disposition.attached_pic
        for packet in picture.demux(video=0):
            if packet.size:
                packet.stream = shown
                song.mux(packet)
        frame = av.AudioFrame(format="s16p", layout="stereo", samples=1152)
        frame.sample_rate = 44100
        for packet in [*sound.encode(frame), *sound.encode(None)]:
            song.mux(packet)
    with pytest.raises(InputError, match="found only sound"):
        open_frames(tmp_path / "song.mp3")


def test_a_video_without_frames_is_refused(tmp_path, clip):
    fragmented = remuxed(clip, tmp_path / "live.mp4", options={"movflags": "frag_keyframe+empty_moov"}).read_bytes()
    (tmp_path / "header.mp4").write_bytes(fragmented[: fragmented.index(b"moof") - 4])
    with pytest.raises(InputError, match=r"header\.mp4: expected a video with frames, found zero frames"):
        open_frames(tmp_path / "header.mp4")


def test_a_file_cut_before_its_index_is_refused(clip):
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) // 2])  # the index of an MP4 as cameras write it comes last
    with pytest.raises(InputError, match=r"clip\.mp4: expected a video, found something else or a truncated video"):
        open_frames(clip)


def test_a_cut_behind_the_index_is_found_at_once_and_the_frame_named(tmp_path, clip):
    fast = remuxed(clip, tmp_path / "fast.mp4", options={"movflags": "faststart"})
    assert len(list(open_frames(fast))) == 12
    offset, size = samples(fast)[7]
    for end in (offset, offset + 1, offset + size - 1):
        (tmp_path / "cut.mp4").write_bytes(fast.read_bytes()[:end])
        with pytest.raises(InputError, match=r"cut\.mp4: .*found the end of the file after 7 frames of the 12"):
            open_frames(tmp_path / "cut.mp4")


@pytest.mark.parametrize("part", [0.4, 0.7, 0.95])
def test_a_cut_matroska_is_found_at_once(tmp_path, clip, part):
    data = remuxed(clip, tmp_path / "whole.mkv").read_bytes()
    assert len(list(open_frames(tmp_path / "whole.mkv"))) == 12
    (tmp_path / "cut.mkv").write_bytes(data[: int(part * len(data))])
    with pytest.raises(InputError, match=rf"cut\.mkv: expected a whole video, found \d+ bytes of the {len(data)}"):
        open_frames(tmp_path / "cut.mkv")


def test_a_cut_stream_without_index_is_found_where_it_happens(tmp_path, clip):
    options = {"movflags": "frag_keyframe+empty_moov"}
    data = remuxed(clip, tmp_path / "live.mp4", options=options).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: int(0.8 * len(data))])
    source = open_frames(tmp_path / "cut.mp4")
    assert source.frames is None
    with pytest.raises(InputError, match=r"cut\.mp4: expected a whole video, found .* after \d+ frames"):
        list(source)


@pytest.mark.parametrize("damage", ["zeros", "flips"])
def test_a_damaged_frame_is_found_and_named(clip, damage):
    offset, size = samples(clip)[6]
    data = bytearray(clip.read_bytes())
    for place in range(offset + (0 if damage == "zeros" else size // 2), offset + size):
        data[place] = 0 if damage == "zeros" else data[place] ^ 0x5A
    clip.write_bytes(data)
    with pytest.raises(InputError, match=r"clip\.mp4: expected a whole video, found .* after \d+ frames"):
        list(open_frames(clip))


def test_fewer_frames_than_stated_are_an_error(tmp_path, clip):
    avi = tmp_path / "a.avi"
    with av.open(str(avi), "w") as container:
        stream = container.add_stream("mjpeg", rate=24)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame(32, 32, "yuvj420p")))
        container.mux(stream.encode(None))
    assert len(list(open_frames(avi))) == 5
    data = bytearray(avi.read_bytes())
    data[data.index(b"strh") + 40 : data.index(b"strh") + 44] = struct.pack("<I", 9)  # dwLength: frames in the stream
    avi.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.avi: expected a whole video, found 5 frames of the 9 it states"):
        list(open_frames(avi))
