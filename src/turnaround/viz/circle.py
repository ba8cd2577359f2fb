"""Which share of the picture was seen, stretched or invented, by where the camera stands on its way around."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.types import InputError
from turnaround.viz.provenance import COLORS

SIZE, INNER, OUTER = 400.0, 62.0, 142.0  # of the ring, in units of the drawing
BIN = 5.0  # degrees; frames that are nearer to each other share a wedge
WIDEST = 15.0  # degrees from a frame to the edge of its wedge, at most
WORDS = ("seen", "stretched", "invented")
SIDES = ("from the front", "from the right", "from behind", "from the left")


@dataclass(frozen=True, kw_only=True)
class AroundTheCircle:
    """For each frame, where its camera stands and what its pixels are.

    degrees: around what is looked at, seen from above; 0 at the photo, positive to the photo's right. shares: of
    observed, propagated and generated pixels (`provenance.around`); each row adds up to 1.
    """

    degrees: Float[Tensor, "n"]
    shares: Float[Tensor, "n 3"]

    def __post_init__(self) -> None:
        if not len(self.degrees) or not self.degrees.isfinite().all():
            raise InputError("degrees", expected="one finite angle per frame", found="others", fix="check the path")
        totals = self.shares.sum(1)
        if not torch.allclose(totals, torch.ones_like(totals), atol=1e-3):
            raise InputError("shares", expected="rows that add up to 1", found="others", fix="check the labels")

    def quarters(self) -> dict[str, Float[Tensor, "3"]]:
        """The mean shares of the frames in each quarter that the camera visits; the front reaches from -45 to 45."""
        quarter = ((self.degrees + 45) % 360 / 90).long().clamp(max=3)
        means = {side: self._mean(quarter == number) for number, side in enumerate(SIDES)}
        return {side: mean for side, mean in means.items() if mean is not None}

    def whole(self) -> Float[Tensor, "3"]:
        return self.shares.mean(0)

    def is_closed(self) -> bool:
        """Whether the wedges leave no gap."""
        return sum(end - start for start, end, _ in self.wedges()) > 360 - BIN

    def _mean(self, chosen: Bool[Tensor, "n"]) -> Float[Tensor, "3"] | None:
        return self.shares[chosen].mean(0) if chosen.any() else None

    def wedges(self) -> Iterator[tuple[float, float, list[float]]]:
        """Parts of the circle in order, from and to in degrees, with their shares; none where no camera stood."""
        turn = self.degrees.double() % 360
        turn[turn >= 360] = 0  # what is below 0 by rounding alone
        bins = (turn / BIN).long()
        places = [(float(turn[bins == b].mean()), self.shares[bins == b].mean(0)) for b in bins.unique()]
        for index, (place, shares) in enumerate(places):
            before = ((place - places[index - 1][0]) % 360 or 360.0) / 2
            after = ((places[(index + 1) % len(places)][0] - place) % 360 or 360.0) / 2
            yield place - _reach(before, after), place + _reach(after, before), shares.tolist()


def _reach(half: float, other: float) -> float:
    """Degrees to the edge of a wedge: half way to the next one, or at the end of a path as far as to the other side."""
    return half if half <= WIDEST else min(other, WIDEST)


def percent(share: float) -> str:
    """Whole percent; 0 % and 100 % are said only where they are exact."""
    if 0 < share < 0.01:
        return "below 1 %"
    return "over 99 %" if 0.99 < share < 1 else f"{100 * share:.0f} %"


def in_words(around: AroundTheCircle) -> str:
    """The ring for those who do not see it."""
    parts = [f"{side}: {_listed(shares.tolist())}" for side, shares in around.quarters().items()]
    return f"Mean over all frames: {_listed(around.whole().tolist())}. By side, {'; '.join(parts)}."


def _listed(shares: Sequence[float]) -> str:
    return ", ".join(f"{percent(share)} {word}" for share, word in zip(shares, WORDS, strict=True))


def ring(around: AroundTheCircle) -> str:
    """An SVG: the way around as seen from above, the photo at the bottom; areas are in proportion to the shares."""
    wedges = "".join(
        f'<path d="{_sector(start, end, low, high)}" fill="{color}" stroke="{color}" stroke-width=".4"/>'
        for start, end, shares in around.wedges()
        for low, high, color in _bands(shares)
    )
    seen = percent(float(around.whole()[0]))
    return (
        f'<svg class="ring" viewBox="0 0 {SIZE:.0f} {SIZE:.0f}" role="img" aria-labelledby="ring-title ring-words">'
        f'<title id="ring-title">The way around, as seen from above</title>'
        f'<desc id="ring-words">{in_words(around)}</desc>'
        f'<circle class="track" cx="{SIZE / 2}" cy="{SIZE / 2}" r="{(INNER + OUTER) / 2}" '
        f'stroke-width="{OUTER - INNER}"/>{wedges}{_labels()}'
        f'<text class="share" x="{SIZE / 2}" y="{SIZE / 2 + 4}">{seen}</text>'
        f'<text x="{SIZE / 2}" y="{SIZE / 2 + 24}">seen in all</text></svg>'
    )


def _bands(shares: Sequence[float]) -> Iterator[tuple[float, float, str]]:
    """Inner and outer radius and colour of each share, from the middle outwards; an area, not a length, is a share."""
    total = 0.0
    for share, color in zip(shares, COLORS, strict=True):
        if share > 0:
            yield _radius(total), _radius(total + share), color
        total += share


def _radius(share: float) -> float:
    return math.sqrt(INNER**2 + min(share, 1.0) * (OUTER**2 - INNER**2))


def _sector(start: float, end: float, low: float, high: float) -> str:
    """A piece of a ring of at most 30 degrees as the data of an SVG path."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = _at(start, low), _at(start, high), _at(end, high), _at(end, low)
    return (
        f"M{ax:.1f} {ay:.1f}L{bx:.1f} {by:.1f}A{high:.1f} {high:.1f} 0 0 0 {cx:.1f} {cy:.1f}"
        f"L{dx:.1f} {dy:.1f}A{low:.1f} {low:.1f} 0 0 1 {ax:.1f} {ay:.1f}Z"
    )


def _at(degrees: float, radius: float) -> tuple[float, float]:
    """Seen from above with the photo's camera at the bottom, whose right is the drawing's right."""
    angle = math.radians(degrees)
    return SIZE / 2 + radius * math.sin(angle), SIZE / 2 + radius * math.cos(angle)


def _labels() -> str:
    named = ((0.0, "your photo"), (90.0, "right"), (180.0, "behind"), (270.0, "left"))
    texts = []
    for degrees, name in named:
        (ax, ay), (bx, by), (x, y) = _at(degrees, OUTER + 3), _at(degrees, OUTER + 10), _at(degrees, OUTER + 30)
        texts.append(
            f'<path class="tick" d="M{ax:.1f} {ay:.1f}L{bx:.1f} {by:.1f}"/>'
            f'<text x="{x:.1f}" y="{y - 3:.1f}">{degrees:.0f}°</text><text x="{x:.1f}" y="{y + 13:.1f}">{name}</text>'
        )
    return "".join(texts)
