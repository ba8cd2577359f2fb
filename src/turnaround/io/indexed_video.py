"""Frames by their number: any part of a video or of a folder of pictures, exact, in constant memory."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from jaxtyping import Float, Int
from torch import Tensor

from turnaround.io.video import ImageFrames, damaged, open_frames, opened_video, upright_rgb
from turnaround.types import InputError

MICROSECONDS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class IndexedFrames(ABC):
    """Frames of one size. times: when each is shown, in microseconds; they rise."""

    path: Path
    height: int
    width: int
    times: Int[Tensor, "n"]

    @abstractmethod
    def frames(self, start: int, stop: int) -> Iterator[Float[Tensor, "3 h w"]]:
        """RGB in [0, 1] of frames start to before stop, one at a time. InputError: as of `io.video.open_frames`."""


def open_indexed(path: Path, *, still_fps: float) -> IndexedFrames:
    """A video, or a folder of pictures, which are `still_fps` to the second.

    InputError: as of `io.video.open_frames`; frames without times, or with times that do not rise.
    """
    source = open_frames(path)
    size = {"height": source.height, "width": source.width}
    if isinstance(source, ImageFrames):
        times = torch.arange(len(source.files), dtype=torch.float64) * (MICROSECONDS / still_fps)
        return _Pictures(path=path, **size, times=times.round().long(), source=source)
    stamps, keys, base = _index(path)
    times = [round(stamp * base * MICROSECONDS) for stamp in stamps.tolist()]
    return _Video(path=path, **size, times=torch.tensor(times), stamps=stamps, keys=keys)


@dataclass(frozen=True, kw_only=True)
class _Pictures(IndexedFrames):
    source: ImageFrames

    def frames(self, start: int, stop: int) -> Iterator[Float[Tensor, "3 h w"]]:
        return iter(replace(self.source, files=self.source.files[start:stop]))


@dataclass(frozen=True, kw_only=True)
class _Video(IndexedFrames):
    """stamps: of the frames, in the stream's units. keys: stamps of shown key frames, and where to seek for each."""

    stamps: np.ndarray
    keys: np.ndarray

    def frames(self, start: int, stop: int) -> Iterator[Float[Tensor, "3 h w"]]:
        reached, reformatter = start, VideoReformatter()
        if start >= stop:
            return
        with closing(self._decoded(start)) as decoded:
            for frame in decoded:
                if frame.is_corrupt:
                    raise damaged(self.path, f"a damaged frame {reached}")
                if frame.pts != self.stamps[reached]:
                    raise damaged(self.path, f"another time at frame {reached} than it lists")
                image = upright_rgb(frame, reformatter)
                if image.shape[1:] != (self.height, self.width):
                    raise damaged(self.path, f"frame {reached} of {image.shape[2]} x {image.shape[1]}")
                yield image
                reached += 1
                if reached == stop:
                    return
        raise damaged(self.path, f"{reached} frames of the {len(self.stamps)} it lists")

    def _decoded(self, start: int) -> Generator[VideoFrame, None, None]:
        """Frames from number `start` on."""
        wanted, reached = self.stamps[start], start
        try:
            for packet in self._packets(start):
                if packet.is_corrupt:
                    raise damaged(self.path, f"an incomplete packet near frame {reached}")
                for frame in packet.decode():
                    assert isinstance(frame, VideoFrame)
                    # before the wanted one, what leans on frames before the key frame may be broken
                    if frame.pts is not None and frame.pts >= wanted:
                        yield frame
                        reached += 1
        except FFmpegError as error:
            raise damaged(self.path, f"{str(error.strerror).lower()} at frame {reached}") from error

    def _packets(self, start: int) -> Iterator[Packet]:
        """From the last key frame that is not after frame `start`; from the first where seeking misses it."""
        before = self.keys[self.keys[:, 0] <= self.stamps[start]]
        if start > 0 and len(before):
            with opened_video(self.path) as (container, stream):
                stream.thread_type = "AUTO"
                container.seek(int(before[-1, 1]), stream=stream)
                packets = container.demux(stream)
                first = next(packets, None)
                if first is not None and first.is_keyframe and (first.pts or 0) <= self.stamps[start]:
                    yield first
                    yield from packets
                    return
        with opened_video(self.path) as (container, stream):
            stream.thread_type = "AUTO"
            yield from container.demux(stream)


def _index(path: Path) -> tuple[np.ndarray, np.ndarray, Fraction]:
    """Times of shown frames, in order; times and places of key frames; the unit, in seconds. Nothing is decoded."""
    with opened_video(path) as (container, stream):
        try:
            packets = [
                (each.pts, each.dts, each.is_keyframe)
                for each in container.demux(stream)
                if each.size and not each.is_discard
            ]
        except FFmpegError as error:
            raise damaged(path, str(error.strerror).lower()) from error
        base = stream.time_base
    timed = [(pts, dts, is_key) for pts, dts, is_key in packets if pts is not None]
    if len(timed) < len(packets) or base is None:
        raise _broken(path, f"{len(packets) - len(timed)} of {len(packets)} frames without one")
    stamps = np.array(sorted(pts for pts, _, _ in timed), dtype=np.int64)
    again = np.flatnonzero(np.diff(stamps) <= 0)
    if len(again):
        raise _broken(path, f"frame {again[0] + 1} at the time of the one before")
    keys = [(pts, pts if dts is None else min(pts, dts)) for pts, dts, is_key in timed if is_key]
    return stamps, np.array(sorted(keys), dtype=np.int64).reshape(-1, 2), base


def _broken(path: Path, found: str) -> InputError:
    return InputError(path, expected="times of frames, which rise", found=found, fix="convert it again")
