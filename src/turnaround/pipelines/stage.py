"""Stages of a pipeline: pure functions whose results stay on disk under the hash of all that decides them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from safetensors.torch import load_file
from torch import Tensor

from turnaround.io.atomic import remove_leftovers
from turnaround.io.tensors import write_tensors
from turnaround.pipelines.work import code_hash

SUFFIX = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a stage gave, and the hash of all that decided it."""

    tensors: Mapping[str, Tensor]
    key: str


class Stages:
    """Runs stages once: a result that lies in `folder` is read instead of made again, so a killed run goes on.

    seconds: what each stage took here, by its name; of stages that were read, the time of reading. kept: names of the
    files that this run made or used.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.seconds: dict[str, float] = {}
        self.kept: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def run(
        self, name: str, function: Callable[[], Mapping[str, Tensor]], *, inputs: Sequence[Result], settings: object
    ) -> Result:
        """settings: whatever else decides the result, of which only `repr` counts, so it must name all of it."""
        started = perf_counter()
        decisive = [name, code_hash(), repr(settings), *(each.key for each in inputs)]
        key = hashlib.sha256("\n".join(decisive).encode()).hexdigest()[:16]
        path = self.folder / f"{name}-{key}{SUFFIX}"
        remove_leftovers(path)
        if not path.is_file():
            write_tensors(path, function())
        self.kept.add(path.name)
        result = Result(tensors=load_file(path), key=key)
        self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started
        return result

    def forget_others(self) -> None:
        """Removes the results of other settings, once they are not wanted any more."""
        for file in self.folder.glob(f"*{SUFFIX}"):
            if file.name not in self.kept:
                file.unlink()
