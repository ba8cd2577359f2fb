import pytest
import torch

from turnaround.io.shots import OneShot, ShotCuts
from turnaround.scenes.observe import film
from turnaround.scenes.sample import WorldSampler

CUTS = ShotCuts(least=15.0, ratio=3.0, around=2)


@pytest.fixture(scope="module")
def shots():
    """Three procedural worlds, each a camera in motion."""
    sampler = WorldSampler(height=32, width=48, frames=8)
    return [film(sampler(seed)) for seed in (1, 2, 4)]


def test_every_cut_between_worlds_is_found_and_motion_is_none(shots):
    video = torch.cat(shots)
    labelled = list(CUTS.label(video))
    assert [shot for _, shot in labelled] == [0] * 8 + [1] * 8 + [2] * 8
    assert torch.equal(torch.stack([frame for frame, _ in labelled]), video)


def test_a_cut_near_the_end_is_missed_rather_than_guessed(shots):
    """The detector compares a frame with two on either side, so the last two frames begin no shot."""
    video = torch.cat([shots[0], shots[1][:1]])
    assert [shot for _, shot in CUTS.label(video)] == [0] * 9


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_short_videos_are_one_shot(shots, count):
    assert [shot for _, shot in CUTS.label(shots[0][:count])] == [0] * count


def test_frames_are_held_back_no_longer_than_needed(shots):
    asked = 0

    def frames():
        nonlocal asked
        for frame in torch.cat(shots):
            asked += 1
            yield frame

    for given, _ in enumerate(CUTS.label(frames()), 1):
        assert asked - given <= 2


def test_one_shot_takes_all_for_one(shots):
    assert {shot for _, shot in OneShot().label(torch.cat(shots))} == {0}
