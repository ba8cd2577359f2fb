"""The command line: what it refuses, and what a failed job leaves."""

import json
import re

import pytest
from demo_jobs import CONFIG, written


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["behavior=well"], "behavior: expected a key of the configuration, found an unknown key; did you mean behav"),
        (["net.widht=3"], "net.widht: .* did you mean width?"),
        (["nett=small"], "nett: .* did you mean net?"),
        (["net=smal"], "net=smal: expected an existing option, found no such file; did you mean small?"),
        (["net=[small,broke]"], "net=broke: .* did you mean broken?"),
        (["net=broken"], ".*broken.yaml: expected YAML"),
        (["size=???"], "size: expected a value, found none; give size=VALUE"),
        (["size=[1"], r"override size=\[1: expected key=value"),
        (["size=a=b"], "override size=a=b: expected key=value"),
        (["size"], "override size: expected key=value, found missing EQUAL"),
        (["=3"], "command line: expected key=value"),
        (["size=1,2"], "configuration: .*Ambiguous"),
        (["~nothing"], "configuration: .*'nothing' does not exist"),
        (["+net.colour=red"], "net.colour: expected a key of Net, found an unknown key"),
        (["size=${nothing}"], "configuration: .*Interpolation key 'nothing' not found"),
        (["seed=-1"], "seed: expected a whole number"),
        (["--colour"], "command line: .*unrecognized arguments: --colour"),
        (["--cfg", "job", "-m"], "command line: .*Only one of"),
        (["behaviour=refuse"], "picture.png: expected a picture, found text; give another"),
        (["behaviour=full"], "output: expected a writable place with enough room, found No space left on device"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(project, demo, arguments, said):
    code, stdout, stderr = demo(*arguments)
    assert (code, stdout) == (2, "")
    assert re.match(f"error: {said}", stderr), stderr
    assert stderr.count("\n") == 1
    assert written(project) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sizes: 3", "sizes: expected a key of Job, found an unknown key; did you mean size?"),
        ("defaults: [{net: smal}]", "net=smal: .*did you mean small?"),
    ],
)
def test_misspelt_keys_in_files_are_refused(project, demo, line, said):
    (project / "configs/demo.yaml").write_text(f"{CONFIG if 'defaults' not in line else ''}\n{line}\n")
    code, _, stderr = demo()
    assert code == 2
    assert re.match(f"error: {said}", stderr), stderr
    assert written(project) == []


def test_a_traceback_is_there_on_request(project, demo, monkeypatch):
    monkeypatch.setenv("TURNAROUND_TRACEBACK", "1")
    code, _, stderr = demo("behaviour=refuse")
    assert code == 2
    assert "Traceback" in stderr
    assert stderr.splitlines()[-1].startswith("error: picture.png")


def test_results_survive_a_late_error(project, demo):
    code, stdout, _ = demo("out=x", "behaviour=refuse_late")
    assert (code, stdout) == (2, "")
    assert (project / "x/result.txt").read_text() == "half"
    assert json.loads((project / "x/record.json").read_text())["status"] == "failed"
    assert not (project / "x/metrics.json").exists()


def test_a_folder_that_was_there_before_is_not_removed(project, demo):
    (project / "x").mkdir()
    assert demo("out=x", "behaviour=refuse")[0] == 2
    assert (project / "x").is_dir()


def test_a_folder_of_another_kind_of_run_stays_as_it_is(project, demo):
    assert demo("out=x")[0] == 0
    assert demo("out=x")[0] == 0  # its own kind goes on with it
    other = (project / "configs/demo.yaml").read_text().replace("jobs_of_a_test.Job", "jobs_of_a_test.OtherJob")
    (project / "configs/demo.yaml").write_text(other)
    with (project / "jobs_of_a_test.py").open("a") as file:
        file.write("\n\nclass OtherJob(Job):\n    pass\n")
    before = {path.name: path.read_bytes() for path in (project / "x").iterdir()}
    code, _, stderr = demo("out=x")
    assert code == 2
    assert re.match("error: out=x: expected no folder of another kind of run, found one of jobs_of_a_test.Job;", stderr)
    assert {path.name: path.read_bytes() for path in (project / "x").iterdir()} == before


def test_a_bug_keeps_its_traceback(project, demo):
    code, stdout, stderr = demo("out=x", "behaviour=bug")
    assert (code, stdout) == (1, "")
    assert "Traceback" in stderr
    assert "RuntimeError: a bug" in stderr
    assert "error:" not in stderr


def test_an_unwritable_out_is_refused_before_any_work(project, demo):
    (project / "file").write_text("not a folder")
    code, _, stderr = demo("out=file/x")
    assert code == 2
    assert stderr.startswith("error: file/x: expected a writable place")
    assert stderr.count("\n") == 1
    assert not (project / "constructed").exists()
    assert demo(f"out={'x' * 300}")[0] == 2


def test_an_interruption_ends_with_130(project, demo):
    with pytest.raises(SystemExit) as caught:
        demo("out=x", "behaviour=interrupted")
    assert caught.value.code == 130
    assert written(project) == []
