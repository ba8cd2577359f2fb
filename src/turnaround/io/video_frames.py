"""Some frames of a video."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from av.video.reformatter import VideoReformatter
from jaxtyping import Float
from torch import Tensor

from turnaround.io.existing import existing_file
from turnaround.io.video import damaged, decoded, upright_rgb


def frames_at(path: Path, chosen: Sequence[int]) -> Iterator[Float[Tensor, "3 h w"]]:
    """The frames of these numbers, which increase; the same as `open_frames` gives.

    All before the last are decoded, since clips of some seconds have one key frame, but no others become RGB. Errors as
    of `open_frames`, for what is decoded; InputError: a video that ends before the last.
    """
    wanted, reached, reformatter = set(chosen), 0, VideoReformatter()
    with closing(decoded(existing_file(path, expected="a video"))) as frames:
        for frame in frames:
            if reached in wanted:
                yield upright_rgb(frame, reformatter)
            reached += 1
            if reached > chosen[-1]:
                return
    raise damaged(path, f"{reached} frames, of which number {chosen[-1]} was asked for")
