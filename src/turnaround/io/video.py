"""Frames in and out, one at a time: constant memory in the length of the video."""

import re
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import Float
from torch import Tensor

from turnaround.io.atomic import AtomicWriter, atomic_file
from turnaround.io.existing import existing_file
from turnaround.io.image import MAX_SIDE, quantise, read_image, require_suffix
from turnaround.types import InputError, Video

STILL_FPS = 24.0  # the rate of pictures that state none
IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, kw_only=True)
class FrameSource(ABC):
    """Frames of one size. Each iteration decodes anew from the start and yields RGB in [0, 1], one frame at a time.

    frames: how many there are; None where the container does not say.
    """

    path: Path
    height: int
    width: int
    fps: float
    frames: int | None

    @abstractmethod
    def __iter__(self) -> Iterator[Float[Tensor, "3 h w"]]: ...


def open_frames(path: Path) -> FrameSource:
    """The frames of a video in any container, of a folder of images in natural order, or of one image.

    A video is turned as its rotation says. Errors, here or while iterating: no file, no video in it, no frames, damage
    (the file and the frame reached are named), truncation, images of different sizes (the first that differs is named).
    Where a format states no length (MPEG-TS, GIF, live WebM) a clean cut between frames cannot be told from the end.
    """
    if path.is_dir():
        files = [file for file in path.iterdir() if _is_image(file) and not file.name.startswith(".")]
        return _image_frames(path, tuple(sorted(files, key=_natural_order)))
    if _is_image(path):
        return _image_frames(path, (path,))
    return _video_frames(existing_file(path, expected="a video, an image or a folder of images"))


def read_video(path: Path, *, max_frames: int) -> Video:
    """All frames at once; refuses more than `max_frames` instead of shortening."""
    frames = []
    for frame in open_frames(path):
        if len(frames) == max_frames:
            raise InputError(path, expected=f"at most {max_frames} frames", found="more", fix="cut the video")
        frames.append(frame)
    return torch.stack(frames)


def write_video(path: Path, video: Video, *, fps: float) -> None:
    """`VideoWriter` on frames that are in memory."""
    with VideoWriter(path, fps=fps) as writer:
        for frame in video:
            writer.write(frame)


class VideoWriter(AtomicWriter):
    """An H.264 video (.mp4, .mov or .mkv) of frames given one by one; the first sets the size.

    No clock or machine is written into the file, yet x264 itself is not quite repeatable: once in some hundreds of runs
    we saw a frame coded by another, equally good choice. Compare frames or depth between runs, not these bytes.

    H.264 in 4:2:0, which every player decodes, has no odd sizes, not even by
    cropping (ITU-T H.264, 7.4.2.1.1: CropUnitX = 2). We keep the size, which other outputs are compared with pixel by
    pixel, and write odd sizes in 4:4:4: VLC, mpv and Chrome play it, QuickTime and Safari do not.
    """

    def __init__(self, path: Path, *, fps: float):
        require_suffix(path, ".mp4", ".mov", ".mkv")
        if not 0 < fps < float("inf"):
            raise InputError(path, expected="a positive frame rate", found=str(fps), fix="set fps")
        self._path, self._fps, self._frames = path, fps, 0
        self._container: OutputContainer
        self._stream: VideoStream
        self._reformatter = VideoReformatter()

    def write(self, frame: Float[Tensor, "3 h w"]) -> None:
        """Appends RGB in [0, 1]."""
        rgb = quantise(f"{self._path}, frame {self._frames}", frame, 255).transpose(1, 2, 0)
        height, width = rgb.shape[:2]
        if self._frames == 0:
            self._stream = self._add_stream(height, width)
        if (height, width) != (self._stream.height, self._stream.width):
            raise InputError(
                f"{self._path}, frame {self._frames}",
                expected=f"the size of the first, {self._stream.width} x {self._stream.height}",
                found=f"{width} x {height}",
                fix="resize it",
            )
        picture = self._reformatter.reformat(
            VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"),
            format=self._stream.pix_fmt,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        picture.pts = self._frames
        self._container.mux(self._stream.encode(picture))
        self._frames += 1

    @contextmanager
    def _opened(self) -> Iterator[None]:
        with atomic_file(self._path) as temporary, av.open(f"file:{temporary}", "w") as self._container:
            yield
            if self._frames == 0:
                raise InputError(self._path, expected="at least one frame", found="none", fix="check what feeds it")
            self._container.mux(self._stream.encode(None))

    def _add_stream(self, height: int, width: int) -> VideoStream:
        rate = Fraction(self._fps).limit_denominator(1001)  # the largest in use: 30000/1001
        stream = self._container.add_stream("libx264", rate=rate, options={"crf": "16"})
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuv420p" if height % 2 == width % 2 == 0 else "yuv444p"
        codec = stream.codec_context
        codec.thread_count = 1  # x264's choices depend on it, and by default it follows the number of cores
        codec.color_range = ColorRange.MPEG
        codec.colorspace = codec.color_primaries = codec.color_trc = 1  # BT.709 in each table of ITU-T H.273
        return stream


@dataclass(frozen=True, kw_only=True)
class ImageFrames(FrameSource):
    files: tuple[Path, ...]

    def __iter__(self) -> Iterator[Float[Tensor, "3 h w"]]:
        for file in self.files:
            image = read_image(file)
            _require_size(file, image, self.height, self.width)
            yield image


@dataclass(frozen=True, kw_only=True)
class _VideoFrames(FrameSource):
    def __iter__(self) -> Iterator[Float[Tensor, "3 h w"]]:
        reached, reformatter = 0, VideoReformatter()
        for frame in decoded(self.path):
            image = upright_rgb(frame, reformatter)
            _require_size(f"{self.path}, frame {reached}", image, self.height, self.width)
            yield image
            reached += 1
        if reached < (self.frames or 0):
            raise damaged(self.path, f"{reached} frames of the {self.frames} it states")


def _image_frames(path: Path, files: tuple[Path, ...]) -> FrameSource:
    if not files:
        raise InputError(path, expected=f"images ({' '.join(IMAGE_SUFFIXES)})", found="none", fix="check the folder")
    height, width = read_image(files[0]).shape[1:]
    return ImageFrames(path=path, height=height, width=width, fps=STILL_FPS, frames=len(files), files=files)


def _video_frames(path: Path) -> FrameSource:
    first = next(decoded(path), None)
    if first is None:
        raise InputError(path, expected="a video with frames", found="zero frames", fix="record or convert it again")
    height, width = upright_rgb(first, VideoReformatter()).shape[1:]
    with opened_video(path) as (_, stream):
        _require_whole(path, stream)
        return _VideoFrames(
            path=path,
            height=height,
            width=width,
            fps=float(stream.average_rate or stream.guessed_rate or STILL_FPS),
            frames=_promised_frames(stream),
        )


def decoded(path: Path) -> Generator[VideoFrame, None, None]:
    """Every frame, or an error at the first sign of damage (FFmpeg alone would conceal it and go on)."""
    reached = 0
    with opened_video(path) as (container, stream):
        stream.thread_type = "AUTO"
        try:
            for packet in container.demux(stream):
                if packet.is_corrupt:
                    raise damaged(path, f"an incomplete packet after {reached} frames")
                for frame in packet.decode():
                    if frame.is_corrupt:
                        raise damaged(path, f"a damaged frame after {reached} frames")
                    yield frame
                    reached += 1
        except FFmpegError as error:
            raise damaged(path, f"{str(error.strerror).lower()} after {reached} frames") from error


@contextmanager
def opened_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its first video stream that is no cover picture; never touches the network."""
    fix = "give a video, an image or a folder of images"
    try:
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except FFmpegError as error:
        found = "an empty file" if path.stat().st_size == 0 else "something else or a truncated video"
        raise InputError(path, expected="a video", found=f"{found} ({error.strerror})", fix=fix) from error
    with container:
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            found = "only sound" if container.streams.audio else "no video stream"
            raise InputError(path, expected="a video", found=found, fix=fix)
        codec = streams[0].codec_context
        if codec is None or codec.name == "ansi":  # FFmpeg takes any text for a film of terminal art
            raise InputError(path, expected="a video", found="text or an unknown codec", fix=fix)
        if max(codec.width, codec.height) > MAX_SIDE:
            found = f"{codec.width} x {codec.height}"
            raise InputError(path, expected=f"at most {MAX_SIDE} pixels a side", found=found, fix="make it smaller")
        yield container, streams[0]


def _promised_frames(stream: VideoStream) -> int | None:
    """How many frames the container states, less those it has but does not show.

    MP4 and MOV hide frames by edit lists (a phone's trim without re-encoding); AVI has empty entries that mean "the
    last frame once more". Both are marked in the index, if there is a whole one.
    """
    entries = stream.index_entries
    if stream.frames == 0 or len(entries) != stream.frames:
        return stream.frames or None
    return sum(entry.size > 0 and not entry.is_discard for entry in entries)


def _require_whole(path: Path, stream: VideoStream) -> None:
    """Finds a cut before hours of work where the container tells: the index of MP4 and MOV, the size of Matroska."""
    size, entries = path.stat().st_size, stream.index_entries
    if len(entries) == stream.frames:
        cut = next((index for index, entry in enumerate(entries) if entry.pos + entry.size > size), None)
        if cut is not None:
            raise damaged(path, f"the end of the file after {cut} frames of the {stream.frames} it states")
    if (stated := _stated_bytes(path)) > size:
        raise damaged(path, f"{size} bytes of the {stated} it states")


def _stated_bytes(path: Path) -> int:
    """The least size of the file by its own header, for Matroska and WebM, which FFmpeg shortens without a word.

    RFC 8794: an element is an id, a size as a big-endian integer behind a length marker, and content. The file is an
    EBML head and one Segment; a size of all ones means unknown (live recordings).
    """
    with path.open("rb") as file:
        end = 0
        for identifier in (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"):
            if file.read(4) != identifier or not (first := file.read(1)) or first == b"\0":
                return 0
            length = 9 - first[0].bit_length()
            size = int.from_bytes(first + file.read(length - 1), "big") & ((1 << 7 * length) - 1)
            if size == (1 << 7 * length) - 1:
                return 0
            end = file.seek(size, 1)
        return end


def upright_rgb(frame: VideoFrame, reformatter: VideoReformatter) -> Float[Tensor, "3 h w"]:
    pixels = reformatter.reformat(frame, format="rgb24").to_ndarray()
    upright = np.rot90(pixels, round(frame.rotation / 90)).transpose(2, 0, 1)  # both count counter-clockwise
    return torch.from_numpy(np.ascontiguousarray(upright)).float() / 255


def _require_size(subject: object, image: Float[Tensor, "3 h w"], height: int, width: int) -> None:
    if image.shape[1:] != (height, width):
        raise InputError(
            subject,
            expected=f"the size of the first, {width} x {height}",
            found=f"{image.shape[2]} x {image.shape[1]}",
            fix="resize or remove it",
        )


def damaged(path: Path, found: str) -> InputError:
    return InputError(path, expected="a whole video", found=found, fix="copy or convert it again")


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _natural_order(path: Path) -> list[str | int]:
    """2.png before 10.png."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]
