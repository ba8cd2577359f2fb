"""What one view sees of another: planes worked out by hand, and the rays of procedural worlds as the oracle."""

import pytest
import torch
from observed_worlds import STILL_SEEDS, interior, points_of, sample

from turnaround.geometry.stereo import hidden_from_left
from turnaround.geometry.visibility import hull_of, may_show, seen_from
from turnaround.render.raycast import sees
from turnaround.scenes.observe import observe
from turnaround.types import Pinhole


def camera(x: float) -> Pinhole:
    """Focal length 8, 8 x 4 pixels, `x` metres to the right."""
    pose = torch.eye(4)[None].clone()
    pose[0, 0, 3] = x
    k = torch.tensor([[[8.0, 0, 4], [0, 8, 2], [0, 0, 1]]])
    return Pinhole(world_from_cam=pose, intrinsics=k, height=4, width=8)


def test_a_wall_is_seen_where_it_is_inside_the_picture():
    wall = torch.full((4, 8), 4.0)
    pixels, seen, _ = seen_from(wall, camera(1.0), wall, camera(0.0), tolerance=1e-6)
    torch.testing.assert_close(pixels[0, :, 0], torch.arange(8).double() + 0.5 + 2)  # disparity 8 * 1 / 4
    assert torch.equal(seen, (torch.arange(8) < 6).expand(4, 8))


def test_what_stands_before_it_hides_the_wall_and_unknown_depth_sees_nothing():
    wall, other = torch.full((4, 8), 4.0), torch.full((4, 8), 4.0)
    other[:, 4] = 1.0  # the left view shows something near in column 4, where the right one's column 2 would be
    other[0, 3] = torch.nan
    _, seen, _ = seen_from(wall, camera(1.0), other, camera(0.0), tolerance=0.02)
    assert seen[1].tolist() == [True, True, False, True, True, True, False, False]
    assert seen[0].tolist() == [True, False, False, True, True, True, False, False]
    wall[2, 0] = torch.nan
    other[3, 6:] = torch.inf  # is unknown too
    _, seen, told = seen_from(wall, camera(1.0), other, camera(0.0), tolerance=0.02)
    assert not seen[2, 0]
    assert seen[3].tolist() == [True, True, False, True, False, False, False, False]
    # Not of column 1 in the first row, which looks at the unknown pixel; outside of the picture it can be told
    assert told[0].tolist() == [True, False, True, True, True, True, True, True]
    assert not told[2, 0]
    assert told[3].tolist() == [True, True, True, True, False, False, True, True]


def test_slopes_are_seen_through_interpolation():
    """Of a floor, no pixel's own depth is that half a row further on; 1 / depth is linear in the row."""
    rows = torch.arange(4) + 0.5
    floor, lower = ((8 / (rows + start))[:, None].expand(4, 8) for start in (1.0, 0.6))
    k = camera(0.0).intrinsics.clone()
    k[0, 1, 2] += 0.4  # the same view, with everything 0.4 rows further down in the picture
    shifted = Pinhole(world_from_cam=camera(0.0).world_from_cam, intrinsics=k, height=4, width=8)
    _, seen, _ = seen_from(floor, camera(0.0), lower, shifted, tolerance=1e-5)  # float32 depths
    assert seen[:3].all()
    assert not seen[3].any(), "beyond the last row's centre there is nothing to interpolate"


@pytest.mark.parametrize("seed", STILL_SEEDS)
def test_the_rays_of_procedural_worlds_agree(seed):
    scene = sample(seed, moving=0.0, height=96, width=128)
    observation, cameras = observe(scene), scene.camera
    points, eye = points_of(observation, scene)[0], cameras.world_from_cam[1, :3, 3]
    short = eye + 0.995 * (points - eye)  # a ray to the surface itself ends on it
    free = sees(scene.world.solids(0), eye[:, None], short.T).view(96, 128)
    depth = observation.depth
    pixels, seen, _ = seen_from(depth[0], cameras.at(0), depth[1], cameras.at(1), tolerance=0.02)
    clear, _ = interior(observation.ids[1], pixels.flatten(0, 1))  # elsewhere a map of pixels cannot tell
    clear = clear.view(96, 128)
    assert (clear & ~free).sum() > 10
    # what is left are rims of round bodies, on which depth changes by more than the tolerance from pixel to pixel
    assert (seen == free)[clear].float().mean() > 0.999


def test_hidden_from_left_on_two_planes():
    """A square of disparity 6 in columns 10 to 15 of the left view, before a wall of disparity 2; 24 columns."""
    left, right = torch.full((4, 24), 2.0), torch.full((4, 24), 2.0)
    left[:, 10:16] = 6
    right[:, 4:10] = 6
    hidden, known = hidden_from_left(left, right, tolerance=1.0)
    expected = torch.zeros(24, dtype=torch.bool)
    expected[10:14] = True  # the wall's columns 12 to 15 of the left view lie behind the square
    expected[22:] = True  # these stand at 24 and 25
    assert torch.equal(hidden, expected.expand(4, 24))
    assert known.all()


def test_hidden_from_left_between_pixels_and_where_unknown():
    left = torch.tensor([[5.0, 5.0, 1.5, 1.5, torch.nan, 0.0]])
    right = torch.tensor([[1.5, 1.5, 1.5, 1.5, 1.5, torch.nan]])  # stands at 1.5, 2.5, 3.5, 4.5, 5.5
    hidden, known = hidden_from_left(left, right, tolerance=1.0)
    assert known.tolist() == [[True, True, True, False, True, False]], "at 4.5 both pixels beside are unknown"
    assert (hidden & known).tolist() == [[False, False, False, False, True, False]], "5.5 is outside"
    assert hidden_from_left(left, torch.full((1, 6), 1.0), tolerance=0.4)[0][0, 0], "5 hides 1"


def box(low, high):
    """Its eight corners."""
    return torch.cartesian_prod(*torch.tensor([low, high], dtype=torch.float64).T)


def test_a_box_may_be_shown_unless_all_of_it_is_beside_or_behind():
    """8 x 4 pixels at a focal length of 8: at 4 metres the picture is 4 metres wide and 2 high."""
    for low, high, shown in (
        ((-1, -1, 3), (1, 1, 5), True),
        ((-50, -50, -50), (50, 50, 50), True),  # around the camera
        ((1.9, 0, 4), (3, 0.1, 4.1), True),
        ((2.1, 0, 3), (3, 0.1, 4), False),
        ((0, 1.1, 3), (0.1, 3, 4), False),
        ((-3, 0, 3), (-2.1, 0.1, 4), False),
        ((-1, -1, -5), (1, 1, -0.1), False),
    ):
        assert may_show(camera(0.0), box(low, high), margin=0.0) is shown
    assert not may_show(camera(-4.5), box((-2.0, -1, 4), (2, 1, 4)), margin=0.0)


def test_a_margin_reaches_beyond_the_picture():
    """2.5 metres aside at 4 metres is a pixel beyond the edge."""
    beside = box((2.5, 0, 4), (3, 0.1, 4))
    assert not may_show(camera(0.0), beside, margin=0.9)
    assert may_show(camera(0.0), beside, margin=1.1)


def test_the_hull_of_a_view_is_the_frustum_around_its_known_pixels():
    depth = torch.full((4, 8), torch.nan)
    depth[1, 2], depth[2, 5] = 2.0, 4.0
    hull = hull_of(depth, camera(0.0))
    # columns 2 to 6 and rows 1 to 3, less the middle at (4, 2), over a focal length of 8, at 2 and at 4 metres
    assert sorted(map(tuple, hull.tolist())) == sorted(
        (x / 8 * z, y / 8 * z, z) for x in (-2.0, 2.0) for y in (-1.0, 1.0) for z in (2.0, 4.0)
    )
    torch.testing.assert_close(hull_of(depth, camera(3.0)), hull + torch.tensor([3.0, 0, 0], dtype=torch.float64))
    assert len(hull_of(torch.full((4, 8), torch.nan), camera(0.0))) == 0
    assert len(hull_of(torch.full((4, 8), torch.inf), camera(0.0))) == 0
