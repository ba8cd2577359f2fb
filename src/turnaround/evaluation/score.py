"""Score predictions from disk, whoever wrote them; rows on disk."""

import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from turnaround.evaluation.benchmark import Benchmark, FlowSource, found_prediction
from turnaround.evaluation.predict import read_prediction_meta
from turnaround.geometry.align import Alignment, align_to_depth, lawful_alignment
from turnaround.io.atomic import atomic_file
from turnaround.io.depth import read_depth_npz
from turnaround.metrics.base import Average, Pooling
from turnaround.types import Clip, DepthKind, DepthVideo, Flow, InputError, Pinhole

NO_FLOW = "unknown: the source has none of this clip"
RESULTS = "results_"  # DepthCrafter's benchmark writes results_<set>/, whatever the method


class Row(TypedDict):
    """One item of one method. A metric is None where it has no value; meta["invalid"] then may say why."""

    benchmark: str
    item: str
    method: str
    metrics: Mapping[str, float | None]
    meta: Mapping[str, Any]


def score(benchmark: Benchmark, folder: Path, method: str | None = None) -> Iterator[Row]:
    """Rows of every method found in the folder, clip by clip.

    The folder holds <item>.npz (one method: `method`, or the folder's name), <method>/<item>.npz, or results_<set>/ as
    DepthCrafter's benchmark writes it; `found_prediction` says where items may lie. All items of the benchmark must be
    there: InputError names the missing ones before anything is scored.
    """
    files = _prediction_files(benchmark, folder, method)
    for item in benchmark.source.ids():
        clip, flow = benchmark.source.clip(item), _flow(benchmark, item)
        for name, paths in files.items():
            path = paths[item]
            metrics, meta = score_prediction(benchmark, clip, read_depth_npz(path), path, flow)
            meta |= {key: value for key, value in read_prediction_meta(path).items() if key != "frames"}
            yield Row(benchmark=benchmark.name, item=item, method=name, metrics=metrics, meta=meta)


def score_prediction(
    benchmark: Benchmark, clip: Clip, prediction: DepthVideo, path: Path, flow: Flow | None = None
) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Metrics and meta of one prediction; `path` is for messages. flow: backward, where it is known.

    Another height or width is resized bilinearly to the truth's. Another number of frames leaves all metrics None, and
    meta["invalid"] says so. Frames without valid truth are not counted: meta["frames_dropped"]. meta["pixels"]: of how
    many pixels the clip's mean is, where the protocol pools them. meta["flow"]: why metrics along it are None.
    meta["sources"]: where the clip came from, if it says so.
    """
    truth, valid = _truth(benchmark, clip)
    alignment = _alignment(benchmark, prediction.kind, path)
    meta: dict[str, Any] = {
        "kind": str(prediction.kind),
        "alignment": str(alignment),
        "frames": len(truth),
        "frames_dropped": int((~valid.flatten(1).any(1)).sum()),
    }
    if benchmark.pooling == Pooling.PIXELS:
        meta["pixels"] = int(valid.sum())
    if benchmark.flow_metrics and flow is None:
        meta["flow"] = NO_FLOW
    if clip.sources:
        meta["sources"] = dict(clip.sources)
    nothing: dict[str, float | None] = dict.fromkeys(_names(benchmark, clip))
    if len(prediction.values) != len(truth):
        meta["invalid"] = f"{len(prediction.values)} frames predicted, the clip has {len(truth)}"
        return nothing, meta
    if prediction.values.shape != truth.shape:
        meta["resized_from"] = list(prediction.values.shape[1:])
        prediction = _resize(prediction, *truth.shape[1:])

    depth = align_to_depth(prediction, truth, valid, benchmark.min_depth, benchmark.max_depth, alignment)
    averages = _averages(benchmark, clip, depth, truth, valid, flow)
    return nothing | {name: finite(average.value) for name, average in averages.items()}, meta


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """One JSON object per line, written whole or not at all; a number that is not finite becomes null."""
    with atomic_file(path) as temporary, temporary.open("w") as file:
        for row in rows:
            strict = {**row, "metrics": {name: finite(value) for name, value in row["metrics"].items()}}
            file.write(json.dumps(strict, allow_nan=False) + "\n")


def read_rows(path: Path) -> list[Row]:
    """Rows of a rows.jsonl; InputError names the first line that is not one."""
    if not path.is_file():
        raise InputError(path, expected="a rows.jsonl", found="no such file", fix="give a folder that eval.py wrote")
    lines = path.read_text(errors="replace").splitlines()
    return [_parse_row(line, f"{path} line {number}") for number, line in enumerate(lines, start=1)]


def _prediction_files(benchmark: Benchmark, folder: Path, method: str | None) -> dict[str, dict[str, Path]]:
    """method -> item -> file."""
    items = benchmark.source.ids()
    folders = _method_folders(folder, items, method)
    if not folders:
        raise InputError(
            folder,
            expected="<item>.npz or <method>/<item>.npz",
            found="no predictions",
            fix=f"write one file per item, the first is {items[0]}.npz" if items else "give a benchmark with items",
        )
    files = {name: _found(path, items) for name, path in folders.items()}
    for name, path in folders.items():
        require_all(path, items, files[name], "<item>.npz")
    return files


def require_all(folder: Path, items: Sequence[str], found: Collection[str], each: str) -> None:
    """Refuses a method's folder that lacks items. each: what there is one of per item."""
    missing = [item for item in items if item not in found]
    if missing:
        raise InputError(
            folder,
            expected=f"{len(items)} predictions, one {each} each",
            found=f"{len(missing)} missing: {', '.join(missing[:10])}{', ...' if len(missing) > 10 else ''}",
            fix="predict them, or choose a benchmark without them",
        )


def _method_folders(folder: Path, items: Sequence[str], method: str | None) -> dict[str, Path]:
    """method -> its folder, be all items there or not."""
    name = method or folder.resolve().name
    if _found(folder, items):
        return {name: folder}
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    inside = [path for path in inside if path.is_dir() and next(path.rglob("*.npz"), None)]
    if inside and all(path.name.startswith(RESULTS) for path in inside):  # one method, one folder per data set
        of_this_set = [path for path in inside if _found(path, items)]
        if len(of_this_set) == 1:
            return {name: of_this_set[0]}
    return {path.name: path for path in inside}


def _found(folder: Path, items: Sequence[str]) -> dict[str, Path]:
    return {item: path for item in items if (path := found_prediction(folder, item))}


def _truth(benchmark: Benchmark, clip: Clip) -> tuple[Float[Tensor, "t h w"], Bool[Tensor, "t h w"]]:
    if clip.depth is None or clip.depth.kind is not DepthKind.METRIC:
        raise InputError(
            f"benchmark {benchmark.name}, item {clip.id}",
            expected="true depth in metres",
            found="none" if clip.depth is None else str(clip.depth.kind),
            fix="choose a source that has it",
        )
    truth = clip.depth.values.double()
    return truth, (truth > benchmark.min_depth) & (truth < benchmark.max_depth)


def _flow(benchmark: Benchmark, item: str) -> Flow | None:
    source = benchmark.source
    return source.backward_flow(item) if benchmark.flow_metrics and isinstance(source, FlowSource) else None


def _names(benchmark: Benchmark, clip: Clip) -> list[str]:
    temporal = benchmark.temporal_metrics if isinstance(clip.cameras, Pinhole) else ()
    return [metric.name for metric in (*benchmark.metrics, *temporal, *benchmark.flow_metrics)]


def _averages(
    benchmark: Benchmark,
    clip: Clip,
    depth: Float[Tensor, "t h w"],
    truth: Float[Tensor, "t h w"],
    valid: Bool[Tensor, "t h w"],
    flow: Flow | None,
) -> dict[str, Average]:
    """Of each metric for which all is known that it needs."""
    pooling = Pooling(benchmark.pooling)
    arranged = [pooling.arrange(maps) for maps in (depth, truth, valid)]
    averages = {metric.name: metric(*arranged) for metric in benchmark.metrics}
    if isinstance(cameras := clip.cameras, Pinhole):
        averages |= {metric.name: metric(depth, truth, valid, cameras) for metric in benchmark.temporal_metrics}
    if flow is not None:
        averages |= {metric.name: metric(depth, truth, valid, clip.video, flow) for metric in benchmark.flow_metrics}
    return averages


def _alignment(benchmark: Benchmark, kind: DepthKind, path: Path) -> Alignment:
    try:
        return lawful_alignment(kind, Alignment(benchmark.alignment) if benchmark.alignment else None)
    except ValueError as error:
        raise InputError(
            path,
            expected=f"a prediction that benchmark {benchmark.name} can align",
            found=str(error),
            fix="predict another kind or set the benchmark's alignment",
        ) from error


def _resize(prediction: DepthVideo, height: int, width: int) -> DepthVideo:
    """Bilinear without anti-aliasing, pixel centres at +0.5: step 1 of DepthCrafter's evaluation."""
    values = interpolate(prediction.values[:, None], size=(height, width), mode="bilinear", align_corners=False)[:, 0]
    return DepthVideo(values=values, kind=prediction.kind)


def finite(value: float | None) -> float | None:
    """None for what JSON has no number for."""
    return value if value is not None and math.isfinite(value) else None


def _parse_row(line: str, subject: str) -> Row:
    try:
        row = json.loads(line, parse_constant=_refuse_constant)
        if not isinstance(row, dict) or set(row) != set(Row.__annotations__):
            raise ValueError(f"not an object with exactly the keys {', '.join(Row.__annotations__)}")
        if not all(isinstance(row[key], str) for key in ("benchmark", "item", "method")):
            raise ValueError("benchmark, item or method is not a string")
        if not isinstance(row["meta"], dict) or not isinstance(row["metrics"], dict):
            raise ValueError("metrics or meta is not an object")
        if not all(value is None or type(value) in (int, float) for value in row["metrics"].values()):
            raise ValueError("a metric is neither a number nor null")
    except ValueError as error:
        raise InputError(subject, expected="a row of JSON", found=str(error), fix="score again") from error
    return Row(**row)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name}, which is not JSON")
