"""Frames of a video at given times."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter
from jaxtyping import Float
from torch import Tensor

from turnaround.io.existing import existing_file
from turnaround.io.video import damaged, opened_video, upright_rgb


def frames_at(path: Path, seconds: Float[Tensor, "n"]) -> Iterator[tuple[int, Float[Tensor, "3 h w"]]]:
    """Which of the times, which rise, and the frame nearest to it, RGB in [0, 1].

    Times without a frame within half the usual distance of two are passed over, and so are those whose nearest frame
    is that of an earlier one. Only what lies between the first and the last is decoded. InputError: as of
    `io.video.open_frames`.
    """
    existing_file(path, expected="a video")
    stamps, base = _stamps(path)
    wanted = _nearest(stamps, np.asarray(seconds.double()) / float(base))
    if not wanted:
        return
    reformatter, last = VideoReformatter(), max(wanted)
    with opened_video(path) as (container, stream):
        stream.thread_type = "AUTO"
        try:
            container.seek(min(wanted), stream=stream)
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    raise damaged(path, "a damaged frame")
                if frame.pts in wanted:
                    yield wanted.pop(frame.pts), upright_rgb(frame, reformatter)
                if frame.pts is not None and frame.pts >= last:
                    break
        except FFmpegError as error:
            raise damaged(path, str(error.strerror).lower()) from error
    if wanted:
        raise damaged(path, f"{len(wanted)} frames that it lists and does not show")


def _stamps(path: Path) -> tuple[np.ndarray, Fraction]:
    """When frames are shown, sorted, in units of seconds that come second. Nothing is decoded."""
    with opened_video(path) as (container, stream):
        try:
            packets = container.demux(stream)
            stamps = {packet.pts for packet in packets if packet.pts is not None and not packet.is_discard}
        except FFmpegError as error:
            raise damaged(path, str(error.strerror).lower()) from error
        if not stamps or stream.time_base is None:
            raise damaged(path, "no frames with a time")
        return np.array(sorted(stamps), dtype=np.int64), stream.time_base


def _nearest(stamps: np.ndarray, times: np.ndarray) -> dict[int, int]:
    """Stamp -> number of the time it serves."""
    tolerance = float(np.median(np.diff(stamps))) / 2 if len(stamps) > 1 else 0.5
    after = np.searchsorted(stamps, times).clip(0, len(stamps) - 1)
    before = (after - 1).clip(0)
    chosen = np.where(np.abs(stamps[before] - times) <= np.abs(stamps[after] - times), before, after)
    found: dict[int, int] = {}
    for number in np.flatnonzero(np.abs(stamps[chosen] - times) <= tolerance):
        found.setdefault(int(stamps[chosen[number]]), int(number))
    return found
