from pathlib import Path

import pytest

from turnaround.io.atomic import unwritable
from turnaround.pipelines.work import content_hash, work_folder
from turnaround.types import InputError


def left_by(out, error: BaseException | None, *decisive: str) -> list[str]:
    try:
        with work_folder(out, *decisive) as folder:
            (folder / "done").write_text("half")
            if error:
                raise error
    except (InputError, KeyboardInterrupt, ZeroDivisionError):
        pass
    return [path.name for path in out.rglob("*") if path.is_file()]


def test_it_goes_when_all_is_done(tmp_path):
    assert left_by(tmp_path, None, "a") == []
    assert list(tmp_path.iterdir()) == []


def test_bad_input_leaves_nothing(tmp_path):
    assert left_by(tmp_path, InputError("x", expected="y", found="z", fix="w"), "a") == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError(), unwritable(Path("x"), "full")])
def test_whatever_else_stops_a_run_leaves_its_work(tmp_path, error):
    assert left_by(tmp_path, error, "a") == ["done"]
    with work_folder(tmp_path, "a") as folder:
        assert (folder / "done").read_text() == "half"


def test_other_settings_start_anew(tmp_path):
    left_by(tmp_path, KeyboardInterrupt(), "a", "b")
    with work_folder(tmp_path, "a", "c") as folder:
        assert list(folder.parent.rglob("*")) == [folder]


def test_content_tells_names_and_bytes_apart(tmp_path):
    folders = [tmp_path / name for name in "abcd"]
    for folder, (name, text) in zip(folders, [("x", "1"), ("x", "1"), ("y", "1"), ("x", "2")], strict=True):
        folder.mkdir()
        (folder / name).write_text(text)
    hashes = [content_hash(folder) for folder in folders]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3
    assert content_hash(folders[0] / "x") == content_hash(folders[1] / "x")
