"""A long video's depth, killed at ten moments: the same file as if nothing had happened."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from turnaround.io.video import write_video
from turnaround.run.build import build_value
from turnaround.run.checkpoint import save_weights
from turnaround.scenes.observe import film
from turnaround.scenes.sample import WorldSampler

ROOT = Path(__file__).parents[1]
FRAMES, WINDOW, OVERLAP = 120, 6, 2
WINDOWS = (FRAMES - WINDOW) // (WINDOW - OVERLAP) + 2  # the last one ends with the last frame


def tiny_checkpoint(folder: Path) -> Path:
    net = yaml.safe_load((ROOT / "configs" / "net" / "svd_small.yaml").read_text())
    tiny = yaml.safe_load((ROOT / "configs" / "net" / "svd_tiny.yaml").read_text())
    net["unet"] |= tiny["unet"]
    torch.manual_seed(0)
    save_weights(folder, build_value(net, "net"), net)
    return folder


def start(video: Path, checkpoint: Path, out: Path) -> subprocess.Popen:
    options = f"inference.window={WINDOW} inference.overlap={OVERLAP} inference.pixels=1536 seed=3"
    command = f"run.py pipeline=depth input={video} checkpoint={checkpoint} inference=fast {options} out={out}"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *command.split()], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def kill_once(process: subprocess.Popen, reached: Callable[[], bool], delay: float) -> None:
    while not reached():
        assert process.poll() is None, f"it ended before it was killed: {process.communicate()}"
        time.sleep(0.002)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def finish(process: subprocess.Popen, out: Path) -> str:
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    return hashlib.sha256((out / "depth.npz").read_bytes()).hexdigest()


@pytest.mark.slow
def test_ten_kills_change_no_byte(tmp_path):
    video = tmp_path / "video.mp4"
    write_video(video, film(WorldSampler(height=32, width=48, frames=FRAMES, seconds=10.0)(3)), fps=12.0)
    checkpoint = tiny_checkpoint(tmp_path / "checkpoint")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected = finish(start(video, checkpoint, whole), whole)

    moments = random.Random(0)
    counts = sorted(moments.sample(range(1, WINDOWS), 8))

    def windows_are(count: int) -> Callable[[], bool]:
        return lambda: len(list(parts.glob("work/*/window_*.safetensors"))) >= count

    conditions = [lambda: True, *map(windows_are, counts), windows_are(WINDOWS)]  # the last one: while it is written
    for number, reached in enumerate(conditions):
        # at the start a moment within the imports, later one within a window or within the writing
        delay = moments.uniform(0, 4.0 if number == 0 else 0.02)
        kill_once(start(video, checkpoint, parts), reached, delay)
    assert finish(start(video, checkpoint, parts), parts) == expected
    assert {path.name for path in parts.iterdir()} == {path.name for path in whole.iterdir()}
