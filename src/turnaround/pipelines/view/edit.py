"""The path of a viewed orbit as a person changes it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from turnaround.geometry.key_frames import KeyFrames, frame_times
from turnaround.io.camera_path import FilmedPath
from turnaround.pipelines.orbit.stored import StoredScene
from turnaround.types import Pinhole


@dataclass(frozen=True, kw_only=True)
class Edit:
    """frames: of the video."""

    keys: KeyFrames
    frames: int

    @classmethod
    def of(cls, stored: StoredScene, *, key_frames: int) -> "Edit":
        """The orbit's own path, at about so many of its cameras; between them it may differ from what it was."""
        return cls(keys=KeyFrames.along(stored.path, key_frames, closed=stored.setting.closed), frames=len(stored.path))

    @cached_property
    def cameras(self) -> Pinhole:
        return self.keys.cameras(self.frames)

    def filmed(self, fps: float) -> FilmedPath:
        return FilmedPath(cameras=self.cameras, fps=fps, closed=self.keys.closed)

    def with_frames(self, frames: int) -> "Edit":
        return replace(self, frames=frames)

    def with_keys(self, changed: Callable[[KeyFrames], KeyFrames]) -> "Edit":
        return replace(self, keys=changed(self.keys))

    def time(self, frame: int) -> float:
        return float(frame_times(self.frames, closed=self.keys.closed)[frame])

    def frame(self, number: int) -> int:
        """The one nearest to key frame `number`."""
        times = frame_times(self.frames, closed=self.keys.closed)
        return int((times - self.keys.frames[number].time).abs().argmin())
