"""A claim, the arms that decide it, and the table: each arm is trained and scored as a person would do it."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from turnaround.evaluation.compare import Table, compare
from turnaround.evaluation.score import Row, read_rows
from turnaround.evaluation.tables import to_rich, write_tables
from turnaround.types import InputError, WeightsNotice

SCRIPTS = Path(__file__).resolve().parents[3]
OURS = "ours"
ALONE = ("methods=[${inference}]", "baselines=[]", "baseline=null")  # nothing but the arm is scored


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What is trained, if anything, and how it is scored: overrides of `train.py` and `eval.py`.

    `<name>` in an override stands for the training folder of the arm of that name. An arm that trains is scored with
    its own weights.
    """

    eval: Sequence[str]
    train: Sequence[str] | None = None


class Study:
    """Runs every arm with every seed and puts them side by side: `table.md`, `.tex`, `.csv` and `.html`.

    claim: what the table decides. decides: the metrics that do. train, eval: overrides of all arms. baseline: the arm
    that differences refer to. What has finished in `out` is not run again, so a stopped study goes on.
    """

    weights: Sequence[WeightsNotice] = ()

    def __init__(
        self,
        *,
        claim: str,
        decides: Sequence[str],
        arms: Mapping[str, Arm],
        baseline: str,
        train: Sequence[str],
        eval: Sequence[str],
        seeds: Sequence[int],
    ):
        if baseline not in arms:
            raise InputError("study.baseline", expected=" or ".join(arms), found=baseline, fix="name an arm")
        self.claim, self.decides, self.arms, self.baseline = claim, decides, arms, baseline
        self.train, self.eval, self.seeds = train, eval, seeds

    def run(self, out: Path) -> dict[str, float]:
        """The mean of each deciding metric of each arm, as `<arm>/<metric>`."""
        runs = [[row for name in self.arms for row in self._arm(name, seed, out)] for seed in self.seeds]
        tables = compare(runs, baseline=self.baseline, seed=0)
        for suffix in ("md", "tex", "csv", "html"):
            write_tables(out / f"table.{suffix}", tables)
        console = Console(file=sys.stderr)
        console.print(f"{self.claim}\ndecided by: {', '.join(self.decides)}")
        console.print(to_rich(tables))
        return {f"{arm}/{metric}": value for arm, metric, value in self._deciding(tables)}

    def _deciding(self, tables: Sequence[Table]) -> list[tuple[str, str, float]]:
        cells = [
            (arm, metric, cell) for table in tables for arm, row in table.cells.items() for metric, cell in row.items()
        ]
        return [(arm, metric, cell.estimate.mean) for arm, metric, cell in cells if metric in self.decides]

    def _arm(self, name: str, seed: int, out: Path) -> list[Row]:
        """The rows of one arm, under its name."""
        arm, folders = self.arms[name], {other: out / other / str(seed) / "train" for other in self.arms}
        checkpoint: list[str] = []
        if arm.train is not None:
            self._job("train.py", [*self.train, *filled(arm.train, folders)], seed, folders[name], "resume=auto")
            checkpoint = [f"checkpoint={folders[name]}/checkpoints"]
        scored = out / name / str(seed) / "eval"
        self._job("eval.py", [*ALONE, *self.eval, *checkpoint, *filled(arm.eval, folders)], seed, scored)
        return [Row(**{**row, "method": name}) for row in read_rows(scored / "rows.jsonl") if row["method"] == OURS]

    def _job(self, script: str, overrides: Sequence[str], seed: int, out: Path, *more: str) -> None:
        if (out / "metrics.json").is_file():  # a job's last file
            return
        command = [sys.executable, str(SCRIPTS / script), *overrides, f"seed={seed}", f"out={out}", *more]
        print("$", *command[1:], file=sys.stderr, flush=True)
        found = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if found.returncode:
            expected, fix = "a job that ends well", "see its error above; the study goes on from there"
            raise InputError(out, expected=expected, found=f"exit code {found.returncode}", fix=fix)


def filled(overrides: Sequence[str], folders: Mapping[str, Path]) -> list[str]:
    """`<name>` becomes the folder of the arm of that name."""

    def folder(found: re.Match) -> str:
        if found[1] not in folders:
            fix = "name an arm between the angle brackets"
            raise InputError("study.arms", expected=" or ".join(folders), found=found[0], fix=fix)
        return str(folders[found[1]])

    return [re.sub(r"<(\w+)>", folder, override) for override in overrides]
