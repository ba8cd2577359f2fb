"""Where numbers and pictures of a run go: `metrics.jsonl` always, W&B as configured."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, cast, get_args, runtime_checkable

import wandb
import yaml
from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning.loggers import Logger, WandbLogger

from turnaround.run.record import overrides, run_name, strict, write_text
from turnaround.types import InputError

Mode = Literal["offline", "online"]
TAG_LENGTH = 64  # W&B refuses longer ones


class JsonlLogger(Logger):
    """One line of strict JSON per call: {"step": …, name: value, …}; NaN and infinities are null.

    resume_step: steps the resumed checkpoint has behind it. Lines of later steps, and a line a kill cut short, are
    dropped, for these steps will be taken again. 0 starts the file anew.
    """

    def __init__(self, path: Path, *, resume_step: int):
        super().__init__()
        self.path = path
        self._keep_before(resume_step)

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        line = json.dumps(strict({"step": step, **metrics}), allow_nan=False)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """`config.yaml` holds them."""

    @rank_zero_only
    def _keep_before(self, step: int) -> None:
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        whole = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        write_text(self.path, "".join(line for line in whole if json.loads(line)["step"] < step))


@runtime_checkable
class Tracker(Protocol):
    """What a config's `logger` builds. Nothing is written or sent before `start`."""

    def start(self, out: Path) -> Sequence[Logger]: ...

    def log_metrics(self, metrics: Mapping[str, float | None], *, step: int | None = None) -> None: ...

    def log_table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None: ...

    def log_video(self, name: str, path: Path, *, step: int | None = None) -> None: ...

    def finish(self, *, failed: bool) -> None: ...


class Untracked:
    """No W&B (`logger=none`)."""

    def start(self, out: Path) -> Sequence[Logger]:
        return []

    def log_metrics(self, metrics: Mapping[str, float | None], *, step: int | None = None) -> None:
        pass

    def log_table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        pass

    def log_video(self, name: str, path: Path, *, step: int | None = None) -> None:
        pass

    def finish(self, *, failed: bool) -> None:
        pass


class WandbRun:
    """A W&B run in `out/wandb`. Its name and tags are the overrides of the command line; its group is the name without
    the seed, so that seeds of one setting lie together; its config is `out/config.yaml`.

    mode: "offline" needs no account and no network (`wandb sync` sends the run later); "online" sends as it goes.
    """

    def __init__(self, *, project: str, mode: str):
        if mode not in get_args(Mode):
            expected = " or ".join(get_args(Mode))
            raise InputError("logger.mode", expected=expected, found=mode, fix="or choose logger=none")
        self.project = project
        self.mode: Mode = cast(Mode, mode)
        self._run: wandb.Run | None = None

    def start(self, out: Path) -> Sequence[Logger]:
        """The Lightning logger; none in processes other than the first."""
        if rank_zero_only.rank != 0:
            return []
        config, given = out / "config.yaml", overrides()
        settings = wandb.Settings(silent=True, console="off", disable_git=True)  # `record.json` knows the git state
        try:
            self._run = wandb.init(
                project=self.project,
                mode=self.mode,
                dir=out,
                name=run_name(given),
                group=run_name(given, without=["seed"]),
                tags=[override[:TAG_LENGTH] for override in given],
                config=yaml.safe_load(config.read_text(encoding="utf-8")) if config.exists() else {},
                settings=settings,
            )
        except wandb.Error as error:
            fix = "run `wandb login`, or choose logger.mode=offline"
            raise InputError("logger.mode", expected="a W&B account", found=str(error), fix=fix) from error
        self._run.define_metric("trainer/global_step")
        self._run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        return [WandbLogger(experiment=self._run, project=self.project)]

    @property
    def id(self) -> str | None:
        return self._run.id if self._run else None

    def log_metrics(self, metrics: Mapping[str, float | None], *, step: int | None = None) -> None:
        self._log({name: value for name, value in metrics.items() if value is not None}, step)

    def log_table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """rows: flat; a column for each key that any of them has."""
        columns = dict.fromkeys(key for row in rows for key in row)
        table = wandb.Table(columns=[*columns], data=[[row.get(key) for key in columns] for row in rows])
        self._log({name: table}, None)

    def log_video(self, name: str, path: Path, *, step: int | None = None) -> None:
        """path: an encoded .mp4, .webm, .ogg or .gif; W&B would want moviepy to encode one itself."""
        self._log({name: wandb.Video(str(path))}, step)

    def finish(self, *, failed: bool) -> None:
        if self._run is not None:
            self._run.finish(exit_code=int(failed))

    def _log(self, values: Mapping[str, Any], step: int | None) -> None:
        if self._run is not None:
            self._run.log({**values} if step is None else {**values, "trainer/global_step": step})


def build_loggers(tracker: Tracker, out: Path, *, resume_step: int) -> list[Logger]:
    """`metrics.jsonl` and what the tracker adds."""
    return [JsonlLogger(out / "metrics.jsonl", resume_step=resume_step), *tracker.start(out)]
