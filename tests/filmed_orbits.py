"""Procedural worlds written as a video and a camera file of RealEstate10K, and read back as clips."""

from pathlib import Path

from turnaround.datasets.procedural import ProceduralClips
from turnaround.geometry.se3 import invert
from turnaround.io.video import write_video
from turnaround.scenes.sample import WorldSampler
from turnaround.scenes.views import ViewSampler

HEIGHT, WIDTH, FPS = 144, 192, 24.0


def orbits(cache: Path) -> ProceduralClips:
    """One clip of five views of one moment, with exact depth."""
    worlds = WorldSampler(height=HEIGHT, width=WIDTH, frames=1, moving=0.0)
    sampler = ViewSampler(worlds=worlds, eyes=[0.1, 0.2], orbits=3, degrees=[4.0, 10.0], tilt=3.0)
    return ProceduralClips(sampler=sampler, first=0, count=1, cache=str(cache))


def camera_lines(cameras, fps=FPS):
    """One line per frame, with all digits."""
    lines = ["https://video.example/watch"]
    for frame, pose in enumerate(invert(cameras.world_from_cam.double())):
        k = cameras.intrinsics[frame].double()
        lens = [k[0, 0] / cameras.width, k[1, 1] / cameras.height, k[0, 2] / cameras.width, k[1, 2] / cameras.height]
        numbers = [*map(float, lens), 0, 0, *pose[:3].flatten().tolist()]
        lines.append(" ".join([str(round(frame / fps * 1e6)), *map(repr, numbers)]))
    return lines


def write_realestate(root: Path, id: str, clip, lines=None):
    (root / "cameras").mkdir(parents=True, exist_ok=True)
    (root / "cameras" / f"{id}.txt").write_text("\n".join(lines or camera_lines(clip.cameras)) + "\n")
    write_video(root / "videos" / f"{id}.mp4", clip.video, fps=FPS)
