import re
from xml.etree import ElementTree

import pytest
import torch

from turnaround.types import InputError
from turnaround.viz.circle import INNER, OUTER, SIZE, AroundTheCircle, in_words, percent, ring
from turnaround.viz.provenance import COLORS

HALF_SEEN = [0.5, 0.25, 0.25]


def turn(*places):
    degrees, shares = zip(*places, strict=True)
    return AroundTheCircle(degrees=torch.tensor(degrees), shares=torch.tensor(shares))


def test_quarters_average_the_frames_of_each_side():
    around = turn(
        (-44.0, [1.0, 0, 0]), (44.0, [0, 0, 1.0]), (90.0, [0, 1.0, 0]), (181.0, HALF_SEEN), (-91.0, HALF_SEEN)
    )
    quarters = {side: shares.tolist() for side, shares in around.quarters().items()}
    assert quarters == {
        "from the front": [0.5, 0, 0.5],
        "from the right": [0, 1, 0],
        "from behind": HALF_SEEN,
        "from the left": HALF_SEEN,
    }
    torch.testing.assert_close(around.whole(), torch.tensor([0.4, 0.3, 0.3]))


def test_a_side_that_no_camera_sees_is_left_out():
    assert set(turn((0.0, HALF_SEEN), (80.0, HALF_SEEN)).quarters()) == {"from the front", "from the right"}


def test_wedges_of_a_closed_path_meet_each_other():
    wedges = list(turn(*((30.0 * k, HALF_SEEN) for k in range(12))).wedges())
    assert [start for start, _, _ in wedges] == [30.0 * k - 15 for k in range(12)]
    assert all(end - start == 30 for start, end, _ in wedges)


def test_wedges_of_an_arc_end_where_it_ends():
    (low, middle, _), (again, high, _) = turn((10.0, HALF_SEEN), (20.0, HALF_SEEN)).wedges()
    assert (low, middle, again, high) == (5, 15, 15, 25)  # half the gap between them on both sides


def test_a_path_is_closed_where_its_wedges_leave_no_gap():
    assert turn(*((30.0 * k, HALF_SEEN) for k in range(12))).is_closed()
    assert turn(*((3.0 * k, HALF_SEEN) for k in range(120))).is_closed()
    assert not turn(*((30.0 * k, HALF_SEEN) for k in range(11))).is_closed()
    assert not turn((0.0, HALF_SEEN)).is_closed()


def test_frames_at_one_place_share_a_wedge_and_many_stay_few():
    ((_, _, shares),) = turn(
        (11.0, [1.0, 0, 0]), (13.0, [0, 0, 1.0]), (371.0, [1.0, 0, 0]), (12.0, [0, 0, 1.0])
    ).wedges()
    assert shares == [0.5, 0, 0.5]
    assert len(list(turn(*((0.1 * k, HALF_SEEN) for k in range(3600))).wedges())) == 72


def test_an_angle_that_rounding_put_below_zero_is_zero():
    assert [wedge[:2] for wedge in turn((-1e-20, HALF_SEEN)).wedges()] == [(-15, 15)]


def test_the_ring_is_drawn_with_the_photo_below_and_areas_in_proportion():
    svg = ElementTree.fromstring(ring(turn((0.0, HALF_SEEN))))
    bands = [path for path in svg.iter("path") if path.get("fill") in COLORS]
    assert [band.get("fill") for band in bands] == list(COLORS)
    radii = [float(re.search(r"A([\d.]+)", band.get("d"))[1]) for band in bands]  # the outer arc stands first
    areas = [(radius**2 - INNER**2) / (OUTER**2 - INNER**2) for radius in radii]
    assert areas == pytest.approx([0.5, 0.75, 1.0], abs=2e-3)  # radii are written to a tenth of a unit
    points = [tuple(map(float, pair)) for pair in re.findall(r"([\d.]+) ([\d.]+)(?=[LAZ])", bands[0].get("d"))]
    assert all(y > SIZE / 2 + INNER / 2 for _, y in points)  # below the middle
    assert min(x for x, _ in points) < SIZE / 2 < max(x for x, _ in points)


def test_the_right_of_the_photo_is_the_right_of_the_drawing():
    svg = ElementTree.fromstring(ring(turn((90.0, [1.0, 0, 0]))))
    (wedge,) = [path for path in svg.iter("path") if path.get("fill") == COLORS[0]]
    assert float(re.match(r"M([\d.]+)", wedge.get("d"))[1]) > SIZE / 2 + INNER / 2


def test_words_say_what_the_ring_shows():
    words = in_words(turn((0.0, [1.0, 0, 0]), (180.0, [0.0, 0.005, 0.995])))
    assert "from the front: 100 % seen, 0 % stretched, 0 % invented" in words
    assert "from behind: 0 % seen, below 1 % stretched, over 99 % invented" in words
    assert percent(0.376) == "38 %"


@pytest.mark.parametrize("place", [(float("nan"), HALF_SEEN), (0.0, [0.5, 0.5, 0.5])])
def test_what_is_no_angle_or_no_share_is_refused(place):
    with pytest.raises(InputError, match="expected"):
        turn(place)
