from dataclasses import replace

import pytest
import torch
from inpainting import camera
from picture_cameras import ahead

from turnaround.geometry.camera_path import Turntable
from turnaround.pipelines.orbit.orbiter import camera_digest
from turnaround.pipelines.orbit.pipeline import scaled
from turnaround.pipelines.orbit.stops import Arc, Stops, coarse

STOPS = Stops(share=0.2, least=0.01)


def cameras(frames=60):
    return Turntable(frames=frames, turns=1).cameras(camera(32, 48), ahead(2.0))


def number_of(one):
    """The frame of a turntable's camera."""
    forward = one.world_from_cam[0, :3, 2]
    return round(float(torch.rad2deg(torch.atan2(forward[0], forward[2]))) % 360 / 6) % 60


def unknown_from(*ends, each=0.03):
    """A share of `each` for every frame to the nearest of these."""
    return lambda one: each * min(abs(number_of(one) - end) for end in ends)


def test_the_step_is_the_largest_with_little_unknown():
    path = Turntable(frames=60, turns=-1).cameras(camera(32, 48), ahead(2.0))  # so that the heading rises
    assert number_of(path.at(7)) == 7
    assert STOPS.next(Arc(first=0, last=60, backwards=False), path, unknown_from(0, 60)) == 6  # 6 * 0.03 <= 0.2
    assert STOPS.next(Arc(first=6, last=60, backwards=True), path, unknown_from(6, 60)) == 54
    assert STOPS.next(Arc(first=0, last=60, backwards=False), path, unknown_from(0, 60, each=0.5)) == 1
    assert STOPS.next(Arc(first=0, last=60, backwards=False), path, unknown_from(0, each=0.012)) == 16


def test_a_gap_of_which_all_is_known_is_closed():
    assert STOPS.next(Arc(first=20, last=40, backwards=False), cameras(), lambda one: 0.01) is None
    assert STOPS.next(Arc(first=20, last=21, backwards=False), cameras(), lambda one: 1.0) is None
    assert STOPS.next(Arc(first=20, last=22, backwards=True), cameras(), lambda one: 1.0) == 21


def test_both_ends_take_turns_and_meet_and_what_was_stepped_over_follows():
    arcs, ends = [Arc(first=0, last=60, backwards=False)], []
    path, stops = Turntable(frames=60, turns=-1).cameras(camera(32, 48), ahead(2.0)), Stops(share=0.2, least=0.08)
    while arcs:
        arc, *arcs = arcs
        frame = stops.next(arc, path, unknown_from(0, 60, *ends, each=0.025))
        if frame is not None:
            ends.append(frame)
            rest, over = arc.parted(frame, both_ways=True)
            arcs = [rest, *arcs, over]
    # 8 * 0.025 <= 0.2 from either end; the middle of what is left; then of each gap of 8 in the order of growth
    assert ends == [8, 52, 16, 44, 24, 36, 30, 4, 56, 12, 48, 20, 40]


def test_an_open_path_is_grown_one_way():
    arc = Arc(first=0, last=30, backwards=False)
    over = Arc(first=0, last=10, backwards=False)
    assert arc.parted(10, both_ways=False) == (Arc(first=10, last=30, backwards=False), over)
    assert arc.parted(10, both_ways=True) == (Arc(first=10, last=30, backwards=True), over)
    assert Arc(first=10, last=30, backwards=True).parted(20, both_ways=True) == (
        Arc(first=10, last=20, backwards=False),
        Arc(first=20, last=30, backwards=False),
    )


def test_a_coarse_camera_sees_the_same():
    small = coarse(camera(32, 48))
    assert (small.height, small.width) == (8, 12)
    torch.testing.assert_close(small.intrinsics[0, :2] * 4, camera(32, 48).intrinsics[0, :2])


@pytest.mark.parametrize(("size", "expected"), [((100, 150), (64, 96)), ((64, 96), (64, 96)), ((30, 60), (64, 128))])
def test_pictures_get_whole_multiples(size, expected):
    image = torch.full((3, *size), 0.25)
    found = scaled(image, 64)
    assert tuple(found.shape[1:]) == expected
    torch.testing.assert_close(found, torch.full_like(found, 0.25))


def test_cameras_are_told_apart_by_what_they_are():
    path = cameras()
    assert camera_digest(path) == camera_digest(cameras())
    backwards = Turntable(frames=60, turns=-1).cameras(camera(32, 48), ahead(2.0))
    longer = replace(path, intrinsics=2 * path.intrinsics)
    assert len({camera_digest(each) for each in (path, backwards, longer)}) == 3
