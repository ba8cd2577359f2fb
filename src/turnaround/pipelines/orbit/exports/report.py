"""`report.html`, written with all the other files or not at all."""

from pathlib import Path

from turnaround.io.video import write_video
from turnaround.pipelines.orbit.account import Account, report_of
from turnaround.pipelines.orbit.card import Card
from turnaround.pipelines.orbit.exports.export import Export, Finished
from turnaround.viz.report import Film, figure_jpeg
from turnaround.viz.report_page import write_report

FILM, UNNAMED = "orbit.mp4", "film.mp4"  # the latter is made for the page alone, and not kept


class ReportPage(Export):
    """It holds `orbit.mp4`, so it comes after that where both are written."""

    names = ("report.html",)

    def __init__(self, *, account: Account, card: Card):
        self.account, self.card = account, card

    def write(self, out: Path, finished: Finished) -> None:
        write_report(out / "report.html", report_of(finished, self.account, self._film(out, finished), self.card))

    def _film(self, out: Path, finished: Finished) -> Film:
        named = (out / FILM).is_file()
        if not named:
            write_video(out / UNNAMED, finished.orbit.video, fps=finished.setting.fps)
        content = (out / (FILM if named else UNNAMED)).read_bytes()
        return Film(name=FILM if named else "", mp4=content, poster=figure_jpeg(finished.orbit.video[0]))
