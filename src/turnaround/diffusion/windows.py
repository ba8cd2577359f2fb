"""Long videos in windows that overlap, joined as they come, in constant memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.align import fit_affine_robust
from turnaround.types import InputError

T = TypeVar("T")
Maps = Float[Tensor, "n h w"]


def windows(items: Iterable[T], length: int, overlap: int) -> Iterator[tuple[list[T], int]]:
    """Windows of `length` items and how many of each were in the window before.

    The last window ends with the last item and is as long as the others (unless there are fewer items in all), so
    that its new items get as much context as any; it therefore overlaps more.
    """
    if not 0 <= overlap < length:
        fix = "give a longer window or less overlap"
        raise InputError("overlap", expected=f"0 to window - 1 = {length - 1}", found=str(overlap), fix=fix)
    held: deque[T] = deque(maxlen=length)
    new = 0
    first = True
    for item in items:
        held.append(item)
        new += 1
        if new == (length if first else length - overlap):
            yield list(held), len(held) - new
            new, first = 0, False
    if new:
        yield list(held), len(held) - new


def join(
    batches: Iterable[tuple[list[Tensor], int]], estimate: Callable[[list[Tensor], int], Maps], *, overlap: int
) -> Iterator[Float[Tensor, "h w"]]:
    """One map per item, in order: each window's maps are brought to the scale and shift of those before, then blended.

    estimate: gives the maps of a window's items, and is told the number of the first. The last `overlap` maps are held
    back until the next window has had its say.
    """
    held: Tensor | None = None
    number = 0
    for items, seen in batches:
        number -= seen
        maps = estimate(items, number)
        number += len(items)
        ready = _continue(held[-seen:], maps, overlap) if held is not None and seen else maps
        yield from ready[max(seen - overlap, 0) : max(len(ready) - overlap, 0)]
        held = ready
    if held is not None:
        yield from held[max(len(held) - overlap, 0) :]


def _continue(before: Float[Tensor, "seen h w"], maps: Maps, overlap: int) -> Maps:
    """`maps` in the scale of `before`, which shows the same first frames; the last `overlap` of those are blended."""
    seen = len(before)
    scale, shift = fit_affine_robust(maps[:seen], before, torch.ones_like(before, dtype=torch.bool))
    joined = scale * maps + shift
    weight = torch.arange(1, overlap + 1, dtype=maps.dtype, device=maps.device)[:, None, None] / (overlap + 1)
    blended = before[seen - overlap :] + weight * (joined[seen - overlap : seen] - before[seen - overlap :])
    return torch.cat([before[: seen - overlap], blended, joined[seen:]])
