"""How much memory `pipeline=depth` takes."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from turnaround.io.video import VideoWriter

MEASURE = """
import sys
from pathlib import Path
import torch
from turnaround.pipelines.depth import DepthPipeline
from turnaround.types import DepthKind

class Luminance:
    name, kind, weights = "luminance", DepthKind.AFFINE_DISPARITY, ()
    def stream(self, frames, *, seed):
        yield from (frame.mean(dim=0) for frame in frames)

torch.set_num_threads(1)
metrics = DepthPipeline(estimator=Luminance(), input=sys.argv[1], seed=0).run(Path(sys.argv[2]))
assert metrics["frames"] == int(sys.argv[3])
status = Path("/proc/self/status").read_text()  # of this process alone; getrusage would count its parent before exec
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from Linux's /proc")
def test_memory_is_constant_in_the_length(tmp_path):
    """A tenfold length must not raise the peak by 10 %.

    Torch, the codecs and the value sample (which 200 frames fill: 200 * 144 * 112 > 2**20) take about 640 MB. Holding
    the depth maps of the further 1800 frames would add 1800 * 144 * 112 * 4 B = 116 MB (18 %), the frames 348 MB.
    """
    picture = torch.rand(3, 112, 144)
    peaks = []
    for frames in (200, 2000):
        clip = tmp_path / f"{frames}.mp4"
        with VideoWriter(clip, fps=24.0) as writer:
            for index in range(frames):
                writer.write(picture.roll(index, dims=2))
        command = [sys.executable, "-c", MEASURE, str(clip), str(tmp_path / f"out{frames}"), str(frames)]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]))
    assert peaks[1] < 1.1 * peaks[0]
