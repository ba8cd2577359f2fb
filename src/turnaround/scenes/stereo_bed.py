"""Synthetic stereo videos as files in a folder, each made once."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from turnaround.io.atomic import remove_leftovers
from turnaround.io.json_object import read_object
from turnaround.scenes.sample import VERSION
from turnaround.scenes.stereo_sample import STEREO_VERSION, StereoVideoSampler
from turnaround.scenes.stereo_video import write_facts, write_stereo_video


def bed_folder(cache: Path, sampler: StereoVideoSampler, seeds: Iterable[int]) -> Path:
    """A folder below `cache`, of the sampler's settings and of these seeds, that holds exactly their videos."""
    numbers = list(seeds)
    named = hashlib.sha256(f"{settings_of(sampler)} {numbers}".encode()).hexdigest()[:16]
    folder = cache / named
    for seed in numbers:
        write_bed_video(folder, sampler, seed)
    return folder


def write_bed_video(folder: Path, sampler: StereoVideoSampler, seed: int) -> bool:
    """bed_SEED.mp4, and bed_SEED.json, which says what is in it. Whether it was made: one that lies there with these
    settings stays."""
    film, facts, settings = folder / f"bed_{seed}.mp4", folder / f"bed_{seed}.json", settings_of(sampler)
    if film.is_file() and facts.is_file() and read_object(facts, expected="facts").get("settings") == settings:
        return False
    for path in (film, facts):
        remove_leftovers(path)
    video = sampler(seed)
    facts.unlink(missing_ok=True)  # those of other settings; the new ones come last, and so mean that all is whole
    write_stereo_video(film, video)
    write_facts(facts, video, settings=settings)
    return True


def settings_of(sampler: StereoVideoSampler) -> str:
    """Changes with whatever decides the videos of a seed."""
    settings = json.dumps([VERSION, STEREO_VERSION, asdict(sampler)], sort_keys=True)
    return hashlib.sha256(settings.encode()).hexdigest()[:16]
