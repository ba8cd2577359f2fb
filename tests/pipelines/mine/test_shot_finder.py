import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from turnaround.pipelines.mine.shots import ShotFinder
from turnaround.scenes.observe import film
from turnaround.scenes.sample import WorldSampler


@pytest.fixture(scope="module")
def worlds():
    sampler = WorldSampler(height=72, width=96, frames=30, seconds=1.0, paths={"orbit": 1.0})
    return [film(sampler(seed), samples=2) for seed in (1, 2)]


def found(video, **settings):
    finder = instantiate(OmegaConf.merge(OmegaConf.load("configs/shots/default.yaml"), settings))
    assert isinstance(finder, ShotFinder)
    shots = finder.find(iter(video), fps=30.0)
    pieces = sorted([*shots.kept, *(dropped.shot for dropped in shots.left_out)], key=lambda shot: shot.start)
    assert [piece.start for piece in pieces] == [0, *(piece.stop for piece in pieces[:-1])][: len(pieces)]
    assert not pieces or pieces[-1].stop == len(video)
    return shots


def spans(shots):
    return [(shot.start, shot.stop) for shot in shots.kept]


def reasons(shots):
    return [(dropped.reason, dropped.shot.start, dropped.shot.stop) for dropped in shots.left_out]


def test_a_cut_parts_two_shots(worlds):
    shots = found(torch.cat(worlds))
    assert spans(shots) == [(0, 30), (30, 60)]
    assert shots.left_out == ()


def test_nothing_comes_of_nothing(worlds):
    shots = found(worlds[0][:0])
    assert shots.kept == shots.left_out == ()


def test_long_shots_become_pieces_of_like_length(worlds):
    assert spans(found(worlds[0], most=12, least=5)) == [(0, 10), (10, 20), (20, 30)]


def test_short_ones_are_named(worlds):
    shots = found(torch.cat([worlds[0], worlds[1][:9]]))
    assert spans(shots) == [(0, 30)]
    assert reasons(shots) == [("short", 30, 39)]
    assert shots.left_out[0].value == 9.0


def test_head_and_tail_are_trimmed(worlds):
    """0.1 seconds are 3 frames."""
    shots = found(worlds[0], trim_seconds=0.1)
    assert spans(shots) == [(3, 27)]
    assert reasons(shots) == [("trim", 0, 3), ("trim", 27, 30)]


def test_a_fade_is_taken_out(worlds):
    """12 frames of a fade between two worlds of 30 each, that of frames 18 to 29."""
    first, second = worlds
    share = torch.linspace(1 / 13, 12 / 13, 12)[:, None, None, None]
    video = torch.cat([first[:18], (1 - share) * first[18:] + share * second[:12], second[12:]])
    shots = found(video, least=5)
    ((reason, start, stop),) = reasons(shots)
    assert reason == "fade"
    assert start <= 21
    assert stop >= 27
    assert start >= 12
    assert stop <= 36
    assert spans(shots) == [(0, start), (stop, len(video))]


def test_a_still_segment_is_taken_out(worlds):
    video = torch.cat([worlds[0], worlds[0][-1:].repeat(25, 1, 1, 1), worlds[0].flip(0)])
    shots = found(video, least=5)
    ((reason, start, stop),) = reasons(shots)
    assert reason == "still"
    # the camera moves by less than half a grey level's worth per frame near the ends of what stands still
    assert abs(start - 29) <= 3
    assert abs(stop - 56) <= 3
    assert len(shots.kept) == 2


def test_a_still_segment_after_a_cut_says_how_much_it_changes(worlds):
    """By nothing; the cut before it is no change of its own."""
    video = torch.cat([worlds[0], worlds[1][:1].repeat(24, 1, 1, 1)])
    shots = found(video)
    assert spans(shots) == [(0, 30)]
    assert reasons(shots) == [("still", 30, 54)]
    assert shots.left_out[0].value == 0.0


def test_what_points_are_lost_in_is_no_clip(worlds):
    """Noise has corners, but none that the next frame has too."""
    noise = torch.rand(12, 3, 72, 96, generator=torch.Generator().manual_seed(0))
    shots = found(torch.cat([worlds[0], noise]), fade=2.0)  # no fade: noise has more contrast than a picture
    assert spans(shots) == [(0, 30)]
    assert reasons(shots) == [("lost", 30, 42)]
