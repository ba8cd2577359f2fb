"""What an export is, and all of them at once: all or nothing."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from turnaround.io.atomic import STAGED, atomic_entries, remove_leftovers
from turnaround.pipelines.orbit.exports.contributions import Cloud, Contribution, cloud_of, contributions
from turnaround.pipelines.work import refuse_to_overwrite
from turnaround.render.cache import Surfaces
from turnaround.types import DepthKind, InputError, OrbitVideo, SceneCache


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What holds for an orbit as a whole.

    fps: of the videos. closed: whether the frame after the last is the first. kind: METRIC, or SCALE_INVARIANT where
    the unit of length is unknown. pivot: the world point that the path turns about. surfaces: as of the renderer.
    radius: of the ball around the pivot that holds the subject, infinite where the whole scene is shown.
    """

    fps: float
    closed: bool
    kind: DepthKind
    pivot: Float[Tensor, "3"]
    surfaces: Surfaces
    radius: float = math.inf

    def __post_init__(self):
        if self.kind not in (DepthKind.METRIC, DepthKind.SCALE_INVARIANT):
            found = f"{self.kind}, with an unknown shift"
            raise InputError("depth", expected="metric or scale_invariant", found=found, fix="use another depth net")


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A whole orbit, of which files are made; what several of them need is worked out once."""

    orbit: OrbitVideo
    cache: SceneCache
    setting: Setting

    @cached_property
    def contributions(self) -> Sequence[Contribution]:
        return list(contributions(self.cache, self.setting.surfaces.tolerance))

    @cached_property
    def cloud(self) -> Cloud:
        return cloud_of(self.contributions, self.setting.surfaces.edges)


class Export(ABC):
    """names: of the files it makes, and of its folders, which end in "/". pattern: what names of the files in those
    look like."""

    names: ClassVar[Sequence[str]]
    pattern: ClassVar[str] = "*.png"

    def require(self) -> None:
        """InputError: something that this machine lacks."""
        return

    @abstractmethod
    def write(self, out: Path, finished: Finished) -> None:
        """Makes all of `names` in the folder `out`, which holds nothing of those names."""


class Exports:
    """Several of them, each under a name of its own; None stands for one that is not wanted."""

    def __init__(self, *, files: Mapping[str, Export | None]):
        self.files = {name: export for name, export in files.items() if export is not None}
        names = self.names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError("exports", expected="each file made once", found=f"{twice[0]} twice", fix="leave one out")

    def with_file(self, name: str, export: Export) -> "Exports":
        """One more, written last."""
        return Exports(files={**self.files, name: export})

    @property
    def names(self) -> Sequence[str]:
        """Of all that is written."""
        return [name for export in self.files.values() for name in export.names]

    def require_apart(self, path: Path, out: Path) -> None:
        """Refuses an input that is, or lies in, what would be replaced, and what cannot be made on this machine."""
        for export in self.files.values():
            export.require()
        refuse_to_overwrite(path, out, self.names)

    def write(
        self,
        out: Path,
        orbit: OrbitVideo,
        cache: SceneCache,
        setting: Setting,
        *,
        told: Callable[[str], None] = lambda name: None,
    ) -> dict[str, float]:
        """All files appear in `out` together, or none does. told: called with an export's name before its work.

        Returns the seconds that each took.
        """
        for name in (*self.names, STAGED):
            remove_leftovers(out / name)
        patterns = {name: export.pattern for export in self.files.values() for name in export.names}
        finished, seconds = Finished(orbit=orbit, cache=cache, setting=setting), {}
        with atomic_entries(out, patterns) as staged:
            for name, export in self.files.items():
                told(name)
                started = perf_counter()
                export.write(staged, finished)
                seconds[name] = perf_counter() - started
        return seconds
