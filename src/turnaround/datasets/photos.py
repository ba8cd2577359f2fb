"""Pictures in a folder, without geometry."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from turnaround.datasets.cover import Cover
from turnaround.datasets.drops import Drops
from turnaround.io.existing import inside
from turnaround.io.image import has_alpha, read_image
from turnaround.io.video import IMAGE_SUFFIXES
from turnaround.types import Clip, InputError


class Photos:
    """All pictures below a folder, as clips of one frame of height x width (`Cover`): a `ClipSource`.

    An id is the path below the root. Pictures that cannot be read, or are smaller, are dropped when they are drawn.
    """

    def __init__(self, *, root: str, height: int, width: int):
        self.root, self.cover = Path(root), Cover(height=height, width=width)
        self.drops = Drops("photos")

    def ids(self) -> Sequence[str]:
        """InputError: none."""
        return self._names

    def clip(self, id: str) -> Clip:
        """DroppedError: it cannot serve."""
        with self.drops.named(id):
            path = inside(self.root, id, listed_in="photos")
            image = self.cover.cut(path, read_image(path))
            return Clip(id=id, video=image[None], sources={"video": f"{id}, alpha dropped" if has_alpha(path) else id})

    @cached_property
    def _names(self) -> list[str]:
        below = (path.relative_to(self.root) for path in self.root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        names = sorted(path.as_posix() for path in below if not any(part.startswith(".") for part in path.parts))
        if not names:
            expected = f"pictures ({' '.join(IMAGE_SUFFIXES)}) in the folder, or in those below"
            raise InputError(self.root, expected=expected, found="none", fix="correct the root")
        return names
