import csv
import html.parser
import io

import pytest
import torch
from rich.console import Console

from turnaround.evaluation.compare import bootstrap, compare, higher_is_better
from turnaround.evaluation.tables import to_csv, to_html, to_latex, to_markdown, to_rich, write_tables
from turnaround.types import InputError


def make_row(method, item, benchmark="little", **metrics):
    return {"benchmark": benchmark, "item": item, "method": method, "metrics": metrics, "meta": {}}


RUN = [
    make_row("ours", "x", abs_rel=0.1, delta1=0.9),
    make_row("ours", "y", abs_rel=0.3, delta1=0.7),
    make_row("constant", "x", abs_rel=0.4, delta1=0.8),
    make_row("constant", "y", abs_rel=0.6, delta1=0.6),
]
AGAIN = [make_row("ours", "x", abs_rel=0.2, delta1=0.9), make_row("ours", "y", abs_rel=0.4, delta1=0.7)]


def test_bootstrap_of_identical_values_is_a_point():
    interval = bootstrap(torch.full((7,), 0.1, dtype=torch.float64), seed=0)
    assert interval.low == interval.high
    assert interval.mean == pytest.approx(0.1, abs=1e-15)


def test_bootstrap_matches_the_normal_interval_and_its_seed():
    values = torch.randn(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    interval = bootstrap(values, seed=0)
    half = 1.96 * values.std().item() / 20
    # 2000 resamples place a 2.5 % quantile to about 5 % of the half width.
    assert interval.low == pytest.approx(interval.mean - half, abs=0.2 * half)
    assert interval.high == pytest.approx(interval.mean + half, abs=0.2 * half)
    assert bootstrap(values, seed=0) == interval
    assert bootstrap(values, seed=1) != interval


def test_means_and_paired_differences():
    (table,) = compare([RUN], baseline="constant", seed=0)
    ours, constant = table.cells["ours"]["abs_rel"], table.cells["constant"]["abs_rel"]
    assert ours.estimate.mean == pytest.approx(0.2)
    assert (ours.estimate.low, ours.estimate.high) == pytest.approx((0.1, 0.3))
    assert ours.sd is None
    # Both items differ by 0.3, so pairing leaves no spread.
    assert (ours.difference.mean, ours.difference.low, ours.difference.high) == pytest.approx((-0.3, -0.3, -0.3))
    assert constant.difference.mean == 0
    assert (ours.best, constant.best) == (True, False)
    assert table.cells["ours"]["delta1"].best


def test_spread_over_runs():
    (table,) = compare([RUN, AGAIN], baseline=None, seed=0)
    ours = table.cells["ours"]["abs_rel"]
    assert ours.estimate.mean == pytest.approx(0.25)
    assert ours.sd == pytest.approx(0.1 / 2**0.5)
    assert ours.difference is None
    assert table.cells["constant"]["abs_rel"].sd is None


def test_missing_values_are_shown_and_cannot_win():
    rows = [*RUN, make_row("partial", "x", abs_rel=0.2, delta1=0.99), make_row("partial", "y", abs_rel=None)]
    (table,) = compare([rows], baseline="constant", seed=0)
    partial = table.cells["partial"]["abs_rel"]
    assert (partial.items, partial.wanted, partial.best) == (1, 2, False)
    assert table.cells["ours"]["abs_rel"].estimate.mean == partial.estimate.mean  # a tie that it may not share
    assert [table.cells[method]["delta1"].best for method in ("ours", "partial")] == [True, False]
    assert partial.difference.mean == pytest.approx(-0.2)
    assert "0.2000 [0.2000, 0.2000] (1/2)" in to_markdown([table])
    (table,) = compare([RUN, AGAIN[:1]], baseline=None, seed=0)
    assert table.cells["ours"]["abs_rel"].items == 1  # y has no value in the second run


def test_benchmarks_are_kept_apart():
    other = [make_row("ours", "x", benchmark="other", tae=None)]
    little, empty = compare([RUN, other], baseline="constant", seed=0)
    assert little.cells["ours"]["abs_rel"].sd is None
    assert empty.cells == {"ours": {}}
    assert "| ours | n/a |" in to_markdown([empty])


def test_bad_requests():
    with pytest.raises(InputError, match="expected one of ours, constant, found plane"):
        compare([RUN], baseline="plane", seed=0)
    with pytest.raises(InputError, match="several of ours, x"):
        compare([RUN + RUN], baseline=None, seed=0)


def test_direction():
    assert [higher_is_better(name) for name in ("delta1", "abs_rel", "tae", "silog")] == [True, False, False, False]


def test_markdown():
    text = to_markdown(compare([RUN], baseline="constant", seed=0))
    assert text.splitlines()[:6] == [
        "### little: mean over items [95 % bootstrap interval]",
        "",
        "| method | abs_rel ↓ | delta1 ↑ |",
        "| --- | --- | --- |",
        "| ours | **0.2000 [0.1000, 0.3000]** | **0.8000 [0.7000, 0.9000]** |",
        "| constant | 0.5000 [0.4000, 0.6000] | 0.7000 [0.6000, 0.8000] |",
    ]
    assert "| ours | -0.3000 [-0.3000, -0.3000] | 0.1000 [0.1000, 0.1000] |" in text


def test_names_cannot_break_a_table():
    rows = [make_row("<b>a|b_50%[red]", "x", abs_rel=0.5)]
    tables = compare([rows], baseline=None, seed=0)
    assert "&lt;b&gt;a\\|b_50%[red]" in to_markdown(tables)
    assert r"<b>a|b\_50\%[red]" in to_latex(tables)
    assert "<td>&lt;b&gt;a|b_50%[red]</td>" in to_html(tables)
    console = Console(file=io.StringIO(), width=200)
    console.print(to_rich(tables))
    assert "<b>a|b_50%[red]" in console.file.getvalue()


def test_csv_holds_full_precision():
    lines = list(csv.DictReader(io.StringIO(to_csv(compare([RUN, AGAIN], baseline="constant", seed=0)))))
    ours = next(line for line in lines if line["method"] == "ours" and line["metric"] == "abs_rel")
    assert float(ours["mean"]) == pytest.approx(0.25, abs=1e-15)
    assert float(ours["sd"]) == pytest.approx(0.1 / 2**0.5, abs=1e-15)
    assert ours["items"] == "2"


def test_every_format_is_written_whole(tmp_path):
    tables = compare([RUN, AGAIN], baseline="constant", seed=0)
    for suffix in (".md", ".tex", ".csv", ".html"):
        write_tables(tmp_path / f"compare{suffix}", tables)
    assert (tmp_path / "compare.md").read_text(encoding="utf-8") == to_markdown(tables)
    latex = (tmp_path / "compare.tex").read_text(encoding="utf-8")
    assert latex.count(r"\begin{tabular}{lcc}") == latex.count(r"\end{tabular}") == 2
    assert r"\textbf{0.2500 [0.1500, 0.3500] $\pm$ 0.0707}" in latex
    tags = []
    parser = html.parser.HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append(tag)
    parser.feed((tmp_path / "compare.html").read_text(encoding="utf-8"))
    assert (tags.count("table"), tags.count("tr"), tags.count("td")) == (2, 5, 9)


def test_many_metrics_are_rows():
    values = {f"error_{number:02d}": number / 16 for number in range(11)}
    rows = [make_row(method, "a", **values) for method in ("ours", "other")]
    lines = to_markdown(compare([rows], baseline=None, seed=0)).splitlines()
    assert lines[2] == "| metric | ours | other |"
    assert lines[4].startswith("| error_00 ↓ | **0.0000 [0.0000, 0.0000]** | **0.0000")
    assert len(lines) == 4 + 11
