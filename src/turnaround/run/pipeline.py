"""`run.py`: a pipeline on a person's input."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from turnaround.types import WeightsNotice


@runtime_checkable
class Pipeline(Protocol):
    """weights: whose weights it uses."""

    @property
    def weights(self) -> Sequence[WeightsNotice]: ...

    def run(self, out: Path) -> Mapping[str, float]: ...


class PipelineRun:
    """Runs `pipeline`; `record.json` says whose weights it used."""

    def __init__(self, *, pipeline: Pipeline):
        self.pipeline = pipeline
        self.facts: dict[str, Any] = {"weights": [asdict(notice) for notice in pipeline.weights]}

    def run(self, out: Path) -> Mapping[str, float]:
        return self.pipeline.run(out)
