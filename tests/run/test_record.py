"""Names and facts of runs."""

import json
import math
import subprocess
from pathlib import Path

import pytest

from turnaround.run import record
from turnaround.run.record import Record, run_name, write_json


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ([], "default"),
        (["net=tiny", "trainer.max_steps=3"], "net-tiny_max_steps-3"),
        (["out=/somewhere/else", "checkpoint=outputs/train/x", "seed=7"], "seed-7"),
        (["+ablation=[a,b]", "~ema", "x='two words'"], "ablation-a-b_no-ema_x-two-words"),
    ],
)
def test_run_names_come_from_overrides(given, name):
    assert run_name(given) == name


def test_long_names_are_cut_and_stay_distinct():
    long = [f"key{i}=value" for i in range(20)]
    first, second = run_name([*long, "seed=1"]), run_name([*long, "seed=2"])
    assert len(first) == len(second) == 80
    assert first[:70] == second[:70]
    assert first != second


def test_a_name_can_leave_keys_out():
    assert run_name(["net=tiny", "seed=3"], without=["seed"]) == "net-tiny"


def test_json_is_strict(tmp_path):
    write_json(tmp_path / "x.json", {"a": math.nan, "b": [math.inf, 1.5], "c": Path("d"), "e": True})
    text = (tmp_path / "x.json").read_text()
    parsed = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert parsed == {"a": None, "b": [None, 1.5], "c": "d", "e": True}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_record_states_code_versions_machine_and_time(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "do-not-record-me")
    Record(seed=7).write(tmp_path / "record.json", status="done", facts={"weights": [{"name": "w", "licence": "MIT"}]})
    text = (tmp_path / "record.json").read_text()
    facts = json.loads(text)
    assert (facts["status"], facts["seed"], facts["weights"][0]["licence"]) == ("done", 7, "MIT")
    assert facts["packages"]["torch"].split(".") >= ["2"]
    assert facts["hardware"]["cores"] >= 1
    assert facts["peak_memory_bytes"] > 2**20
    assert facts["seconds"] >= 0
    assert facts["start"] <= facts["end"]
    assert "do-not-record-me" not in text


def test_git_state_changes_with_the_code(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    monkeypatch.setattr(record, "PACKAGE_FOLDER", tmp_path)
    assert set(record._git().values()) == {"unknown"}
    git("init", "-b", "trunk")
    (tmp_path / "__init__.py").write_text("a = 1\n")
    assert set(record._git().values()) == {"unknown"}, "an installed copy inside somebody else's repository"
    git("add", ".")
    git("commit", "-m", "first")
    clean = record._git()
    assert (clean["branch"], clean["dirty"], len(clean["commit"])) == ("trunk", False, 40)
    (tmp_path / "__init__.py").write_text("a = 2\n")
    changed = record._git()
    assert changed["dirty"]
    assert changed["commit"] == clean["commit"]
    assert changed["diff_sha256"] != clean["diff_sha256"]
