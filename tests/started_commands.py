"""The project's commands as processes of their own, to be waited for or killed."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def started(*words: str) -> subprocess.Popen:
    """`python` with these words, on one thread, in the project's folder."""
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen) -> str:
    """What it printed; it must have ended well."""
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return output
