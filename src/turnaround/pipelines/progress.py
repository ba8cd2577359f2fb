"""How far long work is, and how long it will take."""

from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text


class AverageTimeLeft(ProgressColumn):
    """The ETA by the speed since the start: results come in bursts, at which rich's own estimate jumps."""

    def render(self, task: Task) -> Text:
        if not task.total or not task.completed or task.elapsed is None:
            return Text("eta -:--:--")
        seconds = task.elapsed / task.completed * (task.total - task.completed)
        return Text(f"eta {timedelta(seconds=round(seconds))}")


def progress_bar() -> Progress:
    """On stderr."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        AverageTimeLeft(),
    )
    return Progress(*columns, console=Console(stderr=True))
