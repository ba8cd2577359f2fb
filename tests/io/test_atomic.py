import errno
import os

import pytest

from turnaround.io.atomic import atomic_entries, atomic_file, atomic_folder
from turnaround.types import InputError


def test_file_appears_at_the_end_with_missing_parents(tmp_path):
    target = tmp_path / "a" / "b" / "result.npz"
    with atomic_file(target) as temporary:
        assert (temporary.parent, temporary.suffix) == (target.parent, ".npz")
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_keeps_the_older_file_and_removes_the_new_one(tmp_path, error):
    target = tmp_path / "result.txt"
    target.write_text("old")

    def fail():
        with atomic_file(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_text() == "old"


def test_unwritable_place_is_refused_on_entry(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for target in (tmp_path / "file" / "result.txt", tmp_path / "file" / "deeper" / "result.txt"):
        with pytest.raises(InputError, match=r"result\.txt: expected a writable place.*out="), atomic_file(target):
            pytest.fail("the block must not start")
        with pytest.raises(InputError, match="expected a writable place"), atomic_folder(target, pattern="*"):
            pytest.fail("the block must not start")
    with pytest.raises(InputError, match="a folder of that name"), atomic_file(tmp_path):
        pytest.fail("the block must not start")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_is_said_in_one_line(tmp_path, number):
    target = tmp_path / "result.txt"
    with pytest.raises(InputError) as caught, atomic_file(target):
        raise OSError(number, os.strerror(number))  # what a failed write raises
    assert str(caught.value) == (
        f"{target}: expected a writable place with enough room, found {os.strerror(number).lower()}; "
        "choose another out= folder or free space"
    )
    assert list(tmp_path.iterdir()) == []


def test_an_error_about_another_file_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_file(tmp_path / "result.txt"):
        (tmp_path / "elsewhere").read_text()
    assert list(tmp_path.iterdir()) == []


def test_folder_replaces_an_older_one_only_at_the_end(tmp_path):
    target = tmp_path / "frames"
    target.mkdir()
    (target / "00007.png").write_text("old")
    with atomic_folder(target, pattern="*.png") as temporary:
        (temporary / "00000.png").write_text("new")
        assert (target / "00007.png").read_text() == "old"
    assert [entry.name for entry in target.iterdir()] == ["00000.png"]
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_keeps_the_older_folder_and_removes_the_new_one(tmp_path):
    target = tmp_path / "frames"
    target.mkdir()
    (target / "00000.png").write_text("old")

    def fail():
        with atomic_folder(target, pattern="*.png") as temporary:
            (temporary / "00000.png").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (target / "00000.png").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_folder_with_anything_else_in_it_is_never_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    other = pytest.raises(InputError, match=r"holds only \*\.png.*found thesis\.tex in it")
    with other, atomic_folder(tmp_path, pattern="*.png"):
        pytest.fail("the block must not start")
    (tmp_path / "thesis.tex").unlink()
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match=r"folder\.png in it"), atomic_folder(tmp_path, pattern="*.png"):
        pytest.fail("the block must not start")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="a file of that name"), atomic_folder(tmp_path / "file", pattern="*.png"):
        pytest.fail("the block must not start")


def test_folder_behind_a_link_is_replaced_and_the_link_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "frames").symlink_to(tmp_path / "disk")
    with atomic_folder(tmp_path / "frames", pattern="*.png") as temporary:
        (temporary / "00000.png").write_text("new")
    assert (tmp_path / "frames").is_symlink()
    assert (tmp_path / "disk" / "00000.png").read_text() == "new"


def test_entries_appear_together(tmp_path):
    out = tmp_path / "out"
    (out / "pictures").mkdir(parents=True)
    (out / "pictures" / "9.png").write_text("old")
    (out / "kept.txt").write_text("kept")
    with atomic_entries(out, {"a.txt": "", "pictures/": "*.png"}) as staged:
        (staged / "a.txt").write_text("new")
        (staged / "pictures").mkdir()
        (staged / "pictures" / "0.png").write_text("new")
        (staged / "scratch.txt").write_text("asked for by nobody")
        assert not (out / "a.txt").exists()
    found = {str(file.relative_to(out)): file.read_text() for file in out.rglob("*") if file.is_file()}
    assert found == {"a.txt": "new", "pictures/0.png": "new", "kept.txt": "kept"}


def test_entries_of_which_one_is_missing_do_not_appear(tmp_path):
    with (
        pytest.raises(InputError, match="no such file"),
        atomic_entries(tmp_path, {"a.txt": "", "b.txt": ""}) as staged,
    ):
        (staged / "a.txt").touch()
    assert list(tmp_path.iterdir()) == []


def test_entries_are_refused_on_entry(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "notes.txt").touch()
    with (
        pytest.raises(InputError, match=r"found notes\.txt in it"),
        atomic_entries(tmp_path, {"a.txt": "", "pictures/": "*.png"}),
    ):
        pytest.fail("the block must not start")
    assert [entry.name for entry in tmp_path.iterdir()] == ["pictures"]
