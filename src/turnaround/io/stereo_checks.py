"""Whether two pictures are what two eyes saw of one scene."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.lenses import lens_rays
from turnaround.geometry.matching import ENOUGH, distinct_points, matched_points
from turnaround.types import InputError, Lens

TEXTURED = 64  # points per eye: with fewer nothing can be told
SIDEWAYS, UP = 0.2, 0.04  # of its width and height: as far apart an eye's points and the other's may lie
AGREEING = 0.5  # of the matched points that lie so; by chance about (2 SIDEWAYS) (2 UP) do
SAME_PIXELS, SAME_COLOUR = 0.3, 3 / 255  # compression moves points and changes colours by less; 9 of 10 points, a mean

Eyes = tuple[Float[Tensor, "3 h w"], Float[Tensor, "3 h w"]]


class Finding(Enum):
    UNTEXTURED = 0
    ONE_SCENE = 1
    SAME_PICTURE = 2
    UNRELATED = 3


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a pair of pictures says: a verdict, and the matched points that speak for one scene."""

    finding: Finding
    left: Float[Tensor, "n 2"]
    right: Float[Tensor, "n 2"]


def look(left: Float[Tensor, "3 h w"], right: Float[Tensor, "3 h w"]) -> Look:
    height, width = left.shape[1:]
    if min(distinct_points(left), distinct_points(right)) < TEXTURED:
        return Look(finding=Finding.UNTEXTURED, left=torch.zeros(0, 2), right=torch.zeros(0, 2))
    first, second = matched_points(left, right)
    offsets = (first - second).abs()
    near = (offsets[:, 0] <= SIDEWAYS * width) & (offsets[:, 1] <= UP * height)
    if int(near.sum()) < ENOUGH or float(near.float().mean()) < AGREEING:
        finding = Finding.UNRELATED
    elif float(offsets.amax(1).quantile(0.9)) < SAME_PIXELS and float((left - right).abs().mean()) < SAME_COLOUR:
        finding = Finding.SAME_PICTURE
    else:
        finding = Finding.ONE_SCENE
    return Look(finding=finding, left=first[near], right=second[near])


def show_one_scene(looks: Sequence[Look]) -> bool:
    """Whether most that can be told of say so; also where nothing can be told."""
    told = [each.finding for each in looks if each.finding is not Finding.UNTEXTURED]
    return 2 * sum(finding is not Finding.UNRELATED for finding in told) >= len(told)


def require_stereo(subject: object, looks: Sequence[Look], lenses: tuple[Lens, Lens], *, crossed_deg: float) -> None:
    """InputError: pictures without a relation, twice the same, or with the eyes swapped."""
    told = [each.finding for each in looks if each.finding is not Finding.UNTEXTURED]
    expected = "what two eyes saw of one scene"
    if not show_one_scene(looks):
        found = f"halves that do not match in {told.count(Finding.UNRELATED)} of {len(told)} frames looked at"
        raise InputError(subject, expected=expected, found=found, fix="it may be mono: leave it out, or set stereo")
    if told and all(finding is Finding.SAME_PICTURE for finding in told):
        found = "a mono video: both eyes show the same picture"
        raise InputError(subject, expected=expected, found=found, fix="leave it out")
    crossed = crossed_degrees(looks, lenses)
    if crossed > crossed_deg:
        raise InputError(
            subject,
            expected="points further left in the right eye's picture",
            found=f"them {crossed:.2g} degrees further right",
            fix="set stereo.swapped=true, or turn it off if it is set",
        )


def crossed_degrees(looks: Iterable[Look], lenses: tuple[Lens, Lens]) -> float:
    """By how much further right the right eye sees matched points; 0 where too few were matched.

    It is the median. Where most of a scene is far away that is about 0, whichever eye is whose, and what is near makes
    a tail on one side, which a rig whose eyes do not look quite the same way does not change: where the tail shows
    things further right, twice the middle of the 5 and the 95 percentile counts if that is more.
    """
    yaws = []
    for each in looks:
        left, right = (lens_rays(lens, p.double()) for lens, p in zip(lenses, (each.left, each.right), strict=True))
        yaws.append(torch.atan2(right[:, 0], right[:, 2]) - torch.atan2(left[:, 0], left[:, 2]))
    found = torch.cat(yaws).rad2deg() if yaws else torch.zeros(0)
    found = found[found.isfinite()]
    if len(found) < ENOUGH:
        return 0.0
    low, median, high = (float(found.quantile(share)) for share in (0.05, 0.5, 0.95))
    return max(median, low + high) if high - median > median - low else median
