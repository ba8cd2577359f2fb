import math
from dataclasses import replace

import pytest
import torch
from hand_made_worlds import BRIGHT, DARK, body, looking_at, wall
from observed_worlds import sample

from turnaround.geometry.lucas_kanade import Limits, LucasKanade
from turnaround.geometry.projection import pixel_grid
from turnaround.render.shapes import Shape
from turnaround.render.texture import Pattern
from turnaround.scenes.observe import film, track
from turnaround.types import InputError, PointTracker

TRACKER = LucasKanade(
    window=13,
    narrow=7,
    levels=3,
    anchor=9,
    reach=1.5,
    limits=Limits(round_trip=1.0, resemblance=0.8, texture=0.3, roundness=0.05),
)
SIZE, FRAMES = 64, 9


def waves(shift_x, shift_y):
    """A smooth texture known in closed form, moved by shifts [t] in pixels."""
    grid = pixel_grid(SIZE, SIZE, like=torch.zeros(()))
    x, y = grid[..., 0] - shift_x[:, None, None], grid[..., 1] - shift_y[:, None, None]
    channels = [
        torch.sin(x * (0.35 + 0.05 * c)) + torch.sin(y * (0.42 - 0.05 * c)) + torch.sin(0.23 * (x + y) + c)
        for c in range(3)
    ]
    return 0.5 + torch.stack(channels, dim=1) / 8


def queries():
    line = torch.arange(20.0, 45.0, 6.0) + 0.25
    return torch.cartesian_prod(line, line)


def test_moved_waves_are_followed_to_a_hundredth_of_a_pixel_both_ways():
    time = torch.arange(FRAMES)
    video = waves(0.7 * time, -0.4 * time)
    tracks = TRACKER.track(video, 4, queries())
    expected = queries() + ((time - 4)[:, None] * torch.tensor([0.7, -0.4]))[:, None]
    assert tracks.visible.all()
    assert (tracks.pixels[4] == queries()).all()
    assert (tracks.query == 4).all()
    # 8 bits: a level of 255 against slopes of some 10 levels per pixel, over 81 pixels and three channels
    assert (tracks.pixels - expected).norm(dim=-1).max() < 0.03


def test_what_leaves_the_picture_is_lost_and_does_not_come_back():
    shift = torch.tensor([0.0, -6.0, -12.0, -18.0, -24.0, -18.0, -12.0, -6.0, 0.0])
    tracks = TRACKER.track(waves(shift, torch.zeros(FRAMES)), 0, torch.tensor([[20.0, 32.0], [45.0, 32.0]]))
    assert tracks.visible[:4, 0].tolist()[:3] == [True, True, True]
    assert not tracks.visible[4:, 0].any()  # at -4 px, and then back
    assert tracks.visible[:, 1].all()
    assert tracks.pixels.isfinite().all()


def test_points_behind_a_passing_body_are_lost_when_it_hides_them():
    """A textured box passes before a textured wall."""
    colors = {"pattern": Pattern.NOISE, "colors": ((0.9, 0.2, 0.1), (0.1, 0.3, 0.9))}
    box = body(Shape.BOX, (0.4, 0.4, 0.05), (-1.6, 0, 2), velocity=(0.1, 0, 0), frequency=9.0, **colors)
    bodies = [*wall(distance=4, pattern=Pattern.NOISE, colors=(BRIGHT, DARK), frequency=7.0), box]
    scene = looking_at(bodies, poses=torch.eye(4).double().repeat(13, 1, 1), height=72, width=96)
    points = torch.cartesian_prod(torch.arange(30.0, 45.0, 3.0), torch.arange(30.0, 42.0, 3.0))
    truth = track(scene, points.double(), frame=0)
    hidden = ~truth.visible[-1]
    assert hidden.float().mean() > 0.2
    tracks = TRACKER.track(film(scene, samples=2), 0, points)
    assert tracks.visible[5, truth.visible[8]].float().mean() > 0.7  # the others start on edges of the noise
    assert tracks.visible[-1, hidden].float().mean() < 0.1


def test_places_without_texture_are_seen_in_their_own_frame_alone():
    flat = torch.full((3, 3, SIZE, SIZE), 0.5)
    edge = flat.clone()
    edge[..., 32:] = 0.8
    for video in (flat, edge):  # along an edge, nothing tells where a point is
        tracks = TRACKER.track(video, 1, torch.tensor([[32.0, 32.0]]))
        assert tracks.visible[:, 0].tolist() == [False, True, False]


def test_a_place_that_comes_to_look_otherwise_is_lost():
    video = waves(torch.zeros(3), torch.zeros(3))
    other = video.clone()
    other[2] = waves(torch.tensor([9.0]), torch.tensor([4.0])).flip(-1)[0]
    assert TRACKER.track(video, 0, queries()).visible.all()
    assert TRACKER.track(other, 0, queries()).visible[2].float().mean() < 0.2  # some waves look alike by chance


@pytest.fixture(scope="module")
def sampled():
    """A sampled world's film, queries in its first frame, and where they truly go."""
    scene = sample(1, moving=0.0, height=96, width=128, frames=13, seconds=0.5)
    points = torch.cartesian_prod(torch.arange(10.0, 120.0, 6.0), torch.arange(10.0, 90.0, 6.0))
    return film(scene, samples=2), points, track(scene, points.double(), frame=0)


def test_most_of_what_is_followed_in_a_sampled_world_is_right(sampled):
    """Worlds have plain surfaces and shadows, which nothing can follow, and queries lie on edges of bodies too."""
    video, points, truth = sampled
    tracks = TRACKER.track(video, 0, points)
    off = (tracks.pixels - truth.pixels).norm(dim=-1)[1:][tracks.visible[1:]]
    assert tracks.visible[1].float().mean() > 0.3
    assert off.median() < 0.5
    assert (off > 3).float().mean() < 0.15


def test_anchoring_keeps_errors_of_steps_from_adding_up(sampled):
    video, points, truth = sampled
    found = [replace(TRACKER, reach=reach).track(video, 0, points) for reach in (0.0, TRACKER.reach)]
    both = found[0].visible[-1] & found[1].visible[-1] & truth.visible[-1]
    chained, anchored = ((tracks.pixels - truth.pixels).norm(dim=-1)[-1, both].median() for tracks in found)
    assert both.sum() > 30
    assert anchored < 0.9 * chained


def test_no_points_and_one_frame():
    video = waves(torch.zeros(2), torch.zeros(2))
    none = TRACKER.track(video, 1, torch.zeros(0, 2))
    assert none.pixels.shape == (2, 0, 2)
    one = TRACKER.track(video[:1], 0, queries())
    assert one.visible.all()


def test_it_is_a_tracker_whose_fingerprint_follows_its_settings():
    assert isinstance(TRACKER, PointTracker)
    assert TRACKER.fingerprint() == replace(TRACKER).fingerprint()
    limits = replace(TRACKER.limits, resemblance=0.7)
    others = [replace(TRACKER, window=15), replace(TRACKER, limits=limits)]
    assert len({t.fingerprint() for t in (TRACKER, *others)}) == 3


@pytest.mark.parametrize(("frame", "x"), [(2, 5.0), (-1, 5.0), (0, 64.0), (0, math.nan)])
def test_queries_that_are_not_in_the_video_are_refused(frame, x):
    with pytest.raises(InputError, match="query"):
        TRACKER.track(waves(torch.zeros(2), torch.zeros(2)), frame, torch.tensor([[x, 5.0]]))
