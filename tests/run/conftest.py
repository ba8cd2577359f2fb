"""A project with its own configs and jobs, and its command line."""

import sys

import pytest
from demo_jobs import CONFIG, JOBS

from turnaround.run.entry import launch


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
