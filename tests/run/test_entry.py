"""The command line: what it writes and prints."""

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
from demo_jobs import written


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
