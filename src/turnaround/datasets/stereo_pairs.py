"""Rectified stereo pairs on disk, and the holes that the right eye has in what the left one sees."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from rich.console import Console
from torch import Tensor

from turnaround.datasets.depth_benchmarks import provenance
from turnaround.geometry.matching import require_rectified
from turnaround.geometry.semi_global import METHOD, estimated_disparity
from turnaround.geometry.stereo import hidden_from_left, view_of_disparity
from turnaround.io.disparity import read_disparity
from turnaround.io.image import has_alpha, read_image
from turnaround.render.elements import Edges
from turnaround.render.engine import forward_splat
from turnaround.types import InpaintItem, InputError, PartialVideo, StereoPair

LEFT, RIGHT, LEFT_DISPARITY, RIGHT_DISPARITY = "left.png", "right.png", "disparity_left.npy", "disparity_right.npy"
Estimate = Callable[[Float[Tensor, "3 h w"], Float[Tensor, "3 h w"]], Float[Tensor, "h w"]]  # of left and right


class StereoPairs:
    """ROOT/<item>/{left.png,right.png,disparity_left.npy,disparity_right.npy}: an `InpaintSource`.

    The left picture, warped by its disparity, is what is known of the right one, which is the truth. The right
    disparity may be missing: with it the holes are exactly what the left eye cannot see (a left-right check within
    `tolerance` pixels), and pixels of which that is not known are not counted; without it they are what the warp leaves
    open. A missing left disparity is estimated, and `sources` says so.

    edges: of the warp. most_vertical: pixels. Matched points tell whether a pair is rectified (the median of their
    vertical offsets, without sign, is at most this) and whether the eyes are swapped (the median horizontal offset is
    not below minus this). Pairs that are not are refused; where there are too few points nothing can be told.
    Pairs without a hole, or with nothing else, are dropped: `dropped` says which and why.
    """

    def __init__(self, *, root: str, edges: Edges, tolerance: float, most_vertical: float):
        self.root, self.edges, self.tolerance, self.most_vertical = Path(root), edges, tolerance, most_vertical

    def ids(self) -> Sequence[str]:
        """Those that can be scored; all are checked when this is first asked. InputError: a pair that is refused."""
        return self._sorted[0]

    @property
    def dropped(self) -> Mapping[str, str]:
        """id -> reason."""
        return self._sorted[1]

    def pair(self, id: str) -> StereoPair:
        return self._read(id)[0]

    def item(self, id: str) -> InpaintItem:
        return self._item(*self._read(id))

    def _read(self, id: str) -> tuple[StereoPair, dict[str, str]]:
        return read_pair(self.root, id, estimated_disparity)

    def _item(self, pair: StereoPair, sources: Mapping[str, str]) -> InpaintItem:
        view, right = view_of_disparity(pair.left, pair.disparity)
        warped = forward_splat(view, right, edges=self.edges)
        hole, open_, counted = warped.hole, warped.hole, torch.ones_like(warped.hole)
        if pair.right_disparity is not None:
            hole, counted = hidden_from_left(pair.disparity, pair.right_disparity, tolerance=self.tolerance)
            open_ = warped.hole | hole
        given = PartialVideo(
            video=torch.where(open_, 0, warped.image)[None],
            hole=open_[None],
            depth=torch.where(open_, torch.nan, warped.depth)[None],
            cameras=right,
        )
        way = "what the warp leaves open" if pair.right_disparity is None else "left-right check of both disparities"
        return InpaintItem(
            id=pair.id,
            given=given,
            truth=pair.right[None],
            hole=hole[None],
            counted=counted[None],
            sources={**sources, "hole": way},
        )

    @cached_property
    def _sorted(self) -> tuple[list[str], dict[str, str]]:
        there = pair_folders(self.root)
        dropped: dict[str, str] = {}
        for id in there:
            pair, sources = self._read(id)
            require_rectified(self.root / id, pair.left, pair.right, most_vertical=self.most_vertical)
            item = self._item(pair, sources)
            scored = int((item.hole & item.counted).sum())
            if scored == 0:
                dropped[id] = "no hole that is counted"
            elif bool(item.given.hole.all()):
                dropped[id] = "nothing but holes"
        if dropped:
            named = ", ".join(f"{id} ({reason})" for id, reason in dropped.items())
            Console(stderr=True).print(f"stereo pairs: {len(dropped)} of {len(there)} dropped: {named}", markup=False)
        kept = [id for id in there if id not in dropped]
        if not kept:
            found = f"{len(there)} without: {', '.join(f'{id}, {reason}' for id, reason in dropped.items())}"
            raise InputError(self.root, expected="pairs with holes", found=found, fix="give other pairs")
        return kept, dropped


def pair_folders(root: Path) -> list[str]:
    """Names of the folders below the root, sorted. InputError: none."""
    inside = sorted(root.iterdir()) if root.is_dir() else []
    there = [path.name for path in inside if path.is_dir() and not path.name.startswith(".")]
    if not there:
        expected = f"one folder per pair, with {LEFT} and {RIGHT}"
        raise InputError(root, expected=expected, found="none", fix="correct the root")
    return there


def read_pair(root: Path, id: str, estimate: Estimate) -> tuple[StereoPair, dict[str, str]]:
    """The pair, and where each part of it came from. estimate: gives a disparity that is missing."""
    folder = root / id
    paths = [folder / name for name in (LEFT, RIGHT, LEFT_DISPARITY, RIGHT_DISPARITY)]
    there = [path for path in paths if path.exists() or path in paths[:2]]
    left, right = (read_image(path) for path in paths[:2])
    if left.shape != right.shape:
        expected, found = (f"{size[2]} x {size[1]}" for size in (left.shape, right.shape))
        fix = "crop or scale both alike"
        raise InputError(paths[1], expected=f"{expected}, as {LEFT}", found=found, fix=fix)
    size = {"height": left.shape[1], "width": left.shape[2]}
    given = {path: read_disparity(path, **size) for path in there[2:]}
    sources = {"left": LEFT, "right": RIGHT, "disparity": LEFT_DISPARITY} | provenance(root, there).sources
    sources |= {path.stem: f"{path.name}, alpha dropped" for path in paths[:2] if has_alpha(path)}
    if paths[2] not in given:
        given[paths[2]] = estimate(left, right)
        sources["disparity"] = f"estimated ({METHOD})"
    disparity, right_disparity = given[paths[2]], given.get(paths[3])
    if right_disparity is not None:
        sources["right_disparity"] = RIGHT_DISPARITY
    pair = StereoPair(id=id, left=left, right=right, disparity=disparity, right_disparity=right_disparity)
    return pair, sources
