"""Bars of a histogram, counted."""

import re

from turnaround.viz.histogram import FOOT, HEIGHT, WIDTH, histogram


def bars(drawing):
    return [tuple(map(float, found)) for found in re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width', drawing)]


def test_each_value_stands_in_its_bar():
    drawing = histogram([0.0, 0.1, 0.1, 1.0], label="metres", bins=2)
    assert bars(drawing) == [(0.0, 0.0), (WIDTH / 2, round((HEIGHT - FOOT) * 2 / 3, 1))]
    assert "0 to 0.5: 3" in drawing
    assert "metres: 4 values, median 0.1" in drawing


def test_what_is_not_finite_is_left_out_and_nothing_is_no_bar():
    assert "2 values" in histogram([1.0, float("nan"), float("inf"), 2.0], label="x")
    assert bars(histogram([], label="x")) == []
    assert "x: none" in histogram([float("nan")], label="x")
    assert len(bars(histogram([3.0], label="x"))) == 1


def test_words_are_escaped():
    assert "&lt;b&gt;" in histogram([1.0], label="<b>")
