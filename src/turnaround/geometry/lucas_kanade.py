"""Points followed by pyramidal Lucas-Kanade from frame to frame, and held to what they showed at first."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.patches import patches, resemblance, texture
from turnaround.geometry.projection import in_image
from turnaround.types import InputError, PixelTracks, Video

Places = Float[Tensor, "n 2"]
STEPS, SETTLED = 10, 0.03  # most iterations of a search, and the step in pixels at which it ends
FLAT = 1e-5  # OpenCV's least eigenvalue, far below what `texture` asks for


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a point is no longer seen.

    round_trip: pixels by which a step onwards and back, or a step with the narrow window, may miss.
    resemblance: least of `patches.resemblance` to the first frame's patch.
    texture: least change in grey levels per pixel in any direction, where the point starts; a place with less shows
    nothing that can be followed. roundness: least share of that in the change in the direction of most; along an edge
    a point slides unseen.
    """

    round_trip: float
    resemblance: float
    texture: float
    roundness: float


@dataclass(frozen=True, kw_only=True)
class LucasKanade:
    """A `PointTracker` that learned nothing: colour, sub-pixel precise, onwards and back from the query frame.

    Each step searches from the frame before (window x window pixels, over `levels` halvings of the picture). Small
    errors of steps would add up to drift, so each is followed by a search from the query frame's own patch (anchor x
    anchor pixels), which is taken if it ends within `reach` pixels and looks more like that patch. A window of narrow x
    narrow pixels has to agree with each step, and is what is compared with the first patch.

    A point that is lost stays lost: it does not come back after it was hidden. Its pixels stay at its last place.
    Where two surfaces meet within half a window, it follows the one with more contrast: leave such queries out.
    """

    window: int
    narrow: int
    levels: int
    anchor: int
    reach: float
    limits: Limits
    name = "lucas_kanade"
    weights = ()

    def fingerprint(self) -> str:
        return repr((self, cv2.__version__))

    def track(self, video: Video, frame: int, pixels: Places) -> PixelTracks:
        """InputError: a frame that is not there, or pixels outside of the picture."""
        if not 0 <= frame < len(video):
            found, fix = f"{frame} of {len(video)}", "correct the query"
            raise InputError("query frame", expected="one of the video's", found=found, fix=fix)
        if not in_image(pixels, *video.shape[2:]).all():
            expected, fix = "places in the picture", "leave the others out"
            raise InputError("query pixels", expected=expected, found="others", fix=fix)
        frames = [np.ascontiguousarray(p.mul(255).round().byte().permute(1, 2, 0).numpy()) for p in video]
        onwards, seen_onwards = self._followed(frames[frame:], pixels)
        back, seen_back = self._followed(frames[frame::-1], pixels)
        return PixelTracks(
            pixels=torch.cat([back.flip(0)[:-1], onwards]),
            visible=torch.cat([seen_back.flip(0)[:-1], seen_onwards]),
            query=torch.full((len(pixels),), frame),
        )

    def _followed(
        self, frames: Sequence[np.ndarray], start: Places
    ) -> tuple[Float[Tensor, "t n 2"], Bool[Tensor, "t n"]]:
        """From the first of the frames, in which all are seen."""
        start = start.float()
        places = start.repeat(len(frames), 1, 1)
        seen = torch.zeros(len(frames), len(start), dtype=torch.bool)
        seen[0] = True
        first = _levels(frames[0])
        least, most = texture(first, start, self.window)
        alive = ((least >= self.limits.texture) & (least >= self.limits.roundness * most)).nonzero().squeeze(1)
        shown = patches(first, start, self.narrow)
        for number in range(1, len(frames)):
            if len(alive) == 0:
                break
            before, now = frames[number - 1], frames[number]
            place, kept = self._stepped(before, now, places[number - 1, alive])
            place, alike = self._anchored(frames[0], now, start[alive], shown[:, alive], place)
            kept &= (alike >= self.limits.resemblance) & in_image(place, *now.shape[:2])
            places[number:, alive] = place  # those that are lost here stay
            alive = alive[kept]
            seen[number, alive] = True
        return places, seen

    def _stepped(self, before: np.ndarray, now: np.ndarray, places: Places) -> tuple[Places, Bool[Tensor, "n"]]:
        """One frame on, and whether the way back and a narrower window say the same."""
        place, found = _search(before, now, places, places, self.window, self.levels)
        back, found_back = _search(now, before, place, place, self.window, self.levels)
        close, found_close = _search(before, now, places, place, self.narrow, 0)
        miss = torch.maximum((back - places).norm(dim=-1), (close - place).norm(dim=-1))
        return place, found & found_back & found_close & (miss < self.limits.round_trip)

    def _anchored(
        self, first: np.ndarray, now: np.ndarray, start: Places, shown: Float[Tensor, "c n k"], place: Places
    ) -> tuple[Places, Float[Tensor, "n"]]:
        """The place that looks most like the query's patch, of the chained one and the one found from the query."""
        direct, found = _search(first, now, start, place, self.anchor, 1)
        values = _levels(now)
        alike = resemblance(shown, patches(values, place, self.narrow))
        direct_alike = resemblance(shown, patches(values, direct, self.narrow))
        better = found & ((direct - place).norm(dim=-1) < self.reach) & (direct_alike > alike)
        return torch.where(better[:, None], direct, place), torch.where(better, direct_alike, alike)


def _levels(frame: np.ndarray) -> Float[Tensor, "3 h w"]:
    """Grey levels, 0 to 255."""
    return torch.from_numpy(frame).permute(2, 0, 1).float()


def _search(
    source: np.ndarray, target: np.ndarray, places: Places, guess: Places, window: int, levels: int
) -> tuple[Places, Bool[Tensor, "n"]]:
    """Where in `target` the patches of `source` are. OpenCV counts pixel centres in whole numbers."""
    found, status, _ = cv2.calcOpticalFlowPyrLK(
        source,
        target,
        (places - 0.5).numpy(),
        (guess - 0.5).numpy(),
        winSize=(window, window),
        maxLevel=levels,
        criteria=(cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, STEPS, SETTLED),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        minEigThreshold=FLAT,
    )
    return torch.from_numpy(found) + 0.5, torch.from_numpy(status[:, 0]).bool()
