"""What a run was: its name, code, versions, seed, machine, time and memory (`record.json`)."""

import hashlib
import importlib.metadata
import json
import math
import os
import platform
import re
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import torch
from hydra.core.hydra_config import HydraConfig

from turnaround.io.atomic import atomic_file

PACKAGES = (
    *("turnaround", "torch", "torchvision", "pytorch-lightning", "hydra-core", "omegaconf", "wandb", "diffusers"),
    *("transformers", "numpy", "scipy", "opencv-python-headless", "av", "safetensors", "lpips", "torchmetrics"),
)
PACKAGE_FOLDER = Path(__file__).resolve().parents[1]
NAME_LENGTH = 80
Status = Literal["running", "done", "failed"]


def write_text(path: Path, text: str) -> None:
    """Writes the whole file or nothing."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def strict(value: Any) -> Any:
    """The value as strict JSON can say it: NaN and infinities become null, paths and others become text."""
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(strict(value), indent=2, allow_nan=False) + "\n")


def overrides() -> list[str]:
    """The command line of this job without Hydra's own keys; empty where no main runs."""
    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


def run_name(given: Sequence[str], *, without: Sequence[str] = ()) -> str:
    """A file name from overrides: `net=tiny`, `trainer.max_steps=3` give `net-tiny_max_steps-3`.

    Leaves out `out`, the keys in `without` and values that are paths; at most 80 characters, distinct when cut.
    The result holds nothing that Hydra's grammar would want quoted, so that it can stand in a later override.
    """
    parts = []
    for override in given:
        key, _, value = override.lstrip("+~").partition("=")
        if key in ("out", *without) or os.sep in value:
            continue
        part = f"{key.rpartition('.')[2]}-{value}" if value else f"no-{key}"
        parts.append(re.sub(r"[^A-Za-z0-9_.+]+", "-", part).strip("-._"))
    name = "_".join(parts) or "default"
    if len(name) <= NAME_LENGTH:
        return name
    return f"{name[: NAME_LENGTH - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class Record:
    """The facts of one run: taken when it starts, completed each time it is written."""

    def __init__(self, *, seed: int | None):
        self._started = datetime.now().astimezone()
        self._facts = {
            "overrides": overrides(),
            "seed": seed,
            "git": _git(),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "packages": {name: _version(name) for name in PACKAGES},
            "hardware": _hardware(),
            "weights": [],
        }

    def write(self, path: Path, *, status: Status, facts: Mapping[str, Any]) -> None:
        """facts: what the job adds, for example `weights`: a list of {"name", "source", "licence"}."""
        now = datetime.now().astimezone()
        timing = {
            "status": status,
            "start": self._started.isoformat(timespec="seconds"),
            "end": None if status == "running" else now.isoformat(timespec="seconds"),
            "seconds": round((now - self._started).total_seconds(), 3),
            "peak_memory_bytes": _peak_memory(),
            "gpu_peak_memory_bytes": _gpu_peak_memory(),
        }
        write_json(path, timing | self._facts | dict(facts))


def _git() -> dict[str, Any]:
    """The state of the repository this package belongs to; "unknown" where it belongs to none."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(PACKAGE_FOLDER), *arguments]
        return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout.decode(errors="replace")

    try:
        # An installed copy may lie inside another project's repository: that one's commit would be a wrong answer.
        git("ls-files", "--error-unmatch", "__init__.py")
        return {
            "commit": git("rev-parse", "HEAD").strip(),
            "branch": git("rev-parse", "--abbrev-ref", "HEAD").strip(),
            "dirty": bool(git("status", "--porcelain").strip()),
            "diff_sha256": hashlib.sha256(git("diff", "HEAD").encode()).hexdigest(),
        }
    except (OSError, subprocess.SubprocessError):
        return dict.fromkeys(("commit", "branch", "dirty", "diff_sha256"), "unknown")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _hardware() -> dict[str, Any]:
    try:
        names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        names = []
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": [torch.cuda.get_device_name(gpu) for gpu in gpus],
    }


def _peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB


def _gpu_peak_memory() -> int | None:
    if not torch.cuda.is_initialized():
        return None
    return max(torch.cuda.max_memory_allocated(gpu) for gpu in range(torch.cuda.device_count()))
