"""How much of each frame is new, and paths that it slows down."""

from dataclasses import replace

import pytest
import torch
from small_orbits import PIVOT, SURFACES, scenes, view_of

from turnaround.geometry.camera_path import Arc, Dolly, Turntable
from turnaround.geometry.easing import Linear
from turnaround.geometry.surroundings import surroundings_of
from turnaround.pipelines.orbit.growth import observed
from turnaround.pipelines.orbit.pace import Pace, new_shares
from turnaround.types import InputError

HEIGHT, WIDTH = 96, 128


@pytest.fixture(scope="module")
def first():
    """A wall at 8 metres with nothing before it."""
    _, without = scenes(height=HEIGHT, width=WIDTH, frames=1)
    return observed(view_of(without, 0))


def film(path, first):
    start = first.view.camera
    cameras = path.cameras(start, PIVOT.float())
    return cameras, surroundings_of(first.view.depth, start, cameras, PIVOT)


def test_a_camera_that_stands_or_goes_straight_ahead_shows_nothing_new(first):
    path = Dolly(frames=5, share=0.1, easing=Linear())
    cameras, around = film(path, first)
    assert float(new_shares(cameras, first, around, SURFACES, closed=False).max()) < 0.02
    still = replace(path, share=0.0).cameras(first.view.camera, PIVOT.float())
    assert float(new_shares(still, first, around, SURFACES, closed=False).max()) == 0


def test_a_camera_that_turns_shows_a_strip_that_is_as_wide_as_its_step(first):
    """About a pivot in its own place nearly, so that nothing but the turn counts."""
    path = Arc(frames=4, degrees=9.0, easing=Linear())
    start = first.view.camera
    here = torch.tensor([0.0, 0.0, 1e-3])
    cameras = path.cameras(start, here)
    around = surroundings_of(first.view.depth, start, cameras, here.double())
    new = new_shares(cameras, first, around, SURFACES, closed=False)
    focal = float(start.intrinsics[0, 0, 0])
    strip = focal * torch.tensor(3.0).deg2rad().tan() / WIDTH
    assert len(new) == 3
    assert float(new.min()) > 0.8 * strip
    assert float(new.max()) < 2.5 * strip  # near the edge of a picture more passes than in its middle


def test_a_closed_path_counts_the_step_from_its_end_to_its_start(first):
    cameras, around = film(Turntable(frames=12, turns=1), first)
    new = new_shares(cameras, first, around, SURFACES, closed=True)
    assert len(new) == 12
    assert float(new[-1]) > 0.2  # thirty degrees


def test_it_says_how_many_frames_would_be_enough(first):
    path = Turntable(frames=12, turns=1)
    cameras, around = film(path, first)
    pace = Pace(share=0.25, fastest=2.0, gentle=0.1)
    slowed, warnings = pace.paced(cameras, first, around, SURFACES, closed=True)
    assert len(slowed) == 12
    assert "path.frames=" in warnings[0]
    frames = int(warnings[0].split("path.frames=")[1].split()[0])
    assert 12 < frames < 60
    many, around = film(replace(path, frames=frames), first)
    slowed, _ = pace.paced(many, first, around, SURFACES, closed=True)
    assert float(new_shares(slowed, first, around, SURFACES, closed=True).max()) < 1.1 * pace.share


def test_one_frame_has_no_pace(first):
    cameras, around = film(Turntable(frames=1, turns=1), first)
    pace = Pace(share=0.1, fastest=2.0, gentle=0.1)
    assert pace.paced(cameras, first, around, SURFACES, closed=True) == (cameras, ())


@pytest.mark.parametrize(
    ("wrong", "named"), [({"share": 0.0}, "share"), ({"fastest": 0.5}, "fastest"), ({"gentle": 0.5}, "gentle")]
)
def test_it_refuses_what_makes_no_sense(wrong, named):
    with pytest.raises(InputError, match=named):
        Pace(**{"share": 0.1, "fastest": 2.0, "gentle": 0.1} | wrong)
