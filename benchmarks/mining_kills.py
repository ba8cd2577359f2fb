"""Mining that is killed at random moments ends with the files of a run that was not, and does nothing twice.

    python benchmarks/mining_kills.py [--clips 20] [--kills 20] [--seed 0]

Makes small synthetic films, mines them once undisturbed, and once with SIGKILL to all processes at random moments;
prints how many files differ (H.264 aside, which is not quite repeatable) and how many finished stages or records were
made anew.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mining_workers import BED, ROOT, SMALL, run


def digests(out: Path) -> dict[str, str]:
    skipped = ("config.yaml", "record.json")
    files = [file for file in out.rglob("*") if file.is_file() and file.suffix != ".mp4" and file.name not in skipped]
    return {str(file.relative_to(out)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def times(out: Path) -> dict[str, int]:
    """When each finished stage and record was made."""
    files = [*out.glob("work/*/*.safetensors"), *out.glob("records/*/*.json")]
    return {str(file.relative_to(out)): file.stat().st_mtime_ns for file in files if not file.name.startswith(".")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        films, whole, killed = (Path(folder) / name for name in ("films", "whole", "killed"))
        run(*BED.split(), f"videos={given.clips}", f"out={films}")
        usual = run(*SMALL.split(), f"input={films}", f"out={whole}")
        seen: dict[str, int] = {}
        again = 0
        for _ in range(given.kills):
            command = [sys.executable, "run.py", *SMALL.split(), f"input={films}", f"out={killed}"]
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
            time.sleep(chance.uniform(0, 2 * usual / given.kills))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            made = times(killed)
            again += sum(seen.get(name, when) != when for name, when in made.items())
            seen |= made
        run(*SMALL.split(), f"input={films}", f"out={killed}")
        left = times(killed)
        again += sum(seen[name] != when for name, when in left.items() if name in seen)
        one, other = digests(whole), digests(killed)
    differing = sum(one.get(name) != other.get(name) for name in one.keys() | other.keys())
    print(f"{given.clips} clips, {given.kills} kills: {differing} of {len(one)} files differ, {again} made twice")


if __name__ == "__main__":
    main()
