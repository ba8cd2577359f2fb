"""The way in of all three mains: command line, out folder, record, errors.

A root config is flat. Its `_target_` names the root object (`TrainRun`, …) and its keys are that object's arguments,
with these exceptions:

- `out` is the folder of results; the entry reads it and no constructor sees it. `seed` is read by the entry as well,
  which seeds torch, numpy and random with it before anything is built; constructors that name it get it.
- A key that other keys interpolate whole (`network: ${net}`) is built where it is used and nowhere else; the root
  object gets it as a plain mapping if its constructor names it, and does without it otherwise. `TrainRun` names `net`
  and writes it beside the weights. A key others interpolate in part (`${inference.steps}`) need not be named either.
- `_parts_` lists keys that are there for others to interpolate, whether or not the chosen configs do.
- Any other key that the constructor does not name is misspelt and fails with its name.

The root object has `run(out) -> metrics`, and may have a mapping `facts` that goes into `record.json` (for example
`weights`: a list of {"name", "source", "licence"}).
"""

import os
import random
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, Protocol, cast, runtime_checkable

import hydra
import numpy as np
import torch
import yaml
from hydra._internal.utils import get_args_parser
from hydra.conf import HydraConf, JobConf, RunDir, SweepDir
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from turnaround.io.atomic import unwritable
from turnaround.run.build import TARGET, build
from turnaround.run.errors import explain
from turnaround.run.record import Record, Status, overrides, run_name, write_json, write_text
from turnaround.types import InputError

DONE, BUG, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
CONFIG = "config.yaml"
BOOKKEEPING = {CONFIG, "record.json", "wandb"}
KINDS = ("pipeline", "task")  # keys of configs whose targets make another kind of run


@runtime_checkable
class Job(Protocol):
    def run(self, out: Path) -> Mapping[str, float | None]: ...


def main(config_name: str) -> None:
    """Runs `configs/<config_name>.yaml`, which lies beside the script, and exits. See the module's docstring."""
    script = Path(sys.modules["__main__"].__file__ or "").resolve()
    code = launch(config_name, script.parent / "configs", sys.argv[1:])
    sys.stdout.flush()
    os.dup2(2, 1)  # the folder's path stays the last line, whatever C's buffer still holds or libraries say at exit
    sys.exit(code)


def launch(config_name: str, configs: Path, arguments: Sequence[str]) -> int:
    """One command line, from composition to exit code; a sweep's is that of its worst job."""
    codes = []

    def job(config: DictConfig) -> None:
        # Only an interruption may leave this function: Hydra would print errors itself, and in a sweep drop them.
        codes.append(_guarded(lambda: run_job(config, config_name), configs))

    def command_line() -> int:
        parser = get_args_parser()
        parser.error = _refuse_argument
        parser.parse_args(arguments)
        with tempfile.TemporaryDirectory(prefix="turnaround-") as scratch:
            _keep_hydra_quiet(config_name, scratch)
            hydra.main(config_path=str(configs), config_name=config_name, version_base="1.3")(job)()
        return max(codes, default=DONE)

    # Hydra's main reads sys.argv, and prints composition errors itself over several lines with exit code 1 unless this
    # variable tells it to let them pass; its compose API would cost us --multirun, --cfg and --help.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv = [sys.argv[0], *arguments]
    return _guarded(command_line, configs, foreign=(ValueError,))


def run_job(config: DictConfig, config_name: str) -> int:
    """One job: its folder, its record, its result. What fails leaves no folder unless that holds results."""
    with _stdout_to_stderr():
        out, made = _prepare_out(config, config_name)
        try:
            _run_in(out, config)
        except BaseException:
            _remove_if_fruitless(out, made)
            raise
    if _is_leader():
        print(out, flush=True)
    return DONE


def _run_in(out: Path, config: DictConfig) -> None:
    record, job = Record(seed=config.get("seed")), None

    def note(status: Status) -> None:
        if _is_leader():
            record.write(out / "record.json", status=status, facts=getattr(job, "facts", {}))

    try:
        note("running")
        _seed(config.get("seed"))
        job = cast(Job, build(config))
        if _is_leader():
            write_text(out / CONFIG, _resolved_yaml(config, out))
        metrics = job.run(out)
        if _is_leader():
            write_json(out / "metrics.json", metrics)
        note("done")
    except BaseException:
        with suppress(InputError, OSError):  # the disk may be what failed
            note("failed")
        raise


def _guarded(action: Callable[[], int], configs: Path, *, foreign: tuple[type[Exception], ...] = ()) -> int:
    """Runs and turns errors into exit codes: bad input into one line on stderr, a bug into its traceback.

    foreign: errors that are bad input too, for want of a type of their own.
    """
    try:
        return action()
    except KeyboardInterrupt:
        _report("interrupted")
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        explained = explain(error, configs)
        if explained is None and isinstance(error, foreign):
            explained = InputError("command line", expected="key=value", found=str(error), fix="see --help")
        if explained is None:
            traceback.print_exc()
            return BUG
        _report(str(explained))
        return BAD_INPUT


def _report(line: str) -> None:
    if os.environ.get("TURNAROUND_TRACEBACK") == "1":
        traceback.print_exc()
    print(f"error: {line}", file=sys.stderr, flush=True)


def _refuse_argument(message: str) -> NoReturn:
    raise InputError("command line", expected="key=value or an option of --help", found=message, fix="see --help")


def _keep_hydra_quiet(name: str, scratch: str) -> None:
    """Hydra's own folders go to a scratch folder and its logging is left alone, so that a job writes only `out`.

    A config can still say otherwise: a launcher on a cluster wants a `hydra.sweep.dir` that all its machines see.
    """
    folders = {"run": RunDir(scratch), "sweep": SweepDir(dir=scratch, subdir="."), "output_subdir": None}
    node = HydraConf(job=JobConf(name=name), **folders)
    quiet = ({"hydra_logging": "none"}, {"job_logging": "none"})
    node.defaults = [item for item in node.defaults if not {"hydra_logging", "job_logging"} & set(item)] + [*quiet]
    ConfigStore.instance().store(group="hydra", name="config", node=node, provider="turnaround")


def _prepare_out(config: DictConfig, config_name: str) -> tuple[Path, list[Path]]:
    """The folder of this job, made and proven writable, and the folders that had to be made for it."""
    given, swept = config.get("out"), HydraConfig.get().mode == RunMode.MULTIRUN
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    out = Path("outputs", config_name, f"{stamp}_{run_name(overrides())}") if given is None else Path(str(given))
    if given is not None and swept:
        out /= str(HydraConfig.get().job.num)
    if not _is_leader():
        return out, []
    if given is not None:
        _require_own(out, config)
    made = []
    try:
        if given is None:
            out = _unused(out)
        made = [folder for folder in (out, *out.parents) if not folder.exists()]
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        _remove_if_fruitless(out, made)
        raise unwritable(out, str(error.strerror).lower()) from error
    if given is None and not swept:
        sys.argv.append(f"out={out}")  # processes that Lightning starts with this command line share the folder
    return (out if given is not None else out.absolute()), made


def _require_own(out: Path, config: DictConfig) -> None:
    """A folder may be used again by what goes on with it, not by a job of another kind, whose records would replace
    those that are there."""
    try:
        there = yaml.safe_load((out / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return
    if isinstance(there, Mapping) and TARGET in there and (kind := _kind(there)) != _kind(cast(Mapping, config)):
        fix = "give another out"
        raise InputError(f"out={out}", expected="no folder of another kind of run", found=f"one of {kind}", fix=fix)


def _kind(config: Mapping[str, Any]) -> str:
    """What a config builds."""
    targets = [config, *(part for name in KINDS if isinstance(part := config.get(name), Mapping))]
    return ", ".join(str(part.get(TARGET)) for part in targets)


def _unused(folder: Path) -> Path:
    """The folder, or its first numbered sibling that is free."""
    count, free = 1, folder
    while free.exists():
        count, free = count + 1, folder.with_name(f"{folder.name}_{count + 1}")
    return free


def _remove_if_fruitless(out: Path, made: Sequence[Path]) -> None:
    """Removes what this job made, if nothing but bookkeeping lies there."""
    if not made or not out.is_dir():
        return
    files = [path for path in out.rglob("*") if path.is_file() and path.stat().st_size > 0]
    if any(path.relative_to(out).parts[0] not in BOOKKEEPING for path in files):
        return
    for path in sorted(out.rglob("*"), reverse=True):
        path.unlink() if path.is_symlink() or not path.is_dir() else path.rmdir()
    for folder in made:
        with suppress(OSError):  # a parent that others have begun to use
            folder.rmdir()


def _resolved_yaml(config: DictConfig, out: Path) -> str:
    values = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
    return yaml.safe_dump(values | {"out": str(out)}, sort_keys=False, allow_unicode=True, width=120)


def _seed(seed: int | None) -> None:
    """Before anything is built, because networks draw their first weights then."""
    if seed is None:
        return
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError("seed", expected="a whole number from 0 to 2^32 - 1", found=str(seed), fix="give seed=0")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _is_leader() -> bool:
    """Of several processes that train together, only the first writes and prints."""
    ranks = (os.environ.get(name, "0") for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
    return all(rank == "0" for rank in ranks)


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Also for what subprocesses and C libraries print."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
