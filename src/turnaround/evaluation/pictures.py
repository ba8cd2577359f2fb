"""Filled frames on disk: `<item>/00000.png` and on, or `<item>.png` for a single one, whoever wrote them."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch

from turnaround.evaluation.benchmark import prediction_path
from turnaround.evaluation.score import require_all
from turnaround.io.atomic import atomic_folder
from turnaround.io.image import read_image, write_image
from turnaround.types import InputError, Video


def write_frames(folder: Path, video: Video) -> None:
    """8 bit PNGs, all or none; an older folder of that name is replaced, if all it holds are PNGs."""
    with atomic_folder(folder, pattern="*.png") as temporary:
        for number, frame in enumerate(video):
            write_image(temporary / f"{number:05d}.png", frame)


def frames_folder(folder: Path, item: str) -> Path:
    """Where a method's folder holds the frames of an item; refuses an item that leaves the folder."""
    return prediction_path(folder, item).with_name(Path(item).name)


def found_frames(folder: Path, item: str) -> dict[int, Path]:
    """The frames of an item in a method's folder by their numbers, in order; none where there are none."""
    inside = frames_folder(folder, item)
    single = inside.with_name(f"{inside.name}.png")
    numbered = {int(path.stem): path for path in sorted(inside.glob("*.png")) if re.fullmatch(r"\d{5,9}", path.stem)}
    return numbered or ({0: single} if single.is_file() else {})


def method_folders(folder: Path, items: Sequence[str], method: str | None) -> dict[str, Path]:
    """method -> its folder, which holds frames of all items: `folder` itself, or those in it that hold some.

    method: the name of the one where the folder itself holds the items; else the folder's.
    """
    inside = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if any(found_frames(folder, item) for item in items):
        folders = {method or folder.resolve().name: folder}
    else:
        folders = {path.name: path for path in inside if any(found_frames(path, item) for item in items)}
    expected = "<item>/00000.png … or <item>.png"
    if not folders:
        fix = f"write the frames of each item, the first is {items[0]}" if items else "give a benchmark with items"
        raise InputError(folder, expected=expected, found="no predictions", fix=fix)
    for path in folders.values():
        require_all(path, items, [item for item in items if found_frames(path, item)], expected)
    return folders


def read_frames(paths: Sequence[Path]) -> Video:
    """InputError where one is no picture, or not of the first one's size."""
    frames = [read_image(path) for path in paths]
    for path, frame in zip(paths, frames, strict=True):
        if frame.shape != frames[0].shape:
            expected, found = (f"{size[2]} x {size[1]}" for size in (frames[0].shape, frame.shape))
            raise InputError(path, expected=f"{expected}, as the first", found=found, fix="predict it again")
    return torch.stack(frames)
