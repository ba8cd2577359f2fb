"""Mining at scale, with a miner that writes what it is told: what is done, dropped, failed, done again and removed."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from turnaround.io.atomic import unwritable
from turnaround.io.mined_manifest import Record, Status, read_manifest
from turnaround.pipelines.mine.executor import LocalExecutor, SerialExecutor
from turnaround.pipelines.mine.pipeline import MinePipeline
from turnaround.pipelines.mine.units import ClipUnit, MinedClip, Survey
from turnaround.types import DropError, InputError, LeftOut, Shot


@dataclass(frozen=True, kw_only=True)
class LineMiner:
    """Takes each line of a text for a shot: a word for a clip, `drop` and `fail` for what their names say. `journal`
    holds a line for each clip that it was asked to mine."""

    journal: Path
    greeting: str = "hello"
    weights = ()

    @property
    def settings(self) -> str:
        return self.greeting

    def survey(self, path: Path) -> Survey:
        lines = path.read_text().splitlines()
        if not lines:
            raise InputError(path, expected="lines", found="none", fix="write some")
        if lines == ["mono"]:
            raise DropError("mono", value=1.0, limit=0.5)
        shots = [Shot(start=number, stop=number + 1) for number, line in enumerate(lines) if line != "short"]
        short = [Shot(start=number, stop=number + 1) for number, line in enumerate(lines) if line == "short"]
        left_out = [LeftOut(shot=shot, reason="short", value=1.0, limit=2.0) for shot in short]
        return Survey(shots=shots, times=[1000 * shot.start for shot in shots], left_out=left_out)

    def mine(self, unit: ClipUnit, out: Path, work: Path) -> MinedClip:
        with self.journal.open("a") as journal:
            journal.write(f"{unit.name}\n")
        word = unit.video.path.read_text().splitlines()[unit.shot.start]
        work.mkdir(parents=True, exist_ok=True)
        (work / "half").touch()
        if word == "drop":
            raise DropError("still", value=0.25, limit=0.5)
        if word == "fail":
            raise InputError(unit.video.path, expected="a clip", found="fail", fix="leave it out")
        if word == "full":
            raise unwritable(out, "no space left on device")
        if word == "bug":
            raise ZeroDivisionError("of a miner")
        content = f"{self.greeting} {word}".encode()
        path = out / "clips" / f"{unit.name}.npz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        return MinedClip(
            name=unit.name,
            shot=unit.shot,
            figures={"frames": 1.0, "tracks": 3.0},
            files={f"clips/{unit.name}.npz": digest},
        )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "a.mp4").write_text("sea\ndrop\nshort\nfail\n")
    (videos / "b_-c.mp4").write_text("bug\nhill\n")
    (videos / "empty.mp4").write_text("")
    (videos / "mono.mp4").write_text("mono\n")
    return videos


def mined(folder: Path, *, greeting: str = "hello", executor=None) -> list[Record]:
    out, journal = folder.parent / "out", folder.parent / "journal"
    miner = LineMiner(journal=journal, greeting=greeting)
    out.mkdir(exist_ok=True)
    MinePipeline(input=str(folder), miner=miner, executor=executor or SerialExecutor()).run(out)
    return read_manifest(out)


def files(folder: Path) -> dict[str, bytes]:
    out = folder.parent / "out"
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_every_piece_of_every_video_has_a_record_in_order(folder):
    records = mined(folder)
    assert [(record.clip, record.status, record.reason) for record in records] == [
        ("a_0", Status.DONE, None),
        ("a_1000", Status.DROPPED, "still"),
        ("a_frame_2", Status.DROPPED, "short"),
        ("a_3000", Status.FAILED, None),
        ("b_-c_0", Status.FAILED, None),
        ("b_-c_1000", Status.DONE, None),
        ("empty", Status.FAILED, None),
        ("mono", Status.DROPPED, "mono"),
    ]
    assert (records[1].value, records[1].limit) == (0.25, 0.5)
    assert records[3].error is not None
    assert records[3].error.endswith("expected a clip, found fail; leave it out")
    assert records[4].error == "ZeroDivisionError: of a miner"
    assert not (folder.parent / "out" / "work").exists()


def test_what_was_finished_is_not_done_again(folder):
    mined(folder)
    first, journal = files(folder), (folder.parent / "journal").read_text()
    mined(folder)
    assert files(folder) == first
    again = (folder.parent / "journal").read_text().removeprefix(journal)
    assert again == "b_-c_0\n"  # the bug left no record, since another run may do better


def test_a_full_disk_is_tried_again(folder):
    (folder / "a.mp4").write_text("full\n")
    records = mined(folder)
    assert records[0].status is Status.FAILED
    assert "no space left on device" in (records[0].error or "")
    mined(folder)
    assert (folder.parent / "journal").read_text().count("a_0\n") == 2


def test_a_clip_whose_file_is_gone_is_made_again(folder):
    mined(folder)
    first = files(folder)
    (folder.parent / "out/clips/a_0.npz").unlink()
    mined(folder)
    assert files(folder) == first


def test_a_damaged_record_counts_as_none(folder):
    mined(folder)
    first = files(folder)
    for path in (folder.parent / "out/records").rglob("*.json"):
        path.write_text('{"key"')
    mined(folder)
    assert files(folder) == first


def test_other_settings_make_all_clips_anew(folder):
    mined(folder)
    mined(folder, greeting="good morning")
    assert (folder.parent / "out/clips/a_0.npz").read_text() == "good morning sea"


def test_clips_of_a_changed_or_missing_video_go(folder):
    mined(folder)
    (folder / "a.mp4").write_text("short\ndrop\n")
    (folder / "b_-c.mp4").unlink()
    records = mined(folder)
    assert [record.clip for record in records] == ["a_frame_0", "a_1000", "empty", "mono"]
    assert not list((folder.parent / "out/clips").iterdir())
    left = [path.stem for path in (folder.parent / "out/records/clips").iterdir()]
    assert left == ["a_1000"]
    assert {path.stem for path in (folder.parent / "out/records/videos").iterdir()} == {"a", "empty", "mono"}


def test_one_video_alone_and_none(folder, tmp_path):
    assert [record.clip for record in mined(folder / "mono.mp4")] == ["mono"]
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="expected a stereo video, or a folder of them, found none"):
        mined(tmp_path / "nothing")


def test_two_videos_of_one_name_are_refused(folder):
    (folder / "a.mkv").write_text("sea")
    with pytest.raises(InputError, match="names unlike all others"):
        mined(folder)


def test_the_output_may_not_hold_the_input(folder):
    out = folder.parent / "out"
    (out / "clips").mkdir(parents=True)
    (out / "clips/v.mp4").write_text("sea")
    miner = LineMiner(journal=folder / "journal")
    with pytest.raises(InputError, match="an input outside of what is written"):
        MinePipeline(input=str(out / "clips/v.mp4"), miner=miner, executor=SerialExecutor()).run(out)


def test_the_summary_counts_and_says_why(folder):
    mined(folder)
    page = (folder.parent / "out/summary.html").read_text()
    assert "Videos: 4. Pieces: 2 done, 3 dropped, 3 failed." in page
    assert "<td>still</td><td>1</td><td>0.25 against 0.5</td>" in page
    assert "ZeroDivisionError: of a miner" in page
    assert "tracks of a clip: 2 values, median 3" in page


def test_the_manifest_is_plain_json(folder):
    mined(folder)
    lines = (folder.parent / "out/manifest.jsonl").read_text().splitlines()
    assert json.loads(lines[1]) == {
        "clip": "a_1000",
        "video": "a.mp4",
        "status": "dropped",
        "start": 1,
        "stop": 2,
        "reason": "still",
        "value": 0.25,
        "limit": 0.5,
    }


@pytest.mark.slow
def test_processes_leave_the_same_files(folder):
    mined(folder)
    alone = files(folder)
    for path in sorted((folder.parent / "out").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    mined(folder, executor=LocalExecutor(workers=2))
    assert files(folder) == alone
