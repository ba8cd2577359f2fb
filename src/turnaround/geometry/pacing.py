"""Paths whose frames are spread so that none shows too much that the one before it did not."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool1d, max_pool1d, pad

from turnaround.geometry.key_frames import KeyFrame, KeyFrames
from turnaround.types import Pinhole

Steps = Float[Tensor, "n"]

HALVINGS = 60  # of an interval that a number is looked for in


def paced(cameras: Pinhole, new: Steps, *, closed: bool, share: float, fastest: float, gentle: float) -> Pinhole:
    """As many cameras on the same path, slower where much is new; `cameras` itself where nothing is to be done.

    new: the share of each camera's picture that the one before does not show, from the second camera on and, on a
    closed path, at last that of the first. share: the most that any should have. Where all the time of the path is not
    enough for that, what is too much is the same everywhere. fastest: how many times faster than before a path may get
    to make up for it. gentle: the share of the path over which its pace changes.
    """
    needed = _gentle(new.double() / share, round(gentle * len(new)), closed=closed)
    if float(new.amax()) <= share:
        return cameras
    ends = _spread(needed, 1 / fastest).cumsum(0) / len(new)
    times = torch.cat([ends.new_zeros(1), ends])[: len(cameras)].clamp(max=1.0)
    if not closed:
        times[-1] = 1.0
    keys = [KeyFrame(camera=cameras.at(frame), time=time) for frame, time in enumerate(times.tolist())]
    return KeyFrames(frames=keys, closed=closed).cameras(len(cameras))


def _spread(needed: Steps, least: float) -> Steps:
    """How many frames each step of a path takes, as many as there are steps together: what it needs, and the others as
    much of 1 as is left, but `least`; of what it needs a part, if there are not so many."""
    enough = float(needed.clamp(min=least).sum()) <= len(needed)
    taken = (lambda rest: needed.clamp(min=rest)) if enough else (lambda part: (part * needed).clamp(min=least))
    return taken(
        _rising(lambda value: float(taken(value).sum()), float(len(needed)), within=(least if enough else 0.0, 1.0))
    )


def _rising(function: Callable[[float], float], wanted: float, *, within: tuple[float, float]) -> float:
    """Where a rising function has a value, by halving."""
    low, high = within
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < wanted else (low, middle)
    return high


def _gentle(needed: Steps, reach: int, *, closed: bool) -> Steps:
    """At least as much everywhere, without sudden changes: the most nearby, then the mean nearby."""
    width = 2 * reach + 1
    around = pad(needed[None], (2 * reach, 2 * reach), mode="circular" if closed else "replicate")
    return avg_pool1d(max_pool1d(around, width, stride=1), width, stride=1)[0]


def frames_for(cameras: int, most: float, share: float) -> int:
    """About how many frames a path needs whose steps show up to `most` new, so that they show no more than `share`."""
    return math.ceil(cameras * most / share)
