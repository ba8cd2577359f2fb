"""How compared methods are shown: Markdown, LaTeX, HTML, CSV and the terminal."""

import csv
import html
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import rich.table
from rich.console import Group
from rich.text import Text

from turnaround.evaluation.compare import Cell, Interval, Table, higher_is_better
from turnaround.io.atomic import atomic_file

ABSENT = "n/a"
MOST_COLUMNS = 10  # of metrics; more of them are rows
LATEX = str.maketrans(
    {c: f"\\{c}" for c in "_%&#${}"}
    | {"\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}"}
    | {"±": r"$\pm$", "↓": r"$\downarrow$", "↑": r"$\uparrow$"}
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    text: str
    bold: bool = False


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table as it is printed; the first column holds the methods, or the metrics where these are many."""

    title: str
    header: Sequence[str]
    lines: Sequence[Sequence[Entry]]


def grids(tables: Sequence[Table]) -> list[Grid]:
    """The values of each table and, where there is a baseline, the differences to it below them."""
    printed = []
    for table in tables:
        title = f"{table.benchmark}: mean over items [95 % bootstrap interval]"
        printed.append(_grid(table, title, table.cells, _value))
        if table.baseline in table.cells:
            title = f"{table.benchmark}: paired difference to {table.baseline} [95 % bootstrap interval]"
            others = [method for method in table.cells if method != table.baseline]
            printed.append(_grid(table, title, others, _difference))
    return printed


def _grid(table: Table, title: str, methods: Iterable[str], entry: Callable[[Cell], Entry]) -> Grid:
    def shown(method: str, metric: str) -> Entry:
        cell = table.cells[method].get(metric)
        return entry(cell) if cell else Entry(text=ABSENT)

    named = {metric: f"{metric} {'↑' if higher_is_better(metric) else '↓'}" for metric in table.metrics}
    methods = list(methods)
    if len(named) > MOST_COLUMNS:
        lines = [[Entry(text=name), *(shown(method, metric) for method in methods)] for metric, name in named.items()]
        return Grid(title=title, header=["metric", *methods], lines=lines)
    lines = [[Entry(text=method), *(shown(method, metric) for metric in named)] for method in methods]
    return Grid(title=title, header=["method", *named.values()], lines=lines)


def _value(cell: Cell) -> Entry:
    spread = "" if cell.sd is None else f" ± {cell.sd:.4f}"
    partial = "" if cell.items == cell.wanted else f" ({cell.items}/{cell.wanted})"
    return Entry(text=f"{_interval(cell.estimate)}{spread}{partial}", bold=cell.best)


def _difference(cell: Cell) -> Entry:
    return Entry(text=_interval(cell.difference) if cell.difference else ABSENT)


def _interval(interval: Interval) -> str:
    return f"{interval.mean:.4f} [{interval.low:.4f}, {interval.high:.4f}]"


def to_markdown(tables: Sequence[Table]) -> str:
    def show(entry: Entry) -> str:
        text = html.escape(entry.text, quote=False).replace("|", "\\|")
        return f"**{text}**" if entry.bold else text

    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |\n"

    return "\n".join(
        f"### {grid.title}\n\n"
        + line(grid.header)
        + line(["---"] * len(grid.header))
        + "".join(line(map(show, entries)) for entries in grid.lines)
        for grid in grids(tables)
    )


def to_latex(tables: Sequence[Table]) -> str:
    """One tabular per grid, its title in a comment; no package is needed."""

    def show(entry: Entry) -> str:
        text = entry.text.translate(LATEX)
        return f"\\textbf{{{text}}}" if entry.bold else text

    def line(entries: Iterable[Entry]) -> str:
        return f"{' & '.join(map(show, entries))} \\\\\n"

    return "\n".join(
        f"% {grid.title}\n\\begin{{tabular}}{{l{'c' * (len(grid.header) - 1)}}}\n\\hline\n"
        + line(Entry(text=text) for text in grid.header)
        + "\\hline\n"
        + "".join(line(entries) for entries in grid.lines)
        + "\\hline\n\\end{tabular}\n"
        for grid in grids(tables)
    )


def to_html(tables: Sequence[Table]) -> str:
    def show(entry: Entry) -> str:
        text = html.escape(entry.text)
        return f"<td><b>{text}</b></td>" if entry.bold else f"<td>{text}</td>"

    body = "".join(
        f"<h3>{html.escape(grid.title)}</h3>\n<table>\n<tr>"
        + "".join(f"<th>{html.escape(text)}</th>" for text in grid.header)
        + "</tr>\n"
        + "".join(f"<tr>{''.join(map(show, entries))}</tr>\n" for entries in grid.lines)
        + "</table>\n"
        for grid in grids(tables)
    )
    return f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Comparison</title>\n{body}</html>\n'


def to_csv(tables: Sequence[Table]) -> str:
    """One line per benchmark, method and metric, in full precision."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    numbers = ["mean", "low", "high", "sd", "items", "wanted", "difference", "difference_low", "difference_high"]
    writer.writerow(["benchmark", "method", "metric", *numbers])
    for table in tables:
        for method, cells in table.cells.items():
            for metric, cell in cells.items():
                e, d = cell.estimate, cell.difference
                difference = (d.mean, d.low, d.high) if d else (None, None, None)
                values = (e.mean, e.low, e.high, cell.sd, cell.items, cell.wanted, *difference)
                writer.writerow([table.benchmark, method, metric, *values])
    return file.getvalue()


def to_rich(tables: Sequence[Table]) -> Group:
    """For the terminal."""
    printed = []
    for grid in grids(tables):
        terminal = rich.table.Table(title=Text(grid.title))
        for text in grid.header:
            terminal.add_column(Text(text))
        for entries in grid.lines:
            terminal.add_row(*(Text(entry.text, style="bold" if entry.bold else "") for entry in entries))
        printed.append(terminal)
    return Group(*printed)


WRITERS = {".md": to_markdown, ".tex": to_latex, ".csv": to_csv, ".html": to_html}


def write_tables(path: Path, tables: Sequence[Table]) -> None:
    """Write the tables in the format that the path's suffix, one of WRITERS, names."""
    with atomic_file(path) as temporary:
        temporary.write_text(WRITERS[path.suffix](tables), encoding="utf-8")
