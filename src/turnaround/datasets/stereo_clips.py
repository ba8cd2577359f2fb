"""Rectified stereo videos, one file per eye: what Stereo4D's pipeline writes as perspective crops."""

from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.datasets.drops import Drops
from turnaround.datasets.kept import file_digest, kept
from turnaround.geometry.matching import require_rectified
from turnaround.geometry.semi_global import METHOD, estimated_disparity
from turnaround.io.existing import inside
from turnaround.io.video import FrameSource, open_frames
from turnaround.types import InputError, StereoPair

LEFT, RIGHT = "_left.mp4", "_right.mp4"
EXPECTED = "the video of an eye"


class StereoClips:
    """ROOT/<name>_left.mp4 and ROOT/<name>_right.mp4, rectified and of one size: a `StereoSource` of their frames.

    Every `step`-th frame is a pair, <name>/<frame>. Disparity is estimated (`semi_global.estimated_disparity`) when
    a pair is first asked for, and kept with its pictures below `cache`, named after the bytes of both files.

    Videos that cannot be opened, have no second eye or differ in size or length are dropped as a whole when the ids are
    asked for; frames that are not rectified, or swapped (most_vertical: pixels, as of `StereoPairs`), or without any
    disparity, when they are drawn.
    """

    def __init__(self, *, root: str, step: int, most_vertical: float, cache: str):
        if step < 1:
            raise InputError("step", expected="at least 1", found=str(step), fix="correct the data's config")
        self.root, self.step, self.most_vertical, self.cache = Path(root), step, most_vertical, Path(cache)
        self.drops = Drops("stereo clips")

    def ids(self) -> Sequence[str]:
        """InputError: there is no clip that can serve."""
        return self._pairs

    def pair(self, id: str) -> StereoPair:
        """DroppedError: it cannot serve."""
        with self.drops.named(id):
            name, _, number = id.rpartition("/")
            paths = [inside(self.root, f"{name}{eye}", listed_in=f"stereo clip {id}") for eye in (LEFT, RIGHT)]
            decides = [METHOD, f"{self.most_vertical}", number, *(file_digest(p, expected=EXPECTED) for p in paths)]
            found = kept(self.cache, decides, lambda: self._matched(id, paths, int(number)))
        left, right = found["left"].float() / 255, found["right"].float() / 255
        return StereoPair(id=id, left=left, right=right, disparity=found["disparity"])

    def _matched(self, id: str, paths: Sequence[Path], number: int) -> dict[str, Tensor]:
        left, right = (_frame(path, number) for path in paths)
        subject = f"{paths[0]}, frame {number}"
        require_rectified(subject, left, right, most_vertical=self.most_vertical)
        disparity = estimated_disparity(left, right)
        if not disparity.isfinite().any():
            raise InputError(subject, expected="something that both eyes see", found="no match", fix="remove the clip")
        return {"left": _stored(left), "right": _stored(right), "disparity": disparity}

    @cached_property
    def _pairs(self) -> list[str]:
        names = sorted(path.name.removesuffix(LEFT) for path in self.root.glob(f"[!.]*{LEFT}"))
        pairs: list[str] = []
        for name in names:
            try:
                with self.drops.named(name):
                    count = _length(*(open_frames(self.root / f"{name}{eye}") for eye in (LEFT, RIGHT)))
            except InputError:
                continue
            pairs += [f"{name}/{frame:06d}" for frame in range(0, count, self.step)]
        if not pairs:
            expected, found = f"videos NAME{LEFT} and NAME{RIGHT}", f"{len(names)}, all dropped" if names else "none"
            raise InputError(self.root, expected=expected, found=found, fix="correct the root")
        return pairs


def _length(left: FrameSource, right: FrameSource) -> int:
    """Frames of either eye."""
    if left.frames is None or right.frames is None:
        path = left.path if left.frames is None else right.path
        raise InputError(path, expected="a stated number of frames", found="none", fix="convert it to MP4")
    shapes = [f"{eye.frames} frames of {eye.width} x {eye.height}" for eye in (left, right)]
    if shapes[0] != shapes[1]:
        raise InputError(right.path, expected=f"{shapes[0]}, as the left", found=shapes[1], fix="crop both alike")
    return left.frames


def _frame(path: Path, number: int) -> Float[Tensor, "3 h w"]:
    frame = next(islice(open_frames(path), number, None), None)
    if frame is None:
        raise InputError(path, expected=f"a frame {number}", found="fewer", fix="copy it again")
    return frame


def _stored(picture: Float[Tensor, "3 h w"]) -> Tensor:
    return (picture * 255).round().to(torch.uint8)
