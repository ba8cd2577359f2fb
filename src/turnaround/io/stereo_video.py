"""Stereo videos in: two eyes in one frame, or in two files, told apart and checked before anything is made of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from turnaround.geometry.lenses import half_sphere_lens
from turnaround.io.existing import existing_file
from turnaround.io.eye_views import calibrated_lens
from turnaround.io.indexed_video import MICROSECONDS, IndexedFrames, open_indexed
from turnaround.io.spherical_reading import CUSTOM, LEFT_RIGHT, MONO, RIGHT_LEFT, TOP_BOTTOM, read_spherical
from turnaround.io.stereo_checks import Eyes, Look, look, require_stereo, show_one_scene
from turnaround.io.stereo_folder import eye_files, read_calibration, read_poses
from turnaround.io.stereo_layout import Arrangement, StereoLayout, eye_size, halves
from turnaround.io.video import STILL_FPS
from turnaround.types import DropError, InputError, Lens

UNEVEN = 0.1  # of the usual time between frames: beyond, the rate counts as variable
MILLISECOND = 1000  # in which some containers count, so that a steady rate seems to tremble
SQUARE = (0.8, 1.25)  # width over height of an eye that may be a half sphere
MODES = {
    TOP_BOTTOM: Arrangement.TOP_BOTTOM,
    LEFT_RIGHT: Arrangement.SIDE_BY_SIDE,
    RIGHT_LEFT: Arrangement.SIDE_BY_SIDE,
}


@dataclass(frozen=True, kw_only=True)
class StereoVideo:
    """A checked one. Every call of `frames` decodes anew.

    id: safe in names of files; it may hold `_` and `-`. height, width: of an eye. times: microseconds, by the file.
    world_from_left, baseline (metres): where they are known beforehand.
    """

    path: Path
    id: str
    layout: Arrangement
    left_lens: Lens
    right_lens: Lens
    height: int
    width: int
    times: Int[Tensor, "n"]
    swapped: bool
    films: tuple[IndexedFrames, ...]
    world_from_left: Float[Tensor, "n 4 4"] | None = None
    baseline: float | None = None

    def __len__(self) -> int:
        return len(self.times)

    @property
    def rate(self) -> float:
        """Frames per second, the mean."""
        return mean_rate(self.times)

    @property
    def is_variable(self) -> bool:
        """Whether frames are not all as far apart: their times tell, `rate` does not."""
        steps = self.times.diff()
        usual = steps.median() if len(steps) else torch.zeros(())
        return bool(((steps - usual).abs() > max(UNEVEN * float(usual), MILLISECOND)).any())

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Eyes]:
        """The left and the right eye's RGB in [0, 1], of frames start to before stop, one at a time."""
        stop = len(self) if stop is None else stop
        if not 0 <= start <= stop <= len(self):
            found = f"{start} to {stop}"
            raise InputError(self.path, expected=f"frames within 0 to {len(self)}", found=found, fix="correct the shot")
        streams = [film.frames(start, stop) for film in self.films]
        for parts in zip(*streams, strict=True):
            first, second = parts if len(parts) == 2 else halves(self.layout, parts[0])
            yield (second, first) if self.swapped else (first, second)


def open_stereo(path: Path, stereo: StereoLayout) -> StereoVideo:
    """A stereo video in one file, or a folder of two (`io.stereo_folder`).

    InputError: what `io.video.open_frames` and `io.indexed_video.open_indexed` refuse; an odd size; eyes of different
    sizes or lengths; a lens that is not known; a mono video, or one whose eyes are swapped. DropError: an eye of too
    few pixels.
    """
    video = _two_files(path, stereo) if path.is_dir() else _one_file(path, stereo)
    if video.height < stereo.least_height:
        raise DropError("resolution", value=float(video.height), limit=float(stereo.least_height))
    lenses = video.left_lens, video.right_lens
    require_stereo(path, _looks(video, stereo.samples), lenses, crossed_deg=stereo.crossed_deg)
    return video


def video_id(path: Path) -> str:
    """Its name; what is no letter, digit, "_" or "-" becomes "-"."""
    name = path.resolve().name if path.is_dir() else path.stem
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name)


def mean_rate(times: Int[Tensor, "n"]) -> float:
    """Frames per second, of their times in microseconds."""
    return MICROSECONDS * (len(times) - 1) / float(times[-1] - times[0]) if len(times) > 1 else STILL_FPS


def _one_file(path: Path, stereo: StereoLayout) -> StereoVideo:
    film = open_indexed(existing_file(path, expected="a stereo video"), still_fps=STILL_FPS)
    said = read_spherical(path)
    arrangement = stereo.arrangement or _said(path, said.stereo_mode)
    told = arrangement is None
    if arrangement is None:
        arrangement = _told_from_halves(path, film, stereo)
    height, width = eye_size(path, arrangement, film.height, film.width)
    if stereo.view is not None:
        lenses = (stereo.view.lens(height, width),) * 2
    elif said.views is not None:
        lenses = (said.views[0].lens(height, width), said.views[1].lens(height, width))
    elif told and SQUARE[0] <= width / height <= SQUARE[1]:
        lenses = (half_sphere_lens(height, width),) * 2
    else:
        raise _no_lens(path, height, width)
    crossed = stereo.arrangement is None and said.stereo_mode == RIGHT_LEFT
    return _video(path, arrangement, (height, width), lenses, (film,), swapped=stereo.swapped != crossed)


def _two_files(path: Path, stereo: StereoLayout) -> StereoVideo:
    calibration = read_calibration(path)
    fps = calibration.fps if calibration else STILL_FPS
    left, right = (open_indexed(file, still_fps=fps) for file in eye_files(path))
    shapes = [f"{len(eye.times)} frames of {eye.width} x {eye.height}" for eye in (left, right)]
    if shapes[0] != shapes[1]:
        raise InputError(right.path, expected=f"{shapes[0]}, as the left", found=shapes[1], fix="cut both alike")
    if calibration is not None:
        lens = calibrated_lens(*calibration.lens, left.height, left.width)
    elif stereo.view is not None:
        lens = stereo.view.lens(left.height, left.width)
    else:
        raise _no_lens(path, left.height, left.width)
    return _video(
        path,
        Arrangement.TWO_FILES,
        (left.height, left.width),
        (lens, lens),
        (left, right),
        swapped=stereo.swapped,
        world_from_left=read_poses(path, len(left.times)),
        baseline=calibration.baseline if calibration else None,
    )


def _video(
    path: Path,
    layout: Arrangement,
    size: tuple[int, int],
    lenses: tuple[Lens, ...],
    films: tuple[IndexedFrames, ...],
    *,
    swapped: bool,
    world_from_left: Float[Tensor, "n 4 4"] | None = None,
    baseline: float | None = None,
) -> StereoVideo:
    left, right = lenses[::-1] if swapped else lenses
    return StereoVideo(
        path=path,
        id=video_id(path),
        layout=layout,
        left_lens=left,
        right_lens=right,
        height=size[0],
        width=size[1],
        times=films[0].times,
        swapped=swapped,
        films=films,
        world_from_left=world_from_left,
        baseline=baseline,
    )


def _said(path: Path, mode: int | None) -> Arrangement | None:
    if mode == MONO:
        raise InputError(
            path, expected="stereo", found="a file that says it is mono", fix="leave it out, or set stereo"
        )
    if mode == CUSTOM or (mode is not None and mode not in MODES):
        found = f"stereo_mode {mode}"
        raise InputError(path, expected="eyes side by side or on top of each other", found=found, fix="convert it")
    return None if mode is None else MODES[mode]


def _told_from_halves(path: Path, film: IndexedFrames, stereo: StereoLayout) -> Arrangement:
    """Side by side, if the halves show one scene."""
    looks = _halves_looked_at(film, Arrangement.SIDE_BY_SIDE, stereo.samples) if film.width % 2 == 0 else []
    if looks and show_one_scene(looks):
        return Arrangement.SIDE_BY_SIDE
    fix = "it may be mono: leave it out, or set stereo"
    if film.height % 2 == 0 and show_one_scene(_halves_looked_at(film, Arrangement.TOP_BOTTOM, stereo.samples)):
        fix = "its upper and lower halves do: set stereo=top_bottom"
    found = f"a file of {film.width} x {film.height} that does not say so, and whose left and right halves do not match"
    raise InputError(path, expected="a stereo video", found=found, fix=fix)


def _halves_looked_at(film: IndexedFrames, arrangement: Arrangement, samples: int) -> list[Look]:
    return [
        look(*halves(arrangement, frame))
        for number in _sampled(len(film.times), samples)
        for frame in film.frames(number, number + 1)
    ]


def _looks(video: StereoVideo, samples: int) -> list[Look]:
    return [look(*eyes) for number in _sampled(len(video), samples) for eyes in video.frames(number, number + 1)]


def _sampled(frames: int, samples: int) -> list[int]:
    """Evenly over a video, not at its ends."""
    return sorted({int((part + 0.5) / samples * frames) for part in range(samples)})


def _no_lens(path: Path, height: int, width: int) -> InputError:
    found = f"a file that does not say so, with eyes of {width} x {height}"
    fix = "set stereo=vr180, side_by_side or top_bottom, and stereo.view"
    return InputError(path, expected="a known lens", found=found, fix=fix)
