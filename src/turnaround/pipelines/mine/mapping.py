"""What structure from motion is to do: which pictures are matched and mapped, and how."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

TASK = "task.json"
EYES = ("rig1/camera1", "rig1/camera2")  # COLMAP's layout of rigs: pictures of one name were taken at once


@dataclass(frozen=True, kw_only=True)
class Mapping3D:
    """How features are found, matched and mapped.

    features: most of a picture. contrast: the least a feature stands out, COLMAP's peak threshold. octave: that SIFT
    starts with; -1 doubles the picture. key_frames: most frames that are mapped, evenly spaced; the others are placed
    in their map. strides: key frames apart whose pictures are matched, all eyes with all. loops: pairs of key frames
    half and a third of the clip apart that are matched too. pixels: largest distance between where a point is seen and
    where it projects to. parallax_deg: least angle between the rays that make a point. least_seen: least points a frame
    is placed by.
    """

    features: int
    contrast: float
    octave: int
    key_frames: int
    strides: Sequence[int]
    loops: int
    pixels: float
    spread: float
    parallax_deg: float
    least_seen: int


@dataclass(frozen=True, kw_only=True)
class Task:
    """model and parameters: COLMAP's of the lens. The pictures are `rig1/camera1/00000.png` and on, left eye first."""

    frames: int
    model: str
    parameters: Sequence[float]
    baseline: float
    seed: int
    mapping: Mapping3D

    def write(self, folder: Path) -> None:
        (folder / TASK).write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> "Task":
        held = json.loads((folder / TASK).read_text())
        return cls(**{**held, "mapping": Mapping3D(**held["mapping"])})

    @property
    def keys(self) -> list[int]:
        """Numbers of the key frames, first and last included."""
        count = min(self.frames, self.mapping.key_frames)
        return sorted({round(float(place)) for place in np.linspace(0, self.frames - 1, count)})


def picture_name(eye: int, frame: int) -> str:
    return f"{EYES[eye]}/{frame:05d}.png"


def pairs(task: Task) -> Iterator[tuple[str, str]]:
    """Pictures to match: the eyes of each frame, key frames at all strides, the others with the key frames around."""
    keys, both = task.keys, [(0, 0), (1, 1), (0, 1), (1, 0)]
    yield from ((picture_name(0, frame), picture_name(1, frame)) for frame in range(task.frames))
    strides = {*task.mapping.strides}
    far = [(start, start + len(keys) // part) for part in (2, 3) for start in range(len(keys) - len(keys) // part)]
    chosen = {far[n * len(far) // task.mapping.loops] for n in range(task.mapping.loops)} if far else set()
    near = {(n, n + stride) for stride in strides for n in range(len(keys) - stride)}
    for first, second in sorted(near | {(a, b) for a, b in chosen if b > a}):
        yield from ((picture_name(a, keys[first]), picture_name(b, keys[second])) for a, b in both)
    after = np.searchsorted(keys, np.arange(task.frames))
    for frame in sorted(set(range(task.frames)) - set(keys)):
        for key in (keys[after[frame] - 1], keys[after[frame]]):
            yield from ((picture_name(eye, frame), picture_name(eye, key)) for eye in (0, 1))
