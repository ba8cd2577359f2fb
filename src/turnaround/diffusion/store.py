"""Estimated windows of one video on disk, so that memory does not grow with it and a stopped run goes on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from turnaround.io.tensors import write_tensors


@dataclass(frozen=True, kw_only=True)
class EstimatedWindow:
    """Disparity of the frames from `start` on; the first `seen` of them are in the window before, too.

    maps: at the size the network works at, in a scale and shift of the window's own.
    """

    start: int
    seen: int
    maps: Float[Tensor, "n h w"]
    latents: Float[Tensor, "n d y x"]


class WindowStore:
    """Windows in order, a file each, in a folder that is made; what lies there already is taken for this video's."""

    def __init__(self, folder: Path):
        self.folder, self.count = folder, 0
        folder.mkdir(parents=True, exist_ok=True)
        while self._path(self.count).is_file():
            self.count += 1

    def append(self, window: EstimatedWindow) -> None:
        place = torch.tensor([window.start, window.seen])
        write_tensors(self._path(self.count), {"place": place, "maps": window.maps, "latents": window.latents})
        self.count += 1

    def __getitem__(self, number: int) -> EstimatedWindow:
        found = load_file(self._path(number))
        start, seen = found["place"].tolist()
        return EstimatedWindow(start=start, seen=seen, maps=found["maps"], latents=found["latents"])

    def __iter__(self) -> Iterator[EstimatedWindow]:
        return (self[number] for number in range(self.count))

    def _path(self, number: int) -> Path:
        return self.folder / f"window_{number:06d}.safetensors"
