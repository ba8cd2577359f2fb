"""Long videos in windows that overlap, brought to one scale and joined in constant memory."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.diffusion.placing import require_overlap
from turnaround.diffusion.store import EstimatedWindow
from turnaround.geometry.synchronize import Overlaps, synchronize_affine

T = TypeVar("T")
SAMPLES = 512  # places at which two windows are compared


def windows(items: Iterable[T], length: int, overlap: int) -> Iterator[tuple[list[T], int]]:
    """Windows of `length` items and how many of each were in the window before.

    The last window ends with the last item and is as long as the others (unless there are fewer items in all), so
    that its new items get as much context as any; it therefore overlaps more.
    """
    require_overlap(length, overlap)
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


def synchronize(stored: Iterable[EstimatedWindow]) -> Float[Tensor, "n 2"]:
    """Scale and shift of each window, from the frames that any two of one shot share, all at once."""
    earlier: deque[tuple[int, EstimatedWindow]] = deque()
    pairs: list[tuple[int, int, Tensor, Tensor]] = []
    number = -1
    for number, window in enumerate(stored):
        earlier = deque((n, e) for n, e in earlier if window.seen and e.start + len(e.maps) > window.start)
        for n, before in earlier:
            shared = before.start + len(before.maps) - window.start
            pairs.append((n, number, _sample(before.maps[-shared:]), _sample(window.maps[:shared])))
        earlier.append((number, window))
    scale, shift = synchronize_affine(number + 1, _stacked(pairs))
    return torch.stack([scale, shift], dim=1)


def join(
    stored: Iterable[EstimatedWindow], affine: Float[Tensor, "n 2"], *, overlap: int
) -> Iterator[Float[Tensor, "h w"]]:
    """One map per frame, in order: each window in its scale and shift, the last `overlap` shared frames blended."""
    held: Tensor | None = None
    for window, (scale, shift) in zip(stored, affine.tolist(), strict=True):
        maps = scale * window.maps + shift
        if held is not None and window.seen:
            maps = _continue(held[-window.seen :], maps, overlap)
        elif held is not None:  # a new shot
            yield from held[max(len(held) - overlap, 0) :]
        yield from maps[max(window.seen - overlap, 0) : max(len(maps) - overlap, 0)]
        held = maps
    if held is not None:
        yield from held[max(len(held) - overlap, 0) :]


def _continue(before: Float[Tensor, "seen h w"], maps: Float[Tensor, "n h w"], overlap: int) -> Float[Tensor, "n h w"]:
    """`maps` after `before`, which shows the same first frames; the last `overlap` of those are blended."""
    seen = len(before)
    weight = torch.arange(1, overlap + 1, dtype=maps.dtype)[:, None, None] / (overlap + 1)
    blended = before[seen - overlap :] + weight * (maps[seen - overlap : seen] - before[seen - overlap :])
    return torch.cat([before[: seen - overlap], blended, maps[seen:]])


def _sample(maps: Float[Tensor, "n h w"]) -> Float[Tensor, " p"]:
    return maps.flatten()[torch.linspace(0, maps.numel() - 1, SAMPLES, dtype=torch.float64).long()]


def _stacked(pairs: list[tuple[int, int, Tensor, Tensor]]) -> Overlaps:
    first, second = torch.tensor([(n, m) for n, m, _, _ in pairs], dtype=torch.long).view(-1, 2).unbind(1)
    values = torch.stack([torch.stack(pair) for _, _, *pair in pairs]) if pairs else torch.empty(0, 2, SAMPLES)
    return Overlaps(first=first, second=second, first_values=values[:, 0], second_values=values[:, 1])
