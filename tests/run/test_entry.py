"""The command line: what it writes, prints and refuses."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from turnaround.run.entry import launch

JOBS = """
import ctypes, os, subprocess, sys, time
from pathlib import Path
import torch
from turnaround.types import InputError

class Net:
    def __init__(self, *, width):
        self.weight = torch.rand(width)

class Job:
    def __init__(self, *, net, behaviour, seed=None, size=1):
        Path("constructed").touch()
        self.net, self.behaviour = net, behaviour
        self.facts = {"weights": [{"name": "w", "source": "here", "licence": "MIT"}]}

    def run(self, out):
        return getattr(self, self.behaviour)(out)

    def well(self, out):
        (out / "result.txt").write_text("result")
        return {"score": float(self.net.weight[0]), "undefined": float("nan"), "none": None}

    def loud(self, out):
        print("from python")
        sys.stdout.write("from sys.stdout\\\\n")
        os.write(1, b"from the descriptor\\\\n")
        ctypes.CDLL(None).printf(b"from C\\\\n")
        subprocess.run(["echo", "from a child"], check=True)
        return {}

    def refuse(self, out):
        raise InputError("picture.png", expected="a picture", found="text", fix="give another")

    def refuse_late(self, out):
        (out / "result.txt").write_text("half")
        self.refuse(out)

    def full(self, out):
        with open("/dev/full", "w") as file:
            file.write("x")

    def bug(self, out):
        raise RuntimeError("a bug")

    def interrupted(self, out):
        raise KeyboardInterrupt

    def slow(self, out):
        (Path("started")).touch()
        time.sleep(60)
""".replace("\\\\", "\\")

CONFIG = """
defaults: [{net: small}, _self_]
_target_: jobs_of_a_test.Job
_convert_: all
out: null
seed: 1
behaviour: well
size: 1
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with configs and a module of jobs, as the working directory."""
    (tmp_path / "configs/net").mkdir(parents=True)
    (tmp_path / "configs/demo.yaml").write_text(CONFIG)
    (tmp_path / "configs/net/small.yaml").write_text("_target_: jobs_of_a_test.Net\nwidth: 2\n")
    (tmp_path / "configs/net/broken.yaml").write_text("width: [\n")
    (tmp_path / "jobs_of_a_test.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["demo.py"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    yield tmp_path
    sys.modules.pop("jobs_of_a_test", None)


@pytest.fixture
def demo(project, capfd):
    def run(*arguments):
        code = launch("demo", project / "configs", arguments)
        return code, *capfd.readouterr()

    return run


def written(project):
    ours = {"configs", "jobs_of_a_test.py", "__pycache__", "constructed"}
    return sorted(path.name for path in project.iterdir() if path.name not in ours)


def test_a_run_writes_its_folder_and_prints_it(project, demo):
    code, stdout, stderr = demo("out=some/where", "size=3")
    assert (code, stdout, stderr) == (0, "some/where\n", "")
    out = project / "some/where"
    assert sorted(path.name for path in out.iterdir()) == ["config.yaml", "metrics.json", "record.json", "result.txt"]
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert (config["size"], config["net"]["width"], config["out"]) == (3, 2, "some/where")
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["undefined"] is metrics["none"] is None
    record = json.loads((out / "record.json").read_text())
    assert (record["status"], record["seed"], record["overrides"]) == ("done", 1, ["out=some/where", "size=3"])
    assert record["weights"] == [{"name": "w", "source": "here", "licence": "MIT"}]
    assert written(project) == ["some"]


def test_the_seed_decides_what_networks_start_with(project, demo):
    torch.manual_seed(5)
    for out, seed in (("a", 7), ("b", 7), ("c", 8)):
        assert demo(f"out={out}", f"seed={seed}")[0] == 0
    first, second, third = (json.loads((project / out / "metrics.json").read_text())["score"] for out in "abc")
    assert first == second != third


def test_the_default_folder_is_named_after_the_overrides(project, demo):
    code, stdout, _ = demo("size=3", "+net.note=a/path", "seed=2", "~net.note")
    assert code == 0
    folder = Path(stdout.strip())
    assert folder.is_absolute()
    assert folder.parent == project / "outputs/demo"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_size-3_seed-2_no-net.note", folder.name)
    assert written(project) == ["outputs"]


def test_the_configuration_can_be_looked_at(project, demo, capfd):
    code, stdout, _ = demo("--cfg", "job", "size=3")
    assert code == 0
    assert yaml.safe_load(stdout)["size"] == 3
    with pytest.raises(SystemExit) as caught:
        demo("--help")
    assert caught.value.code == 0
    assert "net: broken, small" in capfd.readouterr().out
    assert written(project) == []


def test_a_sweep_gives_each_job_a_folder(project, demo):
    code, stdout, _ = demo("--multirun", "out=x", "size=1,2")
    assert (code, stdout.splitlines()) == (0, ["x/0", "x/1"])
    assert [yaml.safe_load((project / f"x/{i}/config.yaml").read_text())["size"] for i in (0, 1)] == [1, 2]
    code, stdout, _ = demo("size=1,2", "-m")
    assert code == 0
    assert [path.name[20:] for path in map(Path, stdout.split())] == ["size-1", "size-2"]
    assert written(project) == ["outputs", "x"]


def test_a_failing_job_does_not_stop_a_sweep_and_is_not_forgotten(project, demo):
    code, stdout, stderr = demo("-m", "out=x", "behaviour=refuse,well")
    assert (code, stdout.splitlines()) == (2, ["x/1"])
    assert stderr == "error: picture.png: expected a picture, found text; give another\n"


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


@pytest.fixture
def script(project):
    (project / "demo.py").write_text(
        'from turnaround.run.entry import main\n\nif __name__ == "__main__":\n    main("demo")\n'
    )
    unset = {"HYDRA_FULL_ERROR", "PYTHONUNBUFFERED"}  # the latter would hide a buffer that is not flushed
    environment = {key: value for key, value in os.environ.items() if key not in unset}
    return [sys.executable, str(project / "demo.py")], environment | {"PYTHONPATH": str(project)}


def test_a_script_finds_the_configs_beside_it_and_keeps_stdout_for_the_folder(script, tmp_path_factory):
    command, environment = script
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    command = [*command, "out=x", "behaviour=loud"]
    done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "x\n")
    for source in ("python", "sys.stdout", "the descriptor", "C", "a child"):
        assert f"from {source}\n" in done.stderr
    assert [path.name for path in elsewhere.iterdir() if path.name != "constructed"] == ["x"]


def test_control_c_in_a_real_process(project, script):
    command, environment = script
    process = subprocess.Popen(
        [*command, "behaviour=slow"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background has interruptions ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not (project / "started").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (130, "", "error: interrupted\n")
    assert not (project / "outputs").exists()
