"""`run.py`: a pipeline on a person's input."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Pipeline(Protocol):
    def run(self, out: Path) -> Mapping[str, float]: ...


class PipelineRun:
    """Runs `pipeline`. weights: what `record.json` says of the weights used (name, source, licence)."""

    def __init__(self, *, pipeline: Pipeline, weights: list[Mapping[str, str]]):
        self.pipeline = pipeline
        self.facts: dict[str, Any] = {"weights": weights}

    def run(self, out: Path) -> Mapping[str, float]:
        return self.pipeline.run(out)
