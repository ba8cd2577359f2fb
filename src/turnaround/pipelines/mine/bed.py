"""Synthetic VR180 videos as files, to try mining without data."""

from collections.abc import Mapping
from pathlib import Path

from turnaround.scenes.stereo_bed import write_bed_video
from turnaround.scenes.stereo_sample import StereoVideoSampler
from turnaround.types import InputError


class StereoBedPipeline:
    """Writes the videos of seeds `seed`, `seed` + 1, …; those that lie in the folder with these settings stay."""

    weights = ()

    def __init__(self, *, sampler: StereoVideoSampler, seed: int, videos: int):
        if videos < 1:
            raise InputError("videos", expected="1 or more", found=str(videos), fix="set videos")
        self.sampler, self.seeds = sampler, range(seed, seed + videos)

    def run(self, out: Path) -> Mapping[str, float]:
        """bed_SEED.mp4 with bed_SEED.json, which says what is in it: rig, kinds and frames of the segments."""
        made = sum(write_bed_video(out, self.sampler, seed) for seed in self.seeds)
        return {"videos": float(len(self.seeds)), "made": float(made)}
