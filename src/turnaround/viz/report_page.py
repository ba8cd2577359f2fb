"""A report as one HTML page: no script, no request, readable in the light and in the dark, on a phone and in print."""

import html
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from turnaround.io.atomic import atomic_file
from turnaround.io.image import stated_size
from turnaround.types import InputError, WeightsNotice
from turnaround.viz.circle import WORDS, AroundTheCircle, percent, ring
from turnaround.viz.provenance import COLORS
from turnaround.viz.report import CardLine, Figure, Film, Report, SourceLine, StageAccount
from turnaround.viz.report_style import STYLE

LARGEST_FILM = 32 * 2**20  # bytes; a longer video is linked, not embedded: browsers are slow with huge addresses
KINDS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}  # what each begins with
SECTIONS = {
    "workflow": "From one photo to all sides, step by step",
    "around": "What was seen, what was stretched, what was invented",
    "card": "How far to trust it",
    "sources": "Papers and code behind each step",
    "weights": "Weights used, and their licences",
    "time": "Time per step",
}
LEGEND = (
    ("Seen", "pixels of your photo, moved to where they belong in space. Nothing is made up."),
    ("Stretched", "continued from what was seen right beside it, as one pulls a cloth over a gap."),
    ("Invented", "painted by a network as something plausible. What really is there, nobody can tell from one photo."),
)


def write_report(path: Path, report: Report) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(to_html(report), encoding="utf-8")


def to_html(report: Report) -> str:
    """The whole page. All text is escaped; its policy forbids scripts and all that is not in the file."""
    bodies = {
        "workflow": _workflow(report.stages),
        "around": _around(report.around),
        "card": _card(report.card, report.verdict, report.notes),
        "sources": _sources(report.sources),
        "weights": _weights(report.weights),
        "time": _times(report.stages),
    }
    sections = "".join(
        f'<section id="{key}" aria-labelledby="{key}-title">\n<h2 id="{key}-title">{SECTIONS[key]}</h2>\n'
        f"{body}</section>\n"
        for key, body in bodies.items()
    )
    links = "".join(f'<li><a href="#{key}">{title}</a></li>' for key, title in SECTIONS.items())
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n{_head(report.title)}</head>\n<body>\n'
        f'<a class="skip" href="#workflow">Skip to how it works</a>\n<main>\n<div class="top"><header>\n'
        f'<p class="run">{_text(report.title)}</p>\n<h1>{_text(report.question)}</h1>\n'
        f'<p class="lead">{_text(report.answer)}</p>\n</header>\n{_film(report.film)}</div>\n'
        f'<nav aria-label="On this page"><ul>{links}</ul></nav>\n{sections}</main>\n'
        f"</body>\n</html>\n"
    )


def _head(title: str) -> str:
    allowed = b64encode(sha256(STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; media-src data:; style-src 'sha256-{allowed}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n"
    )


def _film(film: Film) -> str:
    link = f'<a href="{quote(Path(film.name).name)}">{_text(film.name)}</a>'
    if len(film.mp4) > LARGEST_FILM:
        picture = _image(Figure(caption="The first frame of the video", picture=film.poster))
        return (
            f'<figure class="film">{picture}<figcaption>The video lies beside this page: {link}</figcaption></figure>\n'
        )
    kind, (width, height) = _picture("the poster of the video", film.poster)
    named = f" As a file: {link}" if film.name else ""
    return (
        f'<figure class="film"><video controls loop muted autoplay playsinline width="{width}" height="{height}" '
        f'aria-label="The video that turns around your photo" poster="{_data(kind, film.poster)}" '
        f'src="{_data("video/mp4", film.mp4)}"></video>'
        f"<figcaption>The video itself, which repeats.{named}</figcaption></figure>\n"
    )


def _workflow(stages: Sequence[StageAccount]) -> str:
    strip = "".join(
        f'<li><a href="#stage-{number}">{_text(stage.name)}</a></li>' for number, stage in enumerate(stages, 1)
    )
    return (
        f'<ol class="strip" aria-label="The steps in order">{strip}</ol>\n<ol class="stages">\n'
        + "".join(_stage(number, stage) for number, stage in enumerate(stages, 1))
        + "</ol>\n"
    )


def _stage(number: int, stage: StageAccount) -> str:
    arrow = '<span class="arrow" aria-hidden="true"></span>'
    takes = f'<div class="takes">{_figures(stage.takes)}</div>{arrow}' if stage.takes else ""
    gives = f'{arrow}<div class="gives">{_figures(stage.gives)}</div>' if stage.gives else ""
    return (
        f'<li class="stage" id="stage-{number}"><h3><span class="number" aria-hidden="true">{number}</span> '
        f'{_text(stage.name)}</h3>\n<p>{_text(stage.does)}</p>\n<div class="flow">{takes}'
        f'<div class="model"><span class="what">{_breakable(stage.model)}</span>'
        f'<span class="seconds">{_duration(stage.seconds)}</span></div>{gives}</div></li>\n'
    )


def _figures(figures: Iterable[Figure]) -> str:
    return "".join(
        f"<figure>{_image(figure)}<figcaption>{_text(figure.caption)}</figcaption></figure>" for figure in figures
    )


def _image(figure: Figure) -> str:
    kind, (width, height) = _picture(figure.caption, figure.picture)
    source = _data(kind, figure.picture)
    return f'<img src="{source}" alt="{_text(figure.caption)}" width="{width}" height="{height}">'


def _picture(subject: str, content: bytes) -> tuple[str, tuple[int, int]]:
    """Its media type, and its width and height by its header."""
    size = stated_size(content)
    kind = next((kind for start, kind in KINDS.items() if content.startswith(start)), None)
    if kind is None or size is None:
        found, fix = "something else", "encode it with figure_jpeg or figure_png"
        raise InputError(subject, expected="a PNG or a JPEG", found=found, fix=fix)
    return kind, (size[1], size[0])


def _around(around: AroundTheCircle) -> str:
    legend = "".join(
        f"<li>{_swatch(color)}<span><b>{name}:</b> {meaning}</span></li>"
        for color, (name, meaning) in zip(COLORS, LEGEND, strict=True)
    )
    rows = {**around.quarters(), "all frames": around.whole()}
    lines = "".join(
        f'<tr><th scope="row">{side}</th>{"".join(f"<td>{percent(share)}</td>" for share in shares.tolist())}</tr>'
        for side, shares in rows.items()
    )
    heads = "".join(f'<th scope="col">{_swatch(color)}{word}</th>' for color, word in zip(COLORS, WORDS, strict=True))
    unvisited = "" if around.is_closed() else " Where the ring is pale, the camera never stood."
    return (
        "<p>A photo holds one side. Where the camera stands near the photo's place, most of what it sees was in the "
        "photo; the further it goes around, the less of it was.</p>\n"
        f'<div class="circle"><figure>{ring(around)}<figcaption>The way of the camera around the scene, as seen from '
        f"above. At each place the coloured areas are the shares of the picture.{unvisited}</figcaption></figure>\n"
        f'<div><ul class="legend">{legend}</ul>\n'
        f'<table class="shares"><thead><tr><th scope="col">the camera looks</th>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div></div>\n"
    )


def _swatch(color: str) -> str:
    square = f'<rect width="10" height="10" fill="{color}"/>'
    return f'<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">{square}</svg>'


def _card(card: Sequence[CardLine], verdict: str, notes: Sequence[str]) -> str:
    lines = "".join(
        f'<li class="{line.verdict.name.lower()}"><h3>{_text(line.name)}</h3><p class="value">{_text(line.value)} '
        f'<span class="badge">{line.verdict.value}</span></p><p>{_text(line.meaning)}</p></li>\n'
        for line in card
    )
    noted = "".join(f"<li>{_text(note)}</li>" for note in notes)
    warnings = f'<div class="notes"><h3>The run warned</h3><ul>{noted}</ul></div>\n' if notes else ""
    return f'<p class="verdict">{_text(verdict)}</p>\n<ul class="card">\n{lines}</ul>\n{warnings}'


def _sources(sources: Iterable[SourceLine]) -> str:
    lines = "".join(
        f'<li><p class="of">{_text(source.stage)}</p><h3>{_text(source.title)}</h3><p>{_text(source.note)}</p>'
        f'<p class="links">{_link("Paper", source.paper)}{_link("Code", source.repository)}</p></li>\n'
        for source in sources
    )
    return f'<ul class="sources">\n{lines}</ul>\n'


def _link(name: str, address: str) -> str:
    """A link for a secure address, nothing for none, and text for whatever else it is."""
    if not address:
        return ""
    shown = _text(address.removeprefix("https://"))
    link = f'<a href="{_text(address)}" rel="noreferrer">{shown}</a>' if address.startswith("https://") else shown
    return f"<span>{name}: {link}</span>"


def _weights(weights: Sequence[WeightsNotice]) -> str:
    if not weights:
        return "<p>No network's weights were used.</p>\n"
    lines = "".join(
        f'<tr><th scope="row">{_text(used.name)}</th><td>{_text(used.source)}</td><td>{_text(used.licence)}</td></tr>\n'
        for used in weights
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("weights", "from", "licence"))
    return f'<table class="weights"><thead><tr>{heads}</tr></thead>\n<tbody>{lines}</tbody></table>\n'


def _times(stages: Sequence[StageAccount]) -> str:
    total = sum(stage.seconds for stage in stages)
    longest = max((stage.seconds for stage in stages), default=0.0) or 1.0
    lines = "".join(
        f'<tr><th scope="row">{_text(stage.name)}</th><td>{_duration(stage.seconds)}</td><td class="bar">'
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{100 * stage.seconds / longest:.1f}" height="10"/></svg></td></tr>\n'
        for stage in stages
    )
    return (
        f'<table class="times"><thead><tr><th scope="col">step</th><th scope="col">time</th>'
        f'<th scope="col"><span class="unseen">as a bar</span></th></tr></thead>\n<tbody>{lines}</tbody>\n'
        f'<tfoot><tr><th scope="row">in all</th><td>{_duration(total)}</td><td></td></tr></tfoot></table>\n'
    )


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds >= 0.01 else "under 0.01 s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _text(words: str) -> str:
    return html.escape(words)


def _breakable(name: str) -> str:
    """A long name with underscores may go on in the next line after each."""
    return _text(name).replace("_", "_<wbr>")


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"
