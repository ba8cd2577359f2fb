"""Small stereo videos of procedural worlds, and files of such that mining must refuse or drop."""

from dataclasses import replace
from pathlib import Path

import torch

from turnaround.io.video import VideoWriter
from turnaround.scenes.sample import WorldSampler
from turnaround.scenes.stereo_sample import StereoVideoSampler
from turnaround.scenes.stereo_video import Plain, StereoVideo, write_stereo_video

SIZE = 64


def sampler(**settings):
    """As `configs/sampler/stereo_videos.yaml`, but small and short."""
    shipped = {
        "worlds": WorldSampler(bodies=(6, 10), moving=0.4, rooms=0.75),
        "size": SIZE,
        "fps": 15.0,
        "segments": (1, 1),
        "frames": (4, 6),
        "kinds": {"good": 1.0},
        "travel": (0.3, 1.0),
        "sway": 0.03,
        "baseline": 0.063,
        "rotation_deg": 1.5,
        "gain": (0.85, 1.15),
        "offset": (-0.03, 0.03),
        "curve": (-0.2, 0.2),
        "far": 15.0,
        "turn_deg": (5.0, 15.0),
        "mixing": (0.5, 0.9),
        "plain": 0.3,
    }
    return StereoVideoSampler(**(shipped | settings))


def write_good(path: Path, *, seed=0, **settings) -> StereoVideo:
    """A sound one; its truth is given back."""
    video = sampler(**settings)(seed)
    write_stereo_video(path, video)
    return video


def write_mono(path: Path, *, seed=0, **settings) -> None:
    """The left eye alone, as wide as both: one picture offered as two."""
    video = sampler(**settings)(seed)
    with VideoWriter(path, fps=video.fps) as writer:
        for frame in video.frames():
            left = frame[None, ..., : video.size]
            writer.write(torch.nn.functional.interpolate(left, (video.size, 2 * video.size), mode="bilinear")[0])


def write_doubled(path: Path, *, seed=0, **settings) -> None:
    """The left eye in both halves, so that there is no disparity."""
    video = sampler(**settings)(seed)
    with VideoWriter(path, fps=video.fps) as writer:
        for frame in video.frames():
            writer.write(frame[..., : video.size].repeat(1, 1, 2))


def write_swapped(path: Path, *, seed=0, **settings) -> None:
    """The right eye on the left."""
    video = sampler(**settings)(seed)
    with VideoWriter(path, fps=video.fps) as writer:
        for frame in video.frames():
            writer.write(frame.roll(video.size, dims=-1))


def write_truncated(path: Path, *, seed=0, share=0.6, **settings) -> None:
    """A sound one without its end."""
    write_good(path, seed=seed, **settings)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def write_blank(path: Path, *, frames=6, size=SIZE) -> None:
    """Two eyes that see nothing but one grey."""
    video = sampler(size=size)(0)
    grey = Plain(kind=video.segments[0].kind, color=torch.full((3,), 0.5), size=size, frames=frames)
    write_stereo_video(path, replace(video, segments=(grey,)))
