import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
import torch
from small_reports import FIGURES, orbit, small_report

from turnaround.types import InputError
from turnaround.viz.circle import AroundTheCircle, in_words
from turnaround.viz.report import FIGURE_SIDE, Figure, figure_jpeg, figure_png
from turnaround.viz.report_page import LARGEST_FILM, SECTIONS, to_html, write_report
from turnaround.viz.report_sources import ORBIT_SOURCES

HOSTILE = '<script>alert("x")</script>\'&.jpg'
LOADING = ("src", "srcset", "poster", "data", "background", "action", "formaction", "ping", "xlink:href")


class Elements(HTMLParser):
    """All start tags with their attributes, and all text outside of the style."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] != "style":
            self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page():
    return Elements(to_html(small_report()))


def test_every_section_is_there_once_in_order_and_linked(page):
    assert [section["id"] for section in page.all("section")] == list(SECTIONS)
    targets = {link["href"] for link in page.all("a")}
    assert {f"#{key}" for key in SECTIONS} <= targets
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {target[1:] for target in targets if target.startswith("#")} <= set(ids)


def test_what_the_report_says_is_on_the_page(page):
    report, text = small_report(), "".join(page.texts)
    told = [report.question, report.answer, report.verdict, *report.notes]
    told += [words for stage in report.stages for words in (stage.name, stage.does, stage.model)]
    told += [words for line in report.card for words in (line.name, line.value, line.meaning, line.verdict.value)]
    told += [words for source in report.sources for words in (source.stage, source.title, source.note)]
    told += [words for used in report.weights for words in (used.name, used.source, used.licence)]
    assert [words for words in told if words not in text] == []
    assert all(time in text for time in ("0.04 s", "2.3 s", "8.6 s", "1 min 37 s", "1 min 48 s"))


def test_sources_are_links_that_tell_nothing_of_the_reader(page):
    links = {link["href"]: link for link in page.all("a") if link["href"].startswith("https:")}
    assert set(links) == {address for source in ORBIT_SOURCES for address in (source.paper, source.repository)}
    assert all(link["rel"] == "noreferrer" for link in links.values())


def test_nothing_is_loaded_from_anywhere(page):
    loads = [attributes[name] for _, attributes in page.tags for name in LOADING if name in attributes]
    assert len(loads) == FIGURES + 2  # the pictures, the video and its poster
    assert all(load.startswith(("data:image/png;base64,", "data:video/mp4;base64,")) for load in loads)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") or name == "style" for _, attributes in page.tags for name in attributes)
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none'; img-src data:; media-src data:; style-src 'sha256-")


def test_hostile_names_and_licences_are_text():
    report = small_report(photo=HOSTILE, licence=HOSTILE)
    report = replace(report, film=replace(report.film, name=HOSTILE))
    elements = Elements(to_html(report))
    assert not elements.all("script")
    assert f"Orbit of {HOSTILE}" in elements.texts
    assert elements.texts.count(HOSTILE) >= 3  # the licence twice, the video's name


@pytest.mark.parametrize("address", ["javascript:alert(1)", "http://plain.example", '"><img src=x>'])
def test_an_address_that_is_not_secure_is_shown_but_no_link(address):
    source = replace(ORBIT_SOURCES[0], paper=address, repository="")
    elements = Elements(to_html(replace(small_report(), sources=[source])))
    assert not any(address in link["href"] for link in elements.all("a"))
    assert any(address in text for text in elements.texts)
    assert len(elements.all("img")) == FIGURES


def test_pictures_come_back_from_the_page(page):
    report = small_report()
    given = [figure for stage in report.stages for figure in (*stage.takes, *stage.gives)]
    shown = page.all("img")
    assert [b64decode(image["src"].partition(",")[2]) for image in shown] == [figure.picture for figure in given]
    assert [image["alt"] for image in shown] == [figure.caption for figure in given]
    assert {(image["width"], image["height"]) for image in shown} == {("64", "48")}


def test_a_small_picture_is_kept_exactly():
    image = torch.arange(3 * 2 * 5).reshape(3, 2, 5) / 255
    pixels = cv2.imdecode(np.frombuffer(figure_png(image), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.array_equal(pixels.transpose(2, 0, 1), np.arange(3 * 2 * 5).reshape(3, 2, 5))


@pytest.mark.parametrize(
    ("size", "smaller"), [((960, 1440), (320, 480)), ((1200, 10), (480, 4)), ((1, 4800), (1, 480))]
)
def test_a_large_picture_is_made_smaller(size, smaller):
    assert max(smaller) == FIGURE_SIDE
    pixels = cv2.imdecode(np.frombuffer(figure_png(torch.full((3, *size), 0.2)), np.uint8), cv2.IMREAD_COLOR)
    assert pixels.shape[:2] == smaller
    assert (pixels == 51).all()  # 0.2 * 255: the mean of one colour is that colour


def test_a_video_that_is_too_large_is_linked():
    report = small_report()
    elements = Elements(to_html(replace(report, film=replace(report.film, mp4=bytes(LARGEST_FILM + 1)))))
    assert not elements.all("video")
    assert {"href": "orbit.mp4"} in elements.all("a")
    assert len(elements.all("img")) == FIGURES + 1


def test_a_figure_that_is_no_picture_is_refused_by_its_caption():
    report = small_report()
    broken = replace(report.stages[0], gives=[Figure(caption="The photo", picture=b"GIF89a")])
    with pytest.raises(InputError, match="The photo: expected a PNG or a JPEG"):
        to_html(replace(report, stages=[broken]))


def test_a_run_without_networks_or_warnings_says_so():
    text = "".join(Elements(to_html(replace(small_report(), weights=[], notes=[]))).texts)
    assert "No network's weights were used." in text
    assert "The run warned" not in text


def test_the_ring_is_described_in_words_and_a_gap_in_it_is_explained():
    report = small_report()
    around = AroundTheCircle(degrees=report.around.degrees / 6, shares=report.around.shares)
    for turn, explained in ((report.around, False), (around, True)):
        page = Elements(to_html(replace(report, around=turn)))
        assert in_words(turn) in page.texts
        assert any("the camera never stood" in text for text in page.texts) == explained


def test_the_same_report_is_the_same_file_and_is_small(tmp_path):
    write_report(tmp_path / "a.html", small_report())
    write_report(tmp_path / "b.html", small_report())
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    report = small_report()
    pictures = sum(len(figure.picture) for stage in report.stages for figure in (*stage.takes, *stage.gives))
    held = pictures + len(report.film.mp4) + len(report.film.poster)
    words = len(re.sub(r'base64,[^"]+', "", to_html(report)))
    assert words < 40_000  # the style is 8 kB, the ring of 12 frames 5 kB
    # base64 makes 4 bytes of 3, and ends each of the pictures with 2 at most
    assert (tmp_path / "a.html").stat().st_size < words + 4 / 3 * held + 4 * (FIGURES + 2) + 1000


def test_photographs_are_jpegs_and_shown_as_such():
    video, _, _ = orbit(48, 64)
    picture = figure_jpeg(video[0])
    report = small_report()
    stage = replace(report.stages[0], gives=[Figure(caption="The photo", picture=picture)])
    (image,) = Elements(to_html(replace(report, stages=[stage]))).all("img")
    assert image["src"].startswith("data:image/jpeg;base64,")
    assert (image["width"], image["height"]) == ("64", "48")
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].transpose(2, 0, 1) / 255
    assert np.abs(pixels - video[0].numpy()).mean() < 0.03  # colours at half the resolution
