"""The shipped network as the commands use it by default."""

from turnaround.diffusion.estimate import DepthDiffusion
from turnaround.diffusion.sample import SingleStepSampler
from turnaround.io.shots import ShotCuts
from turnaround.run.checkpoint import load_network


def shipped_estimator() -> DepthDiffusion:
    """With the settings of `configs/inference/single_step.yaml`."""
    return DepthDiffusion(
        network=load_network("video_depth_svd_small"),
        sampler=SingleStepSampler(sigma=700.0),
        shots=ShotCuts(least=15.0, ratio=3.0, around=2),
        window=8,
        overlap=4,
        pixels=6144,
        device="auto",
        name="ours",
    )
