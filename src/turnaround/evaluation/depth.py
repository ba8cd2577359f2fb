"""The benchmark of depth as `run` meets it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from turnaround.evaluation.benchmark import Benchmark
from turnaround.evaluation.predict import predict
from turnaround.evaluation.score import Row, score
from turnaround.types import DepthEstimator, InputError


@dataclass(frozen=True, kw_only=True)
class DepthBenchmark(Benchmark):
    """A `Benchmark` that predicts and scores itself: a `Contest`."""

    def predict(self, method: object, folder: Path, seed: int, settings: str) -> None:
        if not isinstance(method, DepthEstimator):
            subject, found = f"methods of benchmark {self.name}", type(method).__name__
            raise InputError(subject, expected="depth estimators", found=found, fix="use contenders=depth")
        predict(method, self, folder, seed, settings)

    def score(self, folder: Path, method: str | None = None) -> Iterator[Row]:
        return score(self, folder, method)
