"""How much faster two local workers mine than one, on small synthetic films, each on one thread.

    python benchmarks/mining_workers.py [--films 4]

Prints the seconds of each and their ratio. Films are made first, and mined twice into folders that are removed.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BED = (
    "pipeline=stereo_bed pipeline.sampler.size=256 pipeline.sampler.segments=[1,1] pipeline.sampler.frames=[24,24] "
    "pipeline.sampler.kinds={good:1.0,still:0.0,fade:0.0,text:0.0,no_parallax:0.0}"
)
SMALL = "pipeline=mine crops.size=160 queries.stride=4 miner.looking.fisheye=384 miner.least_tracks=1"


def run(*options: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "run.py", *options], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=4)
    films = parser.parse_args().films
    with tempfile.TemporaryDirectory() as folder:
        run(*BED.split(), f"videos={films}", f"out={folder}/films")
        seconds = [
            run(*SMALL.split(), f"input={folder}/films", f"out={folder}/mined_{workers}", f"executor.workers={workers}")
            for workers in (1, 2)
        ]
    print(
        f"{films} films: {seconds[0]:.0f} s with one worker, {seconds[1]:.0f} s with two: {seconds[0] / seconds[1]:.2f}"
    )


if __name__ == "__main__":
    main()
