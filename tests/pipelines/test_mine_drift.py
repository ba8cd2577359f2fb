import pytest
import torch

from turnaround.pipelines.mine.drift import BOUNDARY, DRIFT, SKY, BySemantics, ByTexture, DriftFilter, kept
from turnaround.types import InputError, Tracks

NAN = float("nan")
NAMES = ("wall", "sky", "road, route", "person", "earth;ground")
WALL, SKY_LABEL, ROAD, PERSON, EARTH = range(5)


class Painted:
    """A segmenter whose labels are the frame's red."""

    name, classes, weights = "painted", NAMES, ()

    def labels(self, frame):
        return frame[0].round().long()

    def fingerprint(self):
        return "painted"


def of_labels(*tracks, motion=None, visible=None):
    """A filter's drops of tracks that see these labels in each frame, one pixel each."""
    labels = torch.tensor(tracks).T.float()  # [t n]
    video = labels[:, None, None].expand(-1, 3, 1, -1)
    count, n = labels.shape
    pixels = torch.stack([torch.arange(n) + 0.5, torch.full((n,), 0.5)], -1).expand(count, n, 2)
    seen = torch.ones(count, n, dtype=torch.bool) if visible is None else torch.tensor(visible).T
    moved = torch.zeros(count, n) if motion is None else torch.tensor(motion).T
    found = Tracks(world=torch.zeros(count, n, 3), pixels=pixels, visible=seen)
    moved = torch.where(seen, moved, NAN)
    drift = BySemantics(segmenter=Painted(), static=["wall", "road", "earth"], sky=["sky"], still=5.0)
    assert isinstance(drift, DriftFilter)
    return {reason: dropped.tolist() for reason, dropped in drift.drops(video, found, moved).items()}


def test_any_visible_frame_on_the_sky_drops():
    tracks = [PERSON, PERSON, SKY_LABEL], [PERSON] * 3, [PERSON, PERSON, SKY_LABEL]
    seen = [True] * 3, [True] * 3, [True, True, False]
    assert of_labels(*tracks, visible=seen)[SKY] == [True, False, False]


def test_a_share_of_static_frames_between_none_and_all_drops():
    tracks = [WALL, ROAD, EARTH], [WALL, PERSON, WALL], [PERSON] * 3, [WALL, PERSON, WALL]
    seen = [True] * 3, [True] * 3, [True] * 3, [True, False, True]
    assert of_labels(*tracks, visible=seen)[BOUNDARY] == [False, True, False, False]


def test_moving_by_more_than_the_limit_on_a_static_class_drops():
    tracks = [WALL] * 2, [WALL] * 2, [PERSON] * 2, [WALL] * 2
    motion = [0.0, 5.0], [0.0, 5.1], [0.0, 50.0], [50.0, 0.0]
    seen = [True] * 2, [True] * 2, [True] * 2, [False, True]
    assert of_labels(*tracks, motion=motion, visible=seen)[DRIFT] == [False, True, False, False]


def test_each_drop_is_counted_once_under_its_first_reason():
    drops = {SKY: torch.tensor([1, 0, 0, 0]), BOUNDARY: torch.tensor([1, 1, 0, 0]), DRIFT: torch.tensor([0, 1, 1, 0])}
    stay, counts = kept({reason: dropped.bool() for reason, dropped in drops.items()})
    assert stay.tolist() == [False, False, False, True]
    assert counts == {SKY: 1, BOUNDARY: 1, DRIFT: 1}


def test_a_class_that_the_segmenter_does_not_know_is_refused():
    with pytest.raises(InputError, match="class lawn"):
        BySemantics(segmenter=Painted(), static=["wall", "lawn"], sky=["sky"], still=5.0)


def test_names_are_found_in_lists_of_names():
    found = BySemantics(segmenter=Painted(), static=["Road", "ground"], sky=["sky"], still=5.0)
    assert found.static.tolist() == [ROAD, EARTH]


def test_without_labels_what_moves_where_there_is_no_texture_drops():
    """Left noise, in the middle nothing, right an edge along which a point can slide."""
    video = torch.full((2, 3, 32, 96), 0.5)
    video[..., :32] = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    video[..., 80:] = 0.9
    pixels = torch.tensor([[16.0, 16], [48, 16], [80, 16], [48, 16]]).expand(2, 4, 2)
    tracks = Tracks(world=torch.zeros(2, 4, 3), pixels=pixels, visible=torch.ones(2, 4, dtype=torch.bool))
    motion = torch.tensor([[0.0, 0, 0, 0], [9.0, 9, 9, 5]])
    drift = ByTexture(still=5.0, window=13, texture=0.5, roundness=0.1)
    assert isinstance(drift, DriftFilter)
    assert {reason: dropped.tolist() for reason, dropped in drift.drops(video, tracks, motion).items()} == {
        DRIFT: [False, True, True, False]
    }
