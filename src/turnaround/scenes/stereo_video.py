"""Stereo videos of procedural worlds as VR180 cameras film them, with their faults; all that is true of them is known.

A video is a row of segments with hard cuts between them. Pictures are rendered when they are asked for.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.io.atomic import atomic_file
from turnaround.io.spherical import mark_half_spheres
from turnaround.io.video import VideoWriter
from turnaround.scenes.observe import color_of_corners
from turnaround.scenes.world import Scene
from turnaround.types import Shot

Eyes = Float[Tensor, "2 3 h w"]  # the left one first

LETTERS = (0.32, 0.08)  # most of a picture's width that the widest line takes (58 degrees), and of its height one line


class Kind(StrEnum):
    """What a segment is to those who look for motion in stereo."""

    GOOD = "good"
    STILL = "still"  # a photo, shown for a while
    FADE = "fade"  # one shot turns into another
    TEXT = "text"  # large letters over a picture
    NO_PARALLAX = "no_parallax"  # the camera does not travel and all is far away


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """How one eye's colours (x, in [0, 1]) differ from the other's: gain * x * (1 + curve * (1 - x)) + offset, cut off
    at 0 and 1. The curve stands for a gamma: it brightens the middle tones where positive, and rounds the same
    everywhere."""

    gain: float
    offset: float
    curve: float

    def __call__(self, image: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
        return (self.gain * image * (1 + self.curve * (1 - image)) + self.offset).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class Rig:
    """Two eyes that hold still to each other. left_from_right: its translation is as long as the baseline (metres).
    right: what sets the right eye's colours off."""

    left_from_right: Float[Tensor, "4 4"]
    right: Exposure

    @property
    def baseline(self) -> float:
        return float(self.left_from_right[:3, 3].norm())

    def right_eye(self, left: Scene) -> Scene:
        camera = replace(left.camera, world_from_cam=left.camera.world_from_cam @ self.left_from_right)
        return replace(left, camera=camera)


@dataclass(frozen=True, kw_only=True)
class Segment(ABC):
    """Frames between two cuts."""

    kind: Kind

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def eyes(self, rig: Rig, frame: int) -> Eyes:
        """The half spheres of one frame, RGB in [0, 1]."""

    def film(self, rig: Rig) -> Iterator[Eyes]:
        """All frames, one at a time."""
        return (self.eyes(rig, frame) for frame in range(len(self)))


@dataclass(frozen=True, kw_only=True)
class Filmed(Segment):
    """scene: as the left eye's half spheres see it."""

    scene: Scene

    def __len__(self) -> int:
        return len(self.scene.camera)

    def eyes(self, rig: Rig, frame: int) -> Eyes:
        right = rig.right(color_of_corners(rig.right_eye(self.scene), frame))
        return torch.stack([color_of_corners(self.scene, frame), right])


@dataclass(frozen=True, kw_only=True)
class Held(Filmed):
    """A scene in which nothing moves, not even the camera: made once, and the same bytes in each frame."""

    def film(self, rig: Rig) -> Iterator[Eyes]:
        eyes = self.eyes(rig, 0)
        return (eyes for _ in range(len(self)))


@dataclass(frozen=True, kw_only=True)
class Plain(Segment):
    """One colour."""

    color: Float[Tensor, "3"]
    size: int
    frames: int

    def __len__(self) -> int:
        return self.frames

    def eyes(self, rig: Rig, frame: int) -> Eyes:
        return self.color.float()[None, :, None, None].expand(2, 3, self.size, self.size).clone()


@dataclass(frozen=True, kw_only=True)
class Faded(Segment):
    """`first` up to frame `begin`, `second` from frame `end`, and a mixture between them that changes evenly."""

    first: Segment
    second: Segment
    begin: int
    end: int

    def __len__(self) -> int:
        return len(self.first)

    def share(self, frame: int) -> float:
        """Of the second shot, in [0, 1]."""
        return min(max((frame - self.begin) / (self.end - self.begin), 0.0), 1.0)

    def eyes(self, rig: Rig, frame: int) -> Eyes:
        share = self.share(frame)
        if share in (0.0, 1.0):
            return (self.second if share else self.first).eyes(rig, frame)
        return (1 - share) * self.first.eyes(rig, frame) + share * self.second.eyes(rig, frame)


@dataclass(frozen=True, kw_only=True)
class Titled(Segment):
    """Lines of text before the viewer, at the same place in both eyes, so infinitely far."""

    behind: Segment
    lines: Sequence[str]
    color: Float[Tensor, "3"]

    def __len__(self) -> int:
        return len(self.behind)

    def eyes(self, rig: Rig, frame: int) -> Eyes:
        picture = self.behind.eyes(rig, frame)
        cover = lettering(self.lines, picture.shape[-1])
        return picture + cover * (self.color.float()[:, None, None] - picture)


@dataclass(frozen=True, kw_only=True)
class StereoVideo:
    """size: pixels a side of each eye's half sphere. fps: of the file; the worlds' clocks run at it."""

    name: str
    segments: Sequence[Segment]
    rig: Rig
    size: int
    fps: float

    def __len__(self) -> int:
        return sum(len(segment) for segment in self.segments)

    @property
    def shots(self) -> Sequence[Shot]:
        """The frames of each segment."""
        stops = np.cumsum([len(segment) for segment in self.segments]).tolist()
        return [Shot(start=start, stop=stop) for start, stop in zip([0, *stops[:-1]], stops, strict=True)]

    def frames(self) -> Iterator[Float[Tensor, "3 h w"]]:
        """The left eye beside the right one, w = 2 h."""
        for segment in self.segments:
            for left, right in segment.film(self.rig):
                yield torch.cat([left, right], dim=-1)

    def scene(self, segment: int) -> Scene:
        """What the left eye sees of the world in a segment that is filmed from end to end: good, still or far."""
        filmed = self.segments[segment]
        assert isinstance(filmed, Filmed), filmed.kind
        return filmed.scene

    def facts(self) -> dict[str, object]:
        """What is true of it, but for what is computed from worlds: for files of JSON."""
        spans = zip(self.segments, self.shots, strict=True)
        return {
            "name": self.name,
            "size": self.size,
            "fps": self.fps,
            "baseline": self.rig.baseline,
            "left_from_right": self.rig.left_from_right.tolist(),
            "segments": [{"kind": s.kind.value, "start": shot.start, "stop": shot.stop} for s, shot in spans],
        }


def lettering(lines: Sequence[str], size: int) -> Float[Tensor, "h w"]:
    """What share of each pixel of a size x size picture letters cover."""
    cover = np.zeros((size, size), np.uint8)
    font, unit = cv2.FONT_HERSHEY_SIMPLEX, 100  # boxes are measured at 100 times the font's own scale, then scaled
    boxes = [cv2.getTextSize(line, font, unit, 1)[0] for line in lines]
    scale = min(size * LETTERS[0] / max(w for w, _ in boxes), size * LETTERS[1] / max(h for _, h in boxes))
    step = 1.7 * scale * max(h for _, h in boxes)
    for number, (line, (w, h)) in enumerate(zip(lines, boxes, strict=True)):
        x = size / 2 - scale * w / 2
        y = size / 2 + scale * h / 2 + step * (number - (len(lines) - 1) / 2)
        thickness = max(round(size / 130), 1)
        cv2.putText(cover, line, (round(x), round(y)), font, scale * unit, 255, thickness, cv2.LINE_AA)
    return torch.from_numpy(cover).float() / 255


def write_stereo_video(path: Path, video: StereoVideo) -> None:
    """An MP4, the left eye on the left. That it is VR180 is written into it last."""
    with VideoWriter(path, fps=video.fps) as writer:
        for frame in video.frames():
            writer.write(frame)
    mark_half_spheres(path)


def write_facts(path: Path, video: StereoVideo, *, settings: str) -> None:
    """`StereoVideo.facts` as JSON. settings: what else decided the video's bytes, to be compared by a later run."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps({**video.facts(), "settings": settings}, indent=1) + "\n")
