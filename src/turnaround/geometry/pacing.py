"""Times of a path that are spread so that no frame shows too much that the one before it did not."""

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool1d, max_pool1d, pad

from turnaround.geometry.easing import Curve

Steps = Float[Tensor, "n"]

HALVINGS = 60  # of an interval that a number is looked for in


def paced(times: Curve, new: Steps, *, closed: bool, share: float, fastest: float, gentle: float) -> Curve:
    """As many times, slower where much is new; `times` itself where nothing is to be done.

    times: of each frame on its path, rising, in [0, 1]. new: the share of each frame that the one before does not show,
    from the second frame on and, on a closed path, at last that of the first. share: the most that any should have.
    Where all the time of the path is not enough for that, what is too much is the same everywhere. fastest: how many
    times faster than before a path may get to make up for it. gentle: the share of the path before and after a slow
    part over which the pace changes, at most; less where it would take time that is needed.
    """
    if float(new.amax()) <= share:
        return times
    needed = _gentle(new.double() / share, round(gentle * len(new)), 1 / fastest, closed=closed)
    ends = np.concatenate([[0.0], _spread(needed, 1 / fastest).cumsum(0).numpy()])
    ends[-1] = len(new)  # without the roundings
    known = np.append(times.numpy(), 1.0) if closed else times.numpy()
    before = np.interp(np.arange(len(times)), ends, np.arange(len(known)))
    return torch.from_numpy(np.interp(before, np.arange(len(known)), known))


def _spread(needed: Steps, least: float) -> Steps:
    """How many frames each step of a path takes, as many as there are steps together: what it needs, and the others as
    much of 1 as is left, but `least`; of what it needs a part, if there are not so many."""
    count = float(len(needed))
    if float(needed.clamp(min=least).sum()) <= count:
        return needed.clamp(min=_rising(lambda rest: float(needed.clamp(min=rest).sum()), count, low=least))
    part = _rising(lambda part: float((part * needed).clamp(min=least).sum()), count, low=0.0)
    return (part * needed).clamp(min=least)


def _rising(function: Callable[[float], float], wanted: float, *, low: float) -> float:
    """Where, from `low` to 1, a rising function has a value, by halving."""
    high = 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < wanted else (low, middle)
    return high


def _gentle(needed: Steps, reach: int, least: float, *, closed: bool) -> Steps:
    """At least as much everywhere, without sudden changes: the most nearby, then the mean nearby. reach: steps, less
    where that takes more than there are."""
    while reach:
        width = 2 * reach + 1
        around = pad(needed[None], (2 * reach, 2 * reach), mode="circular" if closed else "replicate")
        smooth = avg_pool1d(max_pool1d(around, width, stride=1), width, stride=1)[0]
        if float(smooth.clamp(min=least).sum()) <= len(needed):
            return smooth
        reach //= 2
    return needed


def frames_for(frames: int, most: float, share: float) -> int:
    """About how many frames a path needs whose steps show up to `most` new, so that they show no more than `share`."""
    return math.ceil(frames * most / share)
