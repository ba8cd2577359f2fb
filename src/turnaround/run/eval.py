"""`eval.py`: predict to disk, score from disk, compare."""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from rich.console import Console

from turnaround.evaluation.compare import Table, compare
from turnaround.evaluation.score import Row, read_rows, write_rows
from turnaround.evaluation.tables import to_rich, write_tables
from turnaround.run.logger import Tracker
from turnaround.types import WeightsNotice


@runtime_checkable
class Contest(Protocol):
    """A benchmark: methods write predictions to a folder, and whoever wrote them, they become rows."""

    @property
    def name(self) -> str: ...

    def predict(self, method: Any, folder: Path, seed: int, settings: str) -> None:
        """Predictions of all items below folder/<method.name>. InputError: a method of another kind."""
        ...

    def score(self, folder: Path, method: str | None = None) -> Iterator[Row]:
        """Rows of every method in the folder; of `method`, where the folder itself holds the items."""
        ...


@runtime_checkable
class Method(Protocol):
    """What is predicted and scored; beyond that the benchmark knows what it needs."""

    name: str

    @property
    def weights(self) -> Sequence[WeightsNotice]: ...


class EvalRun:
    """Scores methods on a benchmark (of depth, of inpainting, …), or puts the rows of finished runs side by side.

    methods: what is predicted and scored. predictions: a folder of files that any method wrote, to score instead of
    those with a checkpoint; `baselines` are scored beside them all the same. compare: folders of earlier runs (their
    `rows.jsonl`); then nothing is predicted. baseline: the method that the table's differences refer to.
    """

    def __init__(
        self,
        *,
        benchmark: Contest,
        methods: Sequence[Method],
        baselines: Sequence[Method],
        predictions: str | None,
        compare: Sequence[str] | None,
        baseline: str | None,
        logger: Tracker,
        seed: int,
    ):
        self.benchmark, self.methods, self.baselines = benchmark, methods, baselines
        self.predictions, self.compare, self.baseline = predictions, compare, baseline
        self.tracker, self.seed = logger, seed
        notices = dict.fromkeys(notice for method in methods for notice in method.weights)
        self.facts: dict[str, Any] = {"weights": [asdict(notice) for notice in notices]}

    def run(self, out: Path) -> dict[str, float | None]:
        """The mean of each metric of each method, as `<method>/<metric>`."""
        failed = True
        self.tracker.start(out)
        try:
            tables = self._score(out) if self.compare is None else self._compare(out)
            Console(file=sys.stderr).print(to_rich(tables))
            metrics = _means(tables)
            self.tracker.log_metrics(metrics)
            failed = False
        finally:
            self.facts["wandb"] = getattr(self.tracker, "id", None)
            self.tracker.finish(failed=failed)
        return metrics

    def _score(self, out: Path) -> list[Table]:
        folder = out / "predictions"
        settings = hashlib.sha256((out / "config.yaml").read_bytes()).hexdigest()[:16]
        methods = [*self.baselines, *([] if self.predictions else self.methods)]
        for method in methods:
            self.benchmark.predict(method, folder, self.seed, settings)
        rows = list(self.benchmark.score(folder)) if methods else []
        if self.predictions:
            rows += self.benchmark.score(Path(self.predictions))
        write_rows(out / "rows.jsonl", rows)
        tables = compare([rows], baseline=self.baseline, seed=self.seed)
        write_tables(out / "table.md", tables)
        self.tracker.log_table("rows", [_flat(row) for row in rows])
        return tables

    def _compare(self, out: Path) -> list[Table]:
        runs = [read_rows(Path(folder) / "rows.jsonl") for folder in self.compare or ()]
        tables = compare(runs, baseline=self.baseline, seed=self.seed)
        for suffix in ("md", "tex", "csv", "html"):
            write_tables(out / f"compare.{suffix}", tables)
        return tables


def _means(tables: Sequence[Table]) -> dict[str, float | None]:
    return {
        f"{method}/{metric}": cell.estimate.mean
        for table in tables
        for method, cells in table.cells.items()
        for metric, cell in cells.items()
    }


def _flat(row: Row) -> dict[str, Any]:
    return {"benchmark": row["benchmark"], "item": row["item"], "method": row["method"], **row["metrics"]}
