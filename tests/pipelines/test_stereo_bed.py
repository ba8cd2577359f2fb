"""The test bed as files: videos with what is true of them, of which none is made twice."""

import json
from itertools import pairwise

import pytest
import stereo_beds

from turnaround.io.video import open_frames
from turnaround.pipelines.mine.bed import StereoBedPipeline
from turnaround.types import InputError


def bed(videos=2, seed=7, **settings):
    sampler = stereo_beds.sampler(size=16, segments=(2, 2), frames=(2, 2), **settings)
    return StereoBedPipeline(sampler=sampler, seed=seed, videos=videos)


def test_videos_and_facts_are_written(tmp_path):
    assert bed().run(tmp_path) == {"videos": 2, "made": 2}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bed_7.json", "bed_7.mp4", "bed_8.json", "bed_8.mp4"]
    for seed in (7, 8):
        facts = json.loads((tmp_path / f"bed_{seed}.json").read_text())
        frames = open_frames(tmp_path / f"bed_{seed}.mp4")
        assert (frames.height, frames.width, frames.fps) == (16, 32, 15)
        assert facts["segments"][0]["start"] == 0
        assert facts["segments"][-1]["stop"] == frames.frames
        assert all(before["stop"] == after["start"] for before, after in pairwise(facts["segments"]))
        assert facts["baseline"] == pytest.approx(0.063)


def test_what_is_finished_stays_and_what_is_not_is_made_again(tmp_path):
    bed().run(tmp_path)
    before = (tmp_path / "bed_7.mp4").stat().st_mtime_ns
    (tmp_path / "bed_8.json").unlink()  # as after a kill between the two files
    (tmp_path / ".bed_9.0123abcd.mp4").write_bytes(b"half")
    assert bed(videos=3).run(tmp_path) == {"videos": 3, "made": 2}
    assert (tmp_path / "bed_7.mp4").stat().st_mtime_ns == before
    assert not list(tmp_path.glob(".*"))


def test_other_settings_make_other_videos(tmp_path):
    bed(videos=1).run(tmp_path)
    assert bed(videos=1, travel=(0.4, 0.5)).run(tmp_path)["made"] == 1


def test_no_videos_is_refused():
    with pytest.raises(InputError, match="1 or more"):
        bed(videos=0)
