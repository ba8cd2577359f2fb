"""Which videos there are to mine."""

from collections.abc import Mapping
from pathlib import Path

from turnaround.io.stereo_folder import is_stereo_folder
from turnaround.io.stereo_video import video_id
from turnaround.types import InputError

SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm")


def find_videos(path: Path) -> Mapping[str, Path]:
    """Paths by id: one video, or those in a folder, in the order of their names.

    A video is a file, or a folder that holds one entry for each eye. Ids are names without what file names may not
    have. InputError: none, or two of one id.
    """
    videos = [path] if path.is_file() or is_stereo_folder(path) else _inside(path)
    if not videos:
        raise InputError(path, expected="a stereo video, or a folder of them", found="none", fix="check the path")
    found: dict[str, Path] = {}
    for video in videos:
        id = video_id(video)
        if id in found:
            raise InputError(video, expected="names unlike all others", found=f"{found[id]} too", fix="rename one")
        found[id] = video
    return found


def _inside(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return [
        entry for entry in entries if is_stereo_folder(entry) or (entry.is_file() and entry.suffix.lower() in SUFFIXES)
    ]
