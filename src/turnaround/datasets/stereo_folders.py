"""Folders of rectified stereo pairs, for training."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from turnaround.datasets.drops import Drops
from turnaround.datasets.kept import digest, kept
from turnaround.datasets.stereo_pairs import pair_folders, read_pair
from turnaround.geometry.matching import require_rectified
from turnaround.geometry.semi_global import METHOD, estimated_disparity
from turnaround.types import StereoPair


class StereoFolders:
    """The layout of `StereoPairs`, thousands of folders long: a `StereoSource`.

    A pair is checked when it is first asked for, and not before: those that cannot be read, are not rectified or have
    their eyes swapped (most_vertical, as of `StereoPairs`) are dropped. A missing disparity is estimated, once: it is
    kept below `cache`, named after the pictures.
    """

    def __init__(self, *, root: str, most_vertical: float, cache: str):
        self.root, self.most_vertical, self.cache = Path(root), most_vertical, Path(cache)
        self.drops, self._checked = Drops("stereo pairs"), set[str]()

    def ids(self) -> Sequence[str]:
        """All folders. InputError: none."""
        return self._folders

    def pair(self, id: str) -> StereoPair:
        """DroppedError: it cannot serve."""
        with self.drops.named(id):
            pair, _ = read_pair(self.root, id, self._estimate)
            if id not in self._checked:
                require_rectified(self.root / id, pair.left, pair.right, most_vertical=self.most_vertical)
                self._checked.add(id)
        return pair

    @cached_property
    def _folders(self) -> list[str]:
        return pair_folders(self.root)

    def _estimate(self, left, right):
        decides = [METHOD, digest(left, right)]
        return kept(self.cache, decides, lambda: {"disparity": estimated_disparity(left, right)})["disparity"]
