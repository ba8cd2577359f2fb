from dataclasses import replace

import pytest
import torch

from turnaround.pipelines.mine.queries import QueryGrid
from turnaround.types import InputError, PixelTracks

GRID = QueryGrid(every=10, stride=4, jitter=2.0, apart=1.0, margin=0, least=1, most=10**6)
VIDEO = torch.zeros(21, 3, 32, 48)
ALL = torch.ones(21, 32, 48, dtype=torch.bool)


class Flowing:
    """Points that go right by `speed` pixels per frame, and are visible for `length` frames from their own on."""

    name, weights = "flowing", ()

    def __init__(self, speed=0.0, length=99, before=True):
        self.speed, self.length, self.before, self.asked = speed, length, before, {}

    def track(self, video, frame, pixels):
        self.asked[frame] = pixels
        after = torch.arange(len(video)) - frame
        places = pixels + (self.speed * after)[:, None, None] * torch.tensor([1.0, 0.0])
        seen = (after < self.length) & ((after >= 0) | self.before)
        return PixelTracks(
            pixels=places,
            visible=seen[:, None] & (places[..., 0] < video.shape[3]) & (places[..., 0] >= 0),
            query=torch.full((len(pixels),), frame),
        )

    def fingerprint(self):
        return ""


def follow(grid, tracker, *, known=ALL, seed=0):
    return grid.follow(VIDEO, known, tracker, seed=seed)


def test_a_grid_of_the_stride_with_jitter_within_its_bounds():
    tracker = Flowing()
    follow(GRID, tracker)
    queries = tracker.asked[0]
    assert len(queries) == 8 * 12
    cells = torch.cartesian_prod(torch.arange(2.0, 32, 4), torch.arange(2.0, 48, 4)).flip(-1)
    assert 1.5 < (queries - cells).abs().max() <= 2
    follow(replace(GRID, jitter=0.0), tracker)
    assert torch.equal(tracker.asked[0], cells)
    square = torch.zeros(1, 3, 512, 512)
    QueryGrid(every=10, stride=4, jitter=2.0, apart=1.0, margin=0, least=1, most=10**6).follow(
        square, torch.ones(1, 512, 512, dtype=torch.bool), tracker, seed=0
    )
    assert len(tracker.asked[0]) == 128 * 128


def test_key_frames_come_every_tenth_and_have_jitter_of_their_own():
    tracker = Flowing(length=1, before=False)
    tracks = follow(GRID, tracker)
    assert sorted(tracker.asked) == [0, 10, 20]
    assert tracks.query.bincount()[[0, 10, 20]].tolist() == [96, 96, 96]
    assert not torch.equal(tracker.asked[0], tracker.asked[10])


def test_the_seed_decides():
    asked = []
    for seed in (0, 0, 1):
        tracker = Flowing()
        follow(GRID, tracker, seed=seed)
        asked.append(tracker.asked[0])
    assert torch.equal(asked[0], asked[1])
    assert not torch.equal(asked[0], asked[2])


def test_queries_near_a_visible_track_are_left_out():
    """Without jitter, tracks that stand still take every later query."""
    still = replace(GRID, jitter=0.0)
    assert follow(still, Flowing()).query.bincount().tolist() == [96]
    # 6 px in 10 frames is 2 px beside the queries, and 12 px in 20 frames all of them but three columns of 8
    assert follow(still, Flowing(speed=0.6)).query.bincount(minlength=21)[[0, 10, 20]].tolist() == [96, 96, 24]
    # at 4 px in 10 frames, all but the first column is taken
    assert follow(still, Flowing(speed=0.4)).query.bincount(minlength=21)[[0, 10, 20]].tolist() == [96, 8, 8]


def test_tracks_that_are_hidden_there_take_nothing():
    still = replace(GRID, jitter=0.0)
    assert follow(still, Flowing(length=10)).query.bincount(minlength=21)[[0, 10, 20]].tolist() == [96, 96, 96]


def test_pruning_before_tracking_keeps_what_pruning_after_it_keeps():
    """The paper's order: follow all queries of all key frames, then keep those that no kept track is near."""
    tracker = Flowing(speed=0.13, length=17)
    found = follow(GRID, tracker)
    everything = Flowing(speed=0.13, length=17)
    follow(replace(GRID, apart=0.0), everything)
    kept = []
    for frame, queries in everything.asked.items():
        tracks = tracker.track(VIDEO, frame, queries)
        taken = [(t.pixels[frame], t.visible[frame]) for t in kept]
        near = [(torch.cdist(queries, p[v]) <= 1).any(1) for p, v in taken if v.any()]
        free = ~torch.stack(near).any(0) if near else torch.ones(len(queries), dtype=torch.bool)
        kept.append(
            PixelTracks(pixels=tracks.pixels[:, free], visible=tracks.visible[:, free], query=tracks.query[free])
        )
    assert torch.equal(torch.cat([t.pixels for t in kept], dim=1), found.pixels)
    assert 96 < len(found.query) < 3 * 96


def test_nothing_is_asked_where_depth_is_unknown_or_near_that():
    known = ALL.clone()
    known[:, :, :20] = False
    for margin, first in ((0, 20), (3, 23)):
        tracker = Flowing()
        follow(replace(GRID, margin=margin), tracker, known=known)
        assert first <= tracker.asked[0][:, 0].min() < first + 2
    assert follow(GRID, Flowing(), known=~ALL).pixels.shape == (21, 0, 2)


def test_tracks_that_are_seen_too_shortly_are_left_out():
    assert len(follow(replace(GRID, least=3), Flowing(length=2, before=False)).query) == 0
    assert len(follow(replace(GRID, least=2), Flowing(length=2, before=False)).query) > 0


def test_no_more_tracks_than_asked_for():
    tracks = follow(replace(GRID, most=100), Flowing(length=1, before=False))
    assert tracks.query.bincount(minlength=21)[[0, 10, 20]].tolist() == [96, 4, 0]


def test_settings_out_of_range_are_refused():
    with pytest.raises(InputError, match="queries"):
        replace(GRID, stride=0)
