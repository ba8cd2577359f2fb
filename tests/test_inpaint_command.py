"""The real command on a folder of stereo pairs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_pairs import write_pair

ROOT = Path(__file__).parents[1]


def evaluate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "eval.py"), "logger=none", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TORCH_HOME": str(folder / "torch")},
    )


@pytest.mark.slow
def test_stereo_pairs_are_scored_and_a_peers_files_too(tmp_path):
    given = [f"benchmark.root={tmp_path / 'pairs'}", "benchmark=stereo_pairs"]
    for item in ("a", "b"):
        write_pair(tmp_path / "pairs" / item)
    found = evaluate(tmp_path, *given, f"out={tmp_path / 'out'}")
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines() == [str(tmp_path / "out")]
    rows = [json.loads(line) for line in (tmp_path / "out" / "rows.jsonl").read_text().splitlines()]
    methods = {"telea", "navier_stokes", "background_stretch", "ours"}
    assert {(row["item"], row["method"]) for row in rows} == {(item, method) for item in "ab" for method in methods}
    names = {"psnr", "ssim", "lpips", "hole_psnr", "hole_lpips", "known_error"}
    for row in rows:
        assert set(row["metrics"]) == names
        assert row["metrics"]["known_error"] == 0
        assert 5 < row["metrics"]["hole_psnr"] < row["metrics"]["psnr"] < 40
        assert row["metrics"]["lpips"] is None
        assert row["meta"]["lpips"].startswith("unavailable, place squeezenet1_1-b8a52dc0.pth at")
    assert "known_error" in (tmp_path / "out" / "table.md").read_text()

    theirs = f"predictions={tmp_path / 'out' / 'predictions' / 'telea'}"
    found = evaluate(tmp_path, *given, theirs, "baselines=[]", "baseline=null", f"out={tmp_path / 'again'}")
    assert found.returncode == 0, found.stderr
    again = [json.loads(line) for line in (tmp_path / "again" / "rows.jsonl").read_text().splitlines()]
    assert [row["metrics"] for row in again] == [row["metrics"] for row in rows if row["method"] == "telea"]

    (tmp_path / "pairs" / "b" / "right.png").unlink()
    found = evaluate(tmp_path, *given, f"out={tmp_path / 'bad'}")
    assert found.returncode == 2
    assert found.stderr.splitlines()[-1].startswith(f"error: {tmp_path}/pairs/b/right.png: expected an image")
