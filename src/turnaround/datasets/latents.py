"""Latents of training windows, kept on disk, so that training needs no codec and no image encoder."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import quote

import torch
from rich.console import Console
from rich.progress import track
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor
from torch.utils.data import Dataset

from turnaround.datasets.windows import GridWindows, Window, stack
from turnaround.io.existing import existing_file
from turnaround.io.tensors import write_tensors
from turnaround.types import Clip, Condition, InputError, LatentBatch, LatentEncoder

OpenEncoder = Callable[[], AbstractContextManager[LatentEncoder]]
DIMENSIONS = {"video": 4, "tokens": 2, "disparity": 4, "known": 3}


@runtime_checkable
class NeedsLatents(Protocol):
    """Batches that are read from latents, which someone has to make."""

    def prepare(self, open_encoder: OpenEncoder, numbers: Iterable[int], process: int) -> None:
        """Makes those of the batches `numbers` of a process that are not there yet."""
        ...


class LatentWindows(Dataset):
    """The batches of `windows` as latents from files under `folder`, one file per window, in bfloat16.

    A file's place follows from all that decides its content: the encoders' fingerprint, the first clip (which tells
    sources of other settings apart), the clip's id, and the window. A reversed window is its forward one, read
    backwards. What is missing is made before training, window by window, so that a run that was stopped goes on, and
    each process makes what it will read itself. Should clips change under the same ids, remove the folder.
    """

    def __init__(self, *, windows: GridWindows, folder: str):
        self.windows, self.folder = windows, Path(folder)
        self.source = _fingerprint(windows.first)
        self.fingerprint: str | None = None

    def prepare(self, open_encoder: OpenEncoder, numbers: Iterable[int], process: int) -> None:
        drawn = (window for number in numbers for window in self.windows.draw((number, process)))
        needed = dict.fromkeys(replace(window, reversed=False) for window in drawn)
        with open_encoder() as encoder:
            self.fingerprint = encoder.fingerprint
            missing = [window for window in needed if not self.place(window).exists()]
            said = Console(stderr=True, quiet=process > 0 or not missing)
            for window in track(missing, description="latents", console=said):
                _write(self.place(window), encoder.encode(stack([self.windows.read(window)])))

    def __getitem__(self, place: tuple[int, int]) -> LatentBatch:
        entries = [self._read(window) for window in self.windows.draw(place)]
        video, tokens, disparity, known = (torch.stack([entry[name] for entry in entries]) for name in DIMENSIONS)
        return LatentBatch(
            condition=Condition(latents=video.float(), tokens=tokens.float()),
            disparity=disparity.float(),
            known=known.bool(),
        )

    def place(self, window: Window) -> Path:
        """The file of a window; a window and its reverse share one."""
        assert self.fingerprint is not None, "prepare tells whose latents these are"
        crop = self.windows.crop
        where = f"{window.start}+{window.length}_{window.row}+{crop.height}_{window.column}+{crop.width}"
        name = f"{where}_mirrored.safetensors" if window.mirrored else f"{where}.safetensors"
        return self.folder / f"{self.fingerprint}-{self.source}" / f"clip_{quote(window.clip, safe='')}" / name

    def _read(self, window: Window) -> Mapping[str, Tensor]:
        path = self.place(window)
        fix = "delete it and resume the training: what is missing is made first"
        existing_file(path, expected="latents, which are made before training")
        try:
            entries = load(path.read_bytes())
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(path, expected="safetensors", found=str(error), fix=fix) from error
        shapes = {name: tuple(tensor.shape) for name, tensor in entries.items()}
        if {name: len(shape) for name, shape in shapes.items()} != DIMENSIONS or {
            shape[0] for shape in shapes.values()
        } != {window.length}:
            expected = f"{', '.join(DIMENSIONS)} of {window.length} frames"
            raise InputError(path, expected=expected, found=str(shapes), fix=fix)
        if not all(tensor.float().isfinite().all() for tensor in entries.values()):
            raise InputError(path, expected="finite latents", found="NaN or inf", fix=fix)
        return {name: tensor.flip(0) for name, tensor in entries.items()} if window.reversed else entries


def _write(path: Path, batch: LatentBatch) -> None:
    entries = {
        "video": batch.condition.latents[0].bfloat16(),
        "tokens": batch.condition.tokens[0].bfloat16(),
        "disparity": batch.disparity[0].bfloat16(),
        "known": batch.known[0],
    }
    write_tensors(path, entries)


def _fingerprint(clip: Clip) -> str:
    assert clip.depth is not None
    digest = hashlib.sha256(clip.id.encode())
    for values in (clip.video, clip.depth.values):
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()[:16]
