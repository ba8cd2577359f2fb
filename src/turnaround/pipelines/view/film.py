"""A changed path as a new video, beside nothing else."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

from turnaround.io.atomic import atomic_folder
from turnaround.io.camera_path import FilmedPath, write_camera_path
from turnaround.io.video import VideoWriter
from turnaround.pipelines.view.scene import ViewedScene

VIDEO, CAMERAS = "orbit.mp4", "camera_path.json"


def film(scene: ViewedScene, path: FilmedPath, out: Path, *, told: Callable[[int], None] = lambda frames: None) -> Path:
    """`edit_001/orbit.mp4` and `edit_001/camera_path.json` in `out`, or the next number that is free: all or nothing.

    Returns the folder. told: called with the number of frames that are done. InputError: cameras that
    `camera_path.json` cannot hold (`write_camera_path`), before any work; a place that cannot be written to.
    """
    folder = next(place for number in count(1) if not (place := out / f"edit_{number:03d}").exists())
    with atomic_folder(folder, pattern="*") as staged:
        write_camera_path(staged / CAMERAS, path)
        with VideoWriter(staged / VIDEO, fps=path.fps) as writer:
            for number in range(len(path.cameras)):
                writer.write(scene.seen(path.cameras.at(number)).image)
                told(number + 1)
    return folder
