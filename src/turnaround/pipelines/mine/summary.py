"""`summary.html`: what a run of mining gave, for a person: counts, reasons, histograms, pictures."""

import html
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from turnaround.io.atomic import atomic_file
from turnaround.io.mined_files import mined_files
from turnaround.io.mined_manifest import Record, Status
from turnaround.viz.histogram import histogram
from turnaround.viz.report_style import STYLE

PICTURES = 60  # clips shown, evenly spaced
LISTED = 200  # failures at most
TITLES = {
    "frames": "frames of a clip",
    "tracks": "tracks of a clip",
    "moving": "share of tracks that move",
    "path": "way of the camera, metres",
    "calibration": "reprojection error of the rig's structure from motion, pixels",
    "rig_degrees": "rotation of the right eye against the left, degrees",
    "known": "share of pixels of known depth",
    "vertical": "median vertical residual of matching, pixels",
}
OWN = """
.histograms { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); }
.histogram svg { display: block; width: 100%; height: auto; }
.histogram rect { fill: var(--link); } .histogram text { fill: var(--soft); font-size: 12px; }
.clips { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); }
"""


def write_summary(path: Path, records: Sequence[Record]) -> None:
    """Without script or request. Pictures are those in `quality/` beside it; clips without one are told by name."""
    with atomic_file(path) as temporary:
        temporary.write_text(to_html(path.parent, records), encoding="utf-8")


def to_html(folder: Path, records: Sequence[Record]) -> str:
    done = [record for record in records if record.status is Status.DONE]
    counts = Counter(record.status for record in records)
    lead = ", ".join(f"{counts[status]} {status}" for status in Status)
    parts = [
        f"<h1>Mined clips</h1><p class='lead'>Videos: {len({record.video for record in records})}. Pieces: {lead}.</p>",
        _section("Of what is there", _histograms(done)),
        _section("Why clips were dropped", _dropped(records)),
        _section("What failed", _failed(records)),
        _section("Clips", _clips(folder, done)),
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return (
        f'<!doctype html>\n<html lang="en">\n<head>{head}<title>Mined clips</title><style>{STYLE}{OWN}</style></head>\n'
        f"<body><main>{''.join(parts)}</main></body>\n</html>\n"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>" if content else ""


def _histograms(done: Sequence[Record]) -> str:
    figures = [
        histogram([record.figures[name] for record in done if name in record.figures], label=title)
        for name, title in TITLES.items()
        if any(name in record.figures for record in done)
    ]
    return f'<div class="histograms">{"".join(figures)}</div>' if figures else ""


def _dropped(records: Iterable[Record]) -> str:
    by_reason: dict[str, list[Record]] = {}
    for record in records:
        if record.status is Status.DROPPED:
            by_reason.setdefault(record.reason or "", []).append(record)
    rows = [(reason, str(len(found)), _range(found)) for reason, found in sorted(by_reason.items())]
    return _table(("reason", "clips", "what decided, against the limit"), rows)


def _range(found: Sequence[Record]) -> str:
    values = sorted(record.value for record in found if record.value is not None)
    limits = sorted({record.limit for record in found if record.limit is not None})
    spread = f"{values[0]:.3g}" if len(values) == 1 else f"{values[0]:.3g} to {values[-1]:.3g}" if values else "unknown"
    return f"{spread} against {', '.join(f'{limit:.3g}' for limit in limits)}"


def _failed(records: Iterable[Record]) -> str:
    failed = [record for record in records if record.status is Status.FAILED]
    rows = [(record.clip, record.error or "") for record in failed[:LISTED]]
    rest = f"<p>And {len(failed) - LISTED} more: manifest.jsonl.</p>" if len(failed) > LISTED else ""
    return _table(("clip", "error"), rows) + rest


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{html.escape(text)}</th>" for text in header)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(text)}</td>' for text in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _clips(folder: Path, done: Sequence[Record]) -> str:
    shown = done if len(done) <= PICTURES else [done[number * len(done) // PICTURES] for number in range(PICTURES)]
    return f'<ul class="clips">{"".join(_clip(folder, record) for record in shown)}</ul>' if shown else ""


def _clip(folder: Path, record: Record) -> str:
    name, words = html.escape(record.clip), html.escape(_in_words(record.figures))
    path = mined_files(folder, record.clip).thumbnail
    picture = ""
    if path.is_file():
        picture = (
            f'<img alt="First frame of {name}" src="data:image/jpeg;base64,{b64encode(path.read_bytes()).decode()}">'
        )
    return f"<li><figure>{picture}<figcaption>{name}<br>{words}</figcaption></figure></li>"


def _in_words(figures: Mapping[str, float]) -> str:
    return f"{figures.get('frames', 0):.0f} frames, {figures.get('tracks', 0):.0f} tracks"
