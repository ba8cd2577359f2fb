"""How well mining tells good clips from bad ones, on synthetic stereo videos: python benchmarks/mining_filters.py.

Renders videos of one kind of segment each, and mixed ones with hard cuts, as the left eye alone films them; looks at
them as the miner does, in small pictures; and prints, for each kind, how many were kept and dropped, and why. A good
segment counts as kept where at least nine tenths of its frames are. A bad one counts by the reason that most of its bad
frames were dropped for, or as kept where more than a tenth of them are. Those of a fade are the ones in which either
shot has at least a fifth. What the poses decide is decided by true poses, and points on true surfaces. And
what the tests that came to be asked measured, of all clips of a kind.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch.nn.functional import pad

from turnaround.geometry.lenses import half_sphere_lens, lens_rays, perspective_lens
from turnaround.geometry.projection import pixel_grid
from turnaround.io.video import open_frames, write_video
from turnaround.pipelines.mine.clip_tests import ClipTests, PictureTest
from turnaround.pipelines.mine.miner import AHEAD
from turnaround.pipelines.mine.shots import ShotFinder
from turnaround.render.preview import SmoothResampling
from turnaround.scenes.observe import color_between, surface
from turnaround.scenes.stereo_sample import StereoVideoSampler
from turnaround.scenes.stereo_video import Faded, Filmed, Kind, Plain, Segment, StereoVideo, Titled, lettering
from turnaround.scenes.world import Scene
from turnaround.types import DropError, PerspectiveLens, RigPoses, Shot

Values = dict[str, list[float]]

CONFIGS = Path(__file__).parents[1] / "configs"
MIXED = "mixed"  # videos of three segments
MARGIN = 6  # pixels beyond 90 degrees that are made too, for what lies between pixels and for the codec's blocks
PROBE = 32  # pixels a side of the half sphere on which points are taken
RIGHT = {
    Kind.GOOD: {"kept"},
    Kind.STILL: {"still"},
    Kind.FADE: {"fade"},
    Kind.TEXT: {"text", "still"},  # over one colour it is both
    Kind.NO_PARALLAX: {"parallax", "still"},
}


def sampler(kind: str, size: int) -> StereoVideoSampler:
    config = OmegaConf.load(CONFIGS / "sampler" / "stereo_videos.yaml")
    alone = {"kinds": {kind: 1.0}, "segments": [1, 1]}
    settings = {"segments": [3, 3]} if kind == MIXED else alone
    config.update({"size": size, **settings})
    return instantiate(config)


def left_eye(segment: Segment, frame: int) -> torch.Tensor:
    match segment:
        case Filmed():
            return middle(segment.scene, frame)
        case Faded():
            share = segment.share(frame)
            shots = ((segment.first, 1 - share), (segment.second, share))
            return torch.stack([part * left_eye(shot, frame) for shot, part in shots if part]).sum(0)
        case Titled():
            picture = left_eye(segment.behind, frame)
            color = segment.color.float()[:, None, None]
            return picture + lettering(segment.lines, picture.shape[-1]) * (color - picture)
        case Plain():
            return segment.color.float()[:, None, None].expand(3, segment.size, segment.size)
    raise TypeError(type(segment))


def middle(scene: Scene, frame: int) -> torch.Tensor:
    """What small pictures show of a half sphere; the rest, three quarters of the work, is black."""
    size = scene.camera.width
    edge = size // 4 - MARGIN
    corners = pixel_grid(size - 2 * edge + 1, size - 2 * edge + 1, like=torch.zeros(())) - 0.5 + edge
    return pad(color_between(scene, frame, corners), (edge, edge, edge, edge))


def filmed(segment: Segment) -> list[torch.Tensor]:
    if segment.kind == Kind.STILL:
        return [left_eye(segment, 0)] * len(segment)
    return [left_eye(segment, frame) for frame in range(len(segment))]


def film_of(video: StereoVideo, path: Path) -> Path:
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = [frame for segment in video.segments for frame in filmed(segment)]
        write_video(path, torch.stack(frames), fps=video.fps)
    return path


def pictures_of(path: Path, small: PerspectiveLens) -> torch.Tensor:
    """Small ones, as `StereoMiner` looks at them."""
    film = open_frames(path)
    look = SmoothResampling(half_sphere_lens(film.height, film.width), small, AHEAD)
    return torch.stack([look(frame) for frame in film])


def true_poses(video: StereoVideo, segment: int, within: Shot) -> RigPoses:
    """Of frames of a segment, and points on what is seen before the left eye in the middle one; still ones."""
    scene = video.scene(segment)
    camera = replace(scene.camera, height=PROBE, width=PROBE)
    frame = (within.start + within.stop) // 2
    depth = surface(replace(scene, camera=camera), frame).depth.double()
    rays = lens_rays(half_sphere_lens(PROBE, PROBE), pixel_grid(PROBE, PROBE, like=depth))
    pose = scene.camera.world_from_cam[frame].double()
    points = (rays * depth[..., None]).reshape(-1, 3) @ pose[:3, :3].T + pose[:3, 3]
    return RigPoses(
        world_from_left=scene.camera.world_from_cam[within.start : within.stop].double(),
        left_from_right=video.rig.left_from_right,
        points=points,
        residual=0.0,
        observations=len(points),
    )


class Noted(PictureTest):
    """A test that keeps what it measures."""

    def __init__(self, test: PictureTest, values: Values):
        super().__init__(limit=test.limit)
        self.name, self._test, self._values = test.name, test, values

    def measure(self, pictures):
        value = self._test.measure(pictures)
        self._values[self.name].append(value)
        return value

    def fails(self, value):
        return self._test.fails(value)


@dataclass(frozen=True, kw_only=True)
class Judge:
    """values: what was measured of the last video, by the reasons that it would be dropped for."""

    finder: ShotFinder
    tests: ClipTests
    values: Values

    def reasons(self, video: StereoVideo, pictures: torch.Tensor) -> np.ndarray:
        """Of each frame, why it was dropped, or "kept"."""
        self.values.clear()
        found = self.finder.find(iter(pictures), fps=video.fps)
        reasons = np.array(["kept"] * len(pictures), dtype=object)
        for part in found.left_out:
            reasons[part.shot.start : part.shot.stop] = part.reason
            self.values[f"{part.reason} (shots)"].append(part.value)
        for shot in found.kept:
            try:
                self._look(video, pictures[shot.start : shot.stop], shot)
            except DropError as drop:
                reasons[shot.start : shot.stop] = drop.reason
        return reasons

    def _look(self, video: StereoVideo, clip: torch.Tensor, shot: Shot) -> None:
        self.tests.look(clip)
        number = max(n for n, segment in enumerate(video.shots) if segment.start <= shot.start)
        segment = video.shots[number]
        if isinstance(video.segments[number], Filmed) and shot.stop <= segment.stop:
            poses = true_poses(video, number, Shot(start=shot.start - segment.start, stop=shot.stop - segment.start))
            for test in self.tests.after:
                self.values["parallax (poses)"].append(test.measure(poses))
            self.tests.look_again(clip, poses)


def outcome(segment: Segment, reasons: np.ndarray) -> str:
    if segment.kind == Kind.GOOD:
        return "kept" if (reasons == "kept").mean() >= 0.9 else worst(reasons)
    if isinstance(segment, Faded):
        shares = np.array([segment.share(frame) for frame in range(len(segment))])
        reasons = reasons[(shares >= 0.2) & (shares <= 0.8)]
    return "kept" if (reasons == "kept").mean() > 0.1 else worst(reasons)


def worst(reasons: np.ndarray) -> str:
    return Counter(reasons[reasons != "kept"]).most_common(1)[0][0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=[*Kind, MIXED])
    parser.add_argument("--first", type=int, default=0, help="seed of the first video of each kind")
    parser.add_argument("--count", type=int, default=20, help="videos of each kind")
    parser.add_argument("--size", type=int, default=256, help="pixels a side of an eye's half sphere")
    parser.add_argument("--cache", type=Path, default=Path("data/cache/mining_filters"), help="where films are kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    settings = {name: OmegaConf.load(CONFIGS / name / "default.yaml") for name in ("shots", "clip_tests", "miner")}
    values: Values = defaultdict(list)
    tests = instantiate(settings["clip_tests"])
    noted = ClipTests(before=[Noted(test, values) for test in tests.before], after=tests.after)
    judge = Judge(finder=instantiate(settings["shots"]), tests=noted, values=values)
    looking = settings["miner"].looking
    small = perspective_lens(looking.preview, looking.preview_fov_deg)
    table: defaultdict[str, Counter[str]] = defaultdict(Counter)
    measured: defaultdict[str, Values] = defaultdict(lambda: defaultdict(list))
    for number in range(options.first, options.first + options.count):
        for kind in options.kinds:
            video = sampler(kind, options.size)(number)
            film = film_of(video, options.cache / f"{kind}_{options.size}_{number}.mp4")
            reasons = judge.reasons(video, pictures_of(film, small))
            for name, found in values.items():
                measured[kind][name].extend(found)
            for segment, shot in zip(video.segments, video.shots, strict=True):
                part = reasons[shot.start : shot.stop]
                came = outcome(segment, part)
                table[f"{segment.kind}{' in mixed' if kind == MIXED else ''}"][came] += 1
                if came not in RIGHT[segment.kind]:
                    print(f"{kind} {number}: {segment.kind} {came}, {runs(part)}", flush=True)
    show(table, measured)


def show(table: Mapping[str, Counter[str]], measured: Mapping[str, Values]) -> None:
    for name, counts in table.items():
        right = sum(counts[each] for each in RIGHT[Kind(name.split()[0])])
        told = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
        print(f"{name:<22}{right:>4} of {counts.total():<4}right: {told}")
    print(f"{'measured':<36}{'clips':>6}{'least':>9}{'quarter':>9}{'median':>9}{'quarter':>9}{'most':>9}")
    for kind, values in measured.items():
        for name, found in sorted(values.items()):
            told = "".join(f"{value:>9.4f}" for value in np.quantile(found, (0, 0.25, 0.5, 0.75, 1)))
            print(f"{kind:<14}{name:<22}{len(found):>6}{told}")


def runs(reasons: np.ndarray) -> str:
    return ", ".join(f"{len(list(group))} {reason}" for reason, group in groupby(reasons))


if __name__ == "__main__":
    main()
