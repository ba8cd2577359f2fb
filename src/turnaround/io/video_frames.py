"""Some frames of a video."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from av.error import FFmpegError
from av.video.reformatter import VideoReformatter
from jaxtyping import Float
from torch import Tensor

from turnaround.io.existing import existing_file
from turnaround.io.video import damaged, opened_video, upright_rgb


def frames_at(path: Path, chosen: Sequence[int]) -> Iterator[Float[Tensor, "3 h w"]]:
    """The frames of these numbers, which increase; the same as `open_frames` gives.

    All before the last are decoded, since clips of some seconds have one key frame, but no others become RGB. Errors as
    of `open_frames`, for what is decoded; InputError: a video that ends before the last.
    """
    wanted, reached, reformatter = set(chosen), 0, VideoReformatter()
    with opened_video(existing_file(path, expected="a video")) as (container, stream):
        stream.thread_type = "AUTO"
        try:
            for packet in container.demux(stream):
                if packet.is_corrupt:
                    raise damaged(path, f"an incomplete packet after {reached} frames")
                for frame in packet.decode():
                    if frame.is_corrupt:
                        raise damaged(path, f"a damaged frame after {reached} frames")
                    if reached in wanted:
                        yield upright_rgb(frame, reformatter)
                    reached += 1
                    if reached > chosen[-1]:
                        return
        except FFmpegError as error:
            raise damaged(path, f"{str(error.strerror).lower()} after {reached} frames") from error
    raise damaged(path, f"{reached} frames, of which number {chosen[-1]} was asked for")
