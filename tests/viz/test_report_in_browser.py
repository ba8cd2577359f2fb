"""The report in a real browser, which cannot reach any network."""

import pytest
from browser import browser_page
from small_reports import FIGURES, small_report

from turnaround.viz.report_page import write_report

LONG = "a_very_long_name_of_a_photo_without_any_space_" * 4 + ".jpg"
NARROW, WIDE = 360, 1400


@pytest.fixture(scope="module")
def tab():
    with browser_page() as page:
        yield page


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, small_report(photo=LONG, licence=f"https://licence.example/{LONG} <b>all</b>"))
    return path


@pytest.mark.parametrize(("width", "scheme"), [(NARROW, "light"), (800, "light"), (WIDE, "light"), (WIDE, "dark")])
def test_the_report_is_whole_and_fits(tab, path, width, scheme):
    tab.open(path, width=width, scheme=scheme)
    assert tab.evaluate("document.querySelector('h1').innerText").startswith(
        "How does it figure out what it looks like"
    )
    shown = "[...document.images].filter(i => i.complete && i.naturalWidth && i.getBoundingClientRect().width > 60)"
    assert tab.evaluate(f"{shown}.length") == FIGURES
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    outside = f"[...document.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > {width + 1})"
    assert tab.evaluate(f"{outside}.map(e => e.tagName + '.' + e.className)") == []
    assert tab.complaints() == []
    assert tab.requested() == [path.resolve().as_uri()]


def test_steps_stand_side_by_side_or_below_each_other(tab, path):
    box = "(selector => document.querySelector('#stage-2 ' + selector).getBoundingClientRect())"
    tab.open(path, width=WIDE)
    assert tab.evaluate(f"{box}('.takes').right < {box}('.model').left && {box}('.model').right < {box}('.gives').left")
    tab.open(path, width=NARROW)
    assert tab.evaluate(f"{box}('.takes').bottom < {box}('.model').top && {box}('.model').bottom < {box}('.gives').top")


def test_the_style_is_applied_and_follows_the_scheme(tab, path):
    background = "getComputedStyle(document.body).backgroundColor"
    tab.open(path, width=WIDE)
    light = tab.evaluate(background)
    tab.open(path, width=WIDE, scheme="dark")
    assert (light, tab.evaluate(background)) == ("rgb(250, 249, 246)", "rgb(20, 24, 27)")


def test_the_video_plays(tab, path):
    tab.open(path, width=WIDE)
    playing = (
        "new Promise(r => { const v = document.querySelector('video'); v.ontimeupdate = () => v.currentTime && r(1)})"
    )
    assert tab.evaluate(playing) == 1
    video = "(v => [v.videoWidth, v.videoHeight, v.muted, v.loop, v.controls])(document.querySelector('video'))"
    assert tab.evaluate(video) == [64, 48, True, True, True]


def test_the_keyboard_reaches_the_text_first_and_then_the_video(tab, path):
    tab.open(path, width=WIDE)
    reached = []
    for _ in range(2):
        for kind in ("rawKeyDown", "keyUp"):
            tab.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        reached.append(tab.evaluate("document.activeElement.className || document.activeElement.tagName"))
    assert reached == ["skip", "VIDEO"]


def test_the_policy_stops_scripts_and_requests(tab, path, tmp_path):
    """What would happen if the escaping failed: the browser refuses, and complains of it."""
    evil = '<img src="https://tracker.example/x.png"><script>document.title = "taken"</script></body>'
    broken = tmp_path / "broken.html"
    broken.write_text(path.read_text().replace("</body>", evil))
    tab.open(broken, width=WIDE)
    assert tab.evaluate("document.title").startswith("Orbit of")
    assert tab.complaints() != []
    assert not any("tracker.example" in str(answer) for answer in tab.told("Network.responseReceived"))
