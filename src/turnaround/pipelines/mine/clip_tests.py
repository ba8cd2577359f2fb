"""Whether a clip is worth mining: by its pictures, and then by its poses.

All pictures are small ones of the left eye, about 160 to 256 pixels wide. A test measures one number and raises
DropError where that is on the wrong side of its limit.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from turnaround.pipelines.mine.fading import FadeMeasure, Glimpse, lasting
from turnaround.pipelines.mine.following import Follower, Grey, grey
from turnaround.pipelines.mine.lettering import Lettering
from turnaround.pipelines.mine.registering import Explanation, Fit, homography, similarity
from turnaround.types import Video
from turnaround.types.mining import DropError, RigPoses


class PictureTest(ABC):
    """name: the reason it drops clips for. limit: of its measure."""

    name: str

    def __init__(self, *, limit: float):
        self.limit = limit

    @abstractmethod
    def measure(self, pictures: Sequence[Grey]) -> float: ...

    @abstractmethod
    def fails(self, value: float) -> bool: ...

    def __call__(self, pictures: Sequence[Grey]) -> None:
        value = self.measure(pictures)
        if self.fails(value):
            raise DropError(self.name, value=value, limit=self.limit)


class BlankTest(PictureTest):
    """Too little to follow. Measure: corners, the median over `frames` pictures."""

    name = "texture"

    def __init__(self, *, follower: Follower, frames: int, limit: float):
        super().__init__(limit=limit)
        self._follower, self._frames = follower, frames

    def measure(self, pictures: Sequence[Grey]) -> float:
        chosen = np.linspace(0, len(pictures) - 1, self._frames).round().astype(int)
        return float(np.median([len(self._follower.corners(pictures[number])) for number in chosen]))

    def fails(self, value: float) -> bool:
        return value < self.limit


class FadeTest(PictureTest):
    """A cross-fade. Measure: the largest of `FadeMeasure` that lasts for three frames."""

    name = "fade"

    def __init__(self, *, fades: FadeMeasure, limit: float):
        super().__init__(limit=limit)
        self._fades = fades

    def measure(self, pictures: Sequence[Grey]) -> float:
        glimpses = [Glimpse(picture) for picture in pictures]
        return max(lasting([self._fades.at(glimpses, middle) for middle in range(len(glimpses))]))[0]

    def fails(self, value: float) -> bool:
        return value >= self.limit


class TextTest(PictureTest):
    """Titles, captions and cards. Measure: letters that stand still in the picture, in rows."""

    name = "text"

    def __init__(self, *, lettering: Lettering, limit: float):
        super().__init__(limit=limit)
        self._lettering = lettering

    def measure(self, pictures: Sequence[Grey]) -> float:
        return float(self._lettering.letters(pictures))

    def fails(self, value: float) -> bool:
        return value >= self.limit


class FlatTest(PictureTest):
    """Nothing that one warp of the picture does not explain. spans: frames between the pictures compared.

    Measure: share of a picture that others, warped, do not explain, the largest over spans and, of each, the mean over
    three places in the clip. Where nothing can be followed it is 1, and another test's matter.
    """

    fit: Fit

    def __init__(self, *, explanation: Explanation, spans: Sequence[int], limit: float):
        super().__init__(limit=limit)
        self._explanation, self._spans = explanation, spans

    def measure(self, pictures: Sequence[Grey]) -> float:
        values = [self._of_span(pictures, min(span, len(pictures))) for span in (*self._spans, len(pictures))]
        return max((value for value in values if value is not None), default=1.0)

    def _of_span(self, pictures: Sequence[Grey], span: int) -> float | None:
        rest = len(pictures) - span
        parts = [pictures[start : start + span] for start in sorted({0, rest // 2, rest})]
        values = [self._explanation.missing(part, self.fit) for part in parts]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None

    def fails(self, value: float) -> bool:
        return value < self.limit


class StillTest(FlatTest):
    """A still picture, also with noise, and also one that is panned or zoomed ("Ken Burns"): shifts, zooms and turns of
    the picture explain all. A camera at rest before a scene at rest films the same and goes for the same reason."""

    name = "still"
    fit = staticmethod(similarity)


class TurnTest(FlatTest):
    """A camera that only turns while nothing in the scene moves: a homography explains all.

    Such a clip teaches neither depth nor motion. A camera that stands, or turns, while things move before it is kept:
    the depth of a stereo pair needs no movement of the camera, and its tracks are as good as any.
    """

    name = "parallax"
    fit = staticmethod(homography)


class NoParallaxTest:
    """Once the poses are known: a camera that stands before what is too far for its two eyes, or before what stands.

    Lengths are in medians of the distances to the scene's points. reach: how far the camera gets from where it is in
    the mean. Where both it and the baseline are below the limit, nothing shows depth, and the clip is dropped whatever
    moves in it. Where only the reach is, it is dropped where nothing moves: where a homography leaves less than the
    share `moving` of the picture unexplained. Where no points are known, only that decides.
    """

    name = "parallax"

    def __init__(self, *, turn: TurnTest, moving: float, limit: float):
        self._turn, self._moving, self.limit = turn, moving, limit

    def measure(self, poses: RigPoses) -> float:
        """The reach; 0 where no points are known."""
        eyes = poses.world_from_left[poses.found][:, :3, 3]
        return float((eyes - eyes.mean(0)).norm(dim=-1).max()) / _distance(poses) if len(eyes) else 0.0

    def __call__(self, poses: RigPoses, pictures: Sequence[Grey]) -> None:
        reach = self.measure(poses)
        if reach >= self.limit:
            return
        apart = float(poses.left_from_right[:3, 3].norm()) / _distance(poses)
        if apart < self.limit and len(poses.points):
            raise DropError(self.name, value=max(reach, apart), limit=self.limit)
        if self._turn.measure(pictures) < self._moving:
            raise DropError(self.name, value=reach, limit=self.limit)


def _distance(poses: RigPoses) -> float:
    """The median between points and some of the places of the left eye; infinite where there are none."""
    eyes = poses.world_from_left[poses.found][:, :3, 3]
    distances = (poses.points[:, None] - eyes[None, :: max(len(eyes) // 8, 1)]).norm(dim=-1)
    return float(distances.median()) if distances.numel() else math.inf


class ClipTests:
    """before: the poses, in order; the first that fails gives the reason. after: them."""

    def __init__(self, *, before: Sequence[PictureTest], after: Sequence[NoParallaxTest]):
        self.before, self.after = before, after

    def look(self, video: Video) -> None:
        """DropError: a clip that is not worth its poses."""
        pictures = [grey(frame) for frame in video]
        for test in self.before:
            test(pictures)

    def look_again(self, video: Video, poses: RigPoses) -> None:
        """DropError, now that the poses are known."""
        pictures = [grey(frame) for frame in video]
        for test in self.after:
            test(poses, pictures)
