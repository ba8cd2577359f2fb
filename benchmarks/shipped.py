"""The shipped network as the commands use it by default."""

from turnaround.diffusion.estimate import DepthDiffusion
from turnaround.diffusion.sample import SingleStepSampler
from turnaround.run.checkpoint import load_network


def shipped_estimator() -> DepthDiffusion:
    """With the settings of `configs/inference/single_step.yaml`."""
    return DepthDiffusion(
        network=load_network("video_depth_svd_small"),
        sampler=SingleStepSampler(sigma=700.0),
        window=8,
        overlap=4,
        pixels=6144,
        device="auto",
        name="ours",
    )
