"""Synthetic VR180 videos as files, to try mining without data."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from turnaround.io.atomic import remove_leftovers
from turnaround.io.json_object import read_object
from turnaround.scenes.sample import VERSION
from turnaround.scenes.stereo_sample import STEREO_VERSION, StereoVideoSampler
from turnaround.scenes.stereo_video import write_facts, write_stereo_video
from turnaround.types import InputError


class StereoBedPipeline:
    """Writes the videos of seeds `seed`, `seed` + 1, …; those that lie in the folder with these settings stay."""

    weights = ()

    def __init__(self, *, sampler: StereoVideoSampler, seed: int, videos: int):
        if videos < 1:
            raise InputError("videos", expected="1 or more", found=str(videos), fix="set videos")
        self.sampler, self.seeds = sampler, range(seed, seed + videos)
        settings = json.dumps([VERSION, STEREO_VERSION, asdict(sampler)], sort_keys=True)
        self.settings = hashlib.sha256(settings.encode()).hexdigest()[:16]

    def run(self, out: Path) -> Mapping[str, float]:
        """bed_SEED.mp4 with bed_SEED.json, which says what is in it: rig, kinds and frames of the segments."""
        made = sum(self._make(out, seed) for seed in self.seeds)
        return {"videos": float(len(self.seeds)), "made": float(made)}

    def _make(self, out: Path, seed: int) -> bool:
        film, facts = out / f"bed_{seed}.mp4", out / f"bed_{seed}.json"
        if film.is_file() and facts.is_file() and read_object(facts, expected="facts").get("settings") == self.settings:
            return False
        for path in (film, facts):
            remove_leftovers(path)
        video = self.sampler(seed)
        facts.unlink(missing_ok=True)  # those of other settings; the new ones come last, and so mean that all is whole
        write_stereo_video(film, video)
        write_facts(facts, video, settings=self.settings)
        return True
