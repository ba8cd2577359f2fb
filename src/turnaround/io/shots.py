"""Where a video is cut."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float
from scenedetect.common import FrameTimecode
from scenedetect.detectors import AdaptiveDetector
from torch import Tensor

Frames = Iterable[Float[Tensor, "3 h w"]]


@dataclass(frozen=True, kw_only=True)
class ShotCuts:
    """Cuts by PySceneDetect's adaptive detector: a change of colour that stands out from those before and after it.

    least: change of hue, saturation and brightness in the mean, of 255, below which nothing is a cut. ratio: how many
    times the mean change of the `around` frames on either side it must be, so that fast motion is none.
    """

    least: float
    ratio: float
    around: int

    def label(self, frames: Frames) -> Iterator[tuple[Float[Tensor, "3 h w"], int]]:
        """Each frame with the number of its shot, `around` frames later."""
        detector = AdaptiveDetector(
            adaptive_threshold=self.ratio,
            min_scene_len=1,
            window_width=self.around,
            min_content_val=self.least,
        )
        held: list[Tensor] = []
        cuts: set[int] = set()
        shot = given = 0

        def give(count: int) -> Iterator[tuple[Tensor, int]]:
            nonlocal shot, given
            for frame in held[:count]:
                shot += given in cuts
                cuts.discard(given)
                yield frame, shot
                given += 1
            del held[:count]

        for number, frame in enumerate(frames):
            picture = cv2.cvtColor((frame.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8), cv2.COLOR_RGB2BGR)
            cuts.update(cut.frame_num for cut in detector.process_frame(FrameTimecode(number, fps=25.0), picture))
            held.append(frame)
            yield from give(max(len(held) - self.around, 0))
        yield from give(len(held))


@dataclass(frozen=True, kw_only=True)
class OneShot:
    """Takes the video for one shot."""

    def label(self, frames: Frames) -> Iterator[tuple[Float[Tensor, "3 h w"], int]]:
        return ((frame, 0) for frame in frames)
