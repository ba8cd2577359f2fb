"""The layout is the architecture: imports flow one way, names say what a thing is, files stay small."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "turnaround"


def test_imports_flow_one_way():
    script = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_no_module_is_named_after_nothing():
    nameless = {"utils", "misc", "common", "core", "helpers"}
    assert not {path.stem for path in PACKAGE.rglob("*")} & nameless


def test_files_stay_readable():
    long = {str(path): lines for path in PACKAGE.rglob("*.py") if (lines := len(path.read_text().splitlines())) > 320}
    assert not long


def test_constraints_hold_names_and_versions_alone():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert lines
    assert all(line.count("==") == 1 and not {"/", "@", " "} & set(line) for line in lines)
