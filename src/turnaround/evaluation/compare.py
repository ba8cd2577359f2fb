"""Rows of one or more runs become tables: means, bootstrap intervals, spread over runs, differences to a baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.evaluation.score import Row
from turnaround.types import InputError

RESAMPLES = 2000
HIGHER_IS_BETTER = (
    "delta",
    "rtc",
    "tcc",
    "boundary",
    "psnr",
    "ssim",
    "hole_psnr",
    "tsed",
    "cuts_",
    "good_kept",
    "bad_dropped",
    "right_reason",
    "completeness",
    "track_found",
    "jitter_cut",
)  # prefixes of metric names; all others are errors

PerItem = dict[str, list[float]]  # item -> its value in each run


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean over items and its 95 % percentile bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One metric of one method.

    items: how many have a value in every run of the method; wanted: for how many any method has one. sd: of the runs'
    means, None for a single run. difference: to the baseline, over the items that both have; None without a baseline.
    best: the best mean among the methods with most items.
    """

    estimate: Interval
    items: int
    wanted: int
    sd: float | None
    difference: Interval | None
    best: bool


@dataclass(frozen=True, kw_only=True)
class Table:
    """All methods on one benchmark: cells[method][metric]; no cell where a method has no value for any item."""

    benchmark: str
    metrics: Sequence[str]
    baseline: str | None
    cells: Mapping[str, Mapping[str, Cell]]


def higher_is_better(metric: str) -> bool:
    return metric.startswith(HIGHER_IS_BETTER)


def bootstrap(values: Float[Tensor, "items"], *, seed: int) -> Interval:
    """The mean, and the 2.5 and 97.5 % quantiles of the means of RESAMPLES resamples of the items."""
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randint(len(values), (RESAMPLES, len(values)), generator=generator)
    low, high = values[draws].mean(1).quantile(torch.tensor([0.025, 0.975], dtype=values.dtype)).tolist()
    return Interval(mean=float(values.mean()), low=low, high=high)


def compare(runs: Sequence[Sequence[Row]], *, baseline: str | None, seed: int) -> list[Table]:
    """One table per benchmark. A method that stands in several runs counts as repeated, each time with another seed."""
    methods = dict.fromkeys(row["method"] for rows in runs for row in rows)
    if baseline is not None and baseline not in methods:
        raise InputError("baseline", expected=f"one of {', '.join(methods)}", found=baseline, fix="name one of them")
    benchmarks = dict.fromkeys(row["benchmark"] for rows in runs for row in rows)
    return [_table(name, _collect(runs, name), baseline, seed) for name in benchmarks]


def _collect(runs: Sequence[Sequence[Row]], benchmark: str) -> dict[str, dict[str, PerItem]]:
    """method -> metric -> the items that have a value in all runs of the method."""
    collected: dict[str, dict[str, PerItem]] = {}
    repeats: dict[str, set[int]] = {}
    seen: set[tuple[int, str, str]] = set()
    for run, rows in enumerate(runs):
        for row in (row for row in rows if row["benchmark"] == benchmark):
            method, item = row["method"], row["item"]
            if (run, method, item) in seen:
                raise InputError(
                    f"rows of {benchmark}",
                    expected="one row per method and item in a run",
                    found=f"several of {method}, {item}",
                    fix="keep one of them",
                )
            seen.add((run, method, item))
            repeats.setdefault(method, set()).add(run)
            for metric, value in row["metrics"].items():
                per_item = collected.setdefault(method, {}).setdefault(metric, {}).setdefault(item, [])
                per_item.extend([] if value is None else [value])
    return {
        method: {
            metric: {item: values for item, values in per_item.items() if len(values) == len(repeats[method])}
            for metric, per_item in metrics.items()
        }
        for method, metrics in collected.items()
    }


def _table(benchmark: str, collected: dict[str, dict[str, PerItem]], baseline: str | None, seed: int) -> Table:
    metrics = list(dict.fromkeys(metric for per_metric in collected.values() for metric in per_metric))
    cells: dict[str, dict[str, Cell]] = {method: {} for method in collected}
    for metric in metrics:
        per_method = {method: per_metric[metric] for method, per_metric in collected.items() if per_metric.get(metric)}
        if not per_method:
            continue
        means = {m: {item: sum(v) / len(v) for item, v in per_item.items()} for m, per_item in per_method.items()}
        scores = {m: sum(v.values()) / len(v) for m, v in means.items()}
        most = max(len(v) for v in means.values())
        best = (max if higher_is_better(metric) else min)(scores[m] for m in scores if len(means[m]) == most)
        for method, per_item in per_method.items():
            over_runs = _tensor(list(per_item.values())).mean(0)
            cells[method][metric] = Cell(
                estimate=bootstrap(_tensor(list(means[method].values())), seed=seed),
                items=len(per_item),
                wanted=len(set().union(*means.values())),
                sd=float(over_runs.std()) if len(over_runs) > 1 else None,
                difference=_difference(means[method], means.get(baseline or "", {}), seed=seed),
                best=scores[method] == best and len(per_item) == most,
            )
    return Table(benchmark=benchmark, metrics=metrics, baseline=baseline, cells=cells)


def _difference(values: dict[str, float], baseline: dict[str, float], *, seed: int) -> Interval | None:
    """Paired: the bootstrap resamples items, so what is common to both methods on an item cancels."""
    paired = [value - baseline[item] for item, value in values.items() if item in baseline]
    return bootstrap(_tensor(paired), seed=seed) if paired else None


def _tensor(values: Sequence) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
