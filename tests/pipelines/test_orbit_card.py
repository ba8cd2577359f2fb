"""What the report of a small orbit says of it, and when it is written."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from small_orbits import SETTING, small_orbit

from turnaround.metrics.base import Average
from turnaround.pipelines.orbit.account import Account
from turnaround.pipelines.orbit.card import Card, Coverage, Limits, Measured
from turnaround.pipelines.orbit.exports.export import Exports, Finished
from turnaround.pipelines.orbit.exports.pictures import Gif, Mp4
from turnaround.pipelines.orbit.exports.report import ReportPage
from turnaround.types import InputError
from turnaround.viz.report import Verdict

LESS, MORE = Limits(good=1.0, fair=2.0), Limits(good=0.9, fair=0.5)


@dataclass(frozen=True, kw_only=True)
class Says:
    """A metric with a given value."""

    value: float
    name = "says"

    def __call__(self, video, filled, depth, cameras) -> Average:
        return Average(sum=self.value, count=1)


def measured(value):
    return Measured(
        name="Something", unit="metres", meaning="Nothing.", needs="a ruler", metric=Says(value=value), limits=LESS
    )


def card(*values):
    return Card(
        loop=LESS,
        jumps=LESS,
        depth=LESS,
        speed=MORE,
        timed=2,
        trusted=0.2,
        coverage=Coverage(sectors=36, invented=0.5, limits=MORE),
        measured={"none": None} | {str(number): measured(value) for number, value in enumerate(values)},
    )


@pytest.fixture(scope="module")
def finished():
    orbit, cache = small_orbit()
    return Finished(orbit=orbit, cache=cache, setting=SETTING)


def test_limits_are_upper_or_lower_ones():
    values = (0.0, 1.0, 1.5, 2.0, 2.1, math.nan)
    good, fair, poor = Verdict.GOOD, Verdict.FAIR, Verdict.POOR
    assert [LESS.verdict(value) for value in values] == [good, good, fair, fair, poor, Verdict.UNMEASURED]
    assert [MORE.verdict(value) for value in (1.0, 0.9, 0.6, 0.5, 0.4)] == [good, good, fair, fair, poor]
    assert [LESS.verdict(value) for value in (math.inf, -math.inf)] == [poor, good]


def test_sectors_count_where_a_camera_saw_enough():
    coverage = Coverage(sectors=4, invented=0.5, limits=MORE)
    degrees = torch.tensor([0.0, 44.0, -44.0, 90.0, 180.0, 181.0])  # ahead three times, right, behind twice; none left
    invented = torch.tensor([0.0, 0.0, 0.9, 0.5, 0.2, 0.7])  # means: 0.3, 0.5, 0.45
    shares = torch.stack([1 - invented, torch.zeros(6), invented], dim=1)
    assert coverage.covered(degrees, shares) == 2
    assert replace(coverage, invented=0.51).covered(degrees, shares) == 3
    assert replace(coverage, invented=0.4).covered(degrees, shares) == 1


def test_the_loop_is_told_of_closed_paths_only(finished):
    closed = replace(finished, setting=replace(SETTING, closed=True))
    names = [[line.name for line in card().lines(each, [])] for each in (finished, closed)]
    assert "Loop" not in names[0]
    assert sorted(names[1]) == sorted([*names[0], "Loop"])


def test_lines_say_values_with_units_and_what_is_needed(finished):
    lines = {line.name: line for line in card(1.5, math.nan).lines(finished, [{"residual": 0.5}, {"residual": 1.5}])}
    assert (lines["Something"].value, lines["Something"].verdict) == ("not measured: a ruler", Verdict.UNMEASURED)
    first = card(1.5).lines(finished, [])[-2]
    assert (first.value, first.verdict) == ("1.5 metres", Verdict.FAIR)
    assert lines["Depth of what was painted"].value == "median error 150.0% where known"
    assert lines["Frames in between"].value.endswith(" per second")
    assert lines["Sides that hold"].value.endswith(" of 36 directions")


def account():
    return Account(name="photo.png", figures=[], seconds={}, models=("one", "other"), weights=[], warnings=["beware"])


class Fails(Gif):
    def write(self, out, finished):
        assert (out / "report.html").is_file()
        raise InputError("orbit", expected="a reason", found="none", fix="none")


def test_the_page_appears_with_all_files_or_not_at_all(tmp_path, finished):
    page = ReportPage(account=account(), card=card())
    given = (finished.orbit, finished.cache, SETTING)
    with pytest.raises(InputError, match="expected a reason"):
        Exports(files={"page": page, "last": Fails(side=8)}).write(tmp_path, *given)
    assert list(tmp_path.iterdir()) == []
    Exports(files={"mp4": Mp4()}).with_file("page", page).write(tmp_path, *given)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["orbit.mp4", "report.html"]
    text = (tmp_path / "report.html").read_text()
    assert all(words in text for words in ("photo.png", "beware", 'href="orbit.mp4"', "data:image/jpeg;base64,"))


def test_a_page_alone_holds_the_film_and_names_no_file(tmp_path, finished):
    page = ReportPage(account=account(), card=card())
    Exports(files={"page": page}).write(tmp_path, finished.orbit, finished.cache, SETTING)
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    text = (tmp_path / "report.html").read_text()
    assert "data:video/mp4;base64," in text
    assert "orbit.mp4" not in text
