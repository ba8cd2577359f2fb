import math

import pytest
import torch

from turnaround.geometry.eulerian import distance_to_rest, field_of_arrows, followed, pixel_centres, sampled
from turnaround.types import MotionField

HEIGHT, WIDTH = 12, 20
EVERYWHERE = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)


def uniform(x, y, moving=EVERYWHERE):
    velocity = torch.tensor([x, y])[:, None, None] * moving
    return MotionField(velocity=velocity.float(), moving=moving)


def columns(first, last):
    moving = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    moving[:, first:last] = True
    return moving


@pytest.mark.parametrize("frames", [3, -3])
def test_a_uniform_field_carries_each_point_by_the_same(frames):
    start = pixel_centres(EVERYWHERE)
    found = followed(uniform(1.5, -0.25), start, frames)
    expected = start + frames * torch.tensor([[1.5], [-0.25]], dtype=torch.float64)
    inside = (expected[0] >= 0) & (expected[0] < WIDTH) & (expected[1] >= 0) & (expected[1] < HEIGHT)
    assert torch.equal(found.inside, inside)
    assert torch.equal(found.at[:, inside], expected[:, inside])


def test_points_that_leave_what_moves_stay_at_the_last_place_before():
    found = followed(uniform(2.0, 0.0, columns(4, 9)), torch.tensor([[4.5, 8.5], [3.5, 3.5]]), 3)
    # From 4.5 to 6.5, 8.5, and not to 10.5; from 8.5 nowhere.
    assert found.at.tolist() == [[8.5, 8.5], [3.5, 3.5]]
    assert found.inside.tolist() == [False, False]


def test_nothing_is_slower_at_the_border_of_what_moves():
    found = followed(uniform(0.25, 0.0, columns(4, 9)), torch.tensor([[4.0], [3.5]]), 4)  # between 3 and 4
    assert found.at.tolist() == [[5.0], [3.5]]
    assert found.inside.tolist() == [True]


def vortex(side):
    """A rotation about the middle, radians per frame: M = omega x r."""
    centre = torch.stack([*torch.meshgrid(torch.arange(side), torch.arange(side), indexing="xy")]) + 0.5 - side / 2
    omega = 0.01
    velocity = omega * torch.stack([-centre[1], centre[0]])
    return MotionField(velocity=velocity, moving=torch.ones(side, side, dtype=torch.bool)), omega


def test_euler_steps_of_a_rotation_are_those_of_the_closed_form():
    side, frames = 33, 40
    field, omega = vortex(side)
    at = followed(field, torch.tensor([[side / 2 + 4.0], [side / 2]]), frames).at[:, 0] - side / 2
    # z -> z + i omega z: a step turns by atan(omega) and lengthens by sqrt(1 + omega^2)
    radius, angle = 4 * math.hypot(1, omega) ** frames, frames * math.atan(omega)
    expected = torch.tensor([radius * math.cos(angle), radius * math.sin(angle)], dtype=torch.float64)
    torch.testing.assert_close(at, expected, atol=1e-5, rtol=0)  # velocities are float32


def test_back_along_the_field_is_where_a_point_came_from():
    field, _ = vortex(33)
    start = torch.tensor([[20.0], [14.0]])
    there = followed(field, start, 25).at
    back = followed(field, there, -25).at
    # Each pair of steps lengthens by 1 + omega^2: 25 of them, of a radius of 4.3, by 0.01.
    torch.testing.assert_close(back, start.double(), atol=0.012, rtol=0)
    assert not torch.allclose(there, start.double(), atol=0.5)


def test_samples_at_centres_are_pixels_and_outside_there_is_nothing():
    maps = torch.rand(3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    assert torch.equal(sampled(maps, pixel_centres(EVERYWHERE)), maps.flatten(1))
    between = sampled(maps, torch.tensor([[3.0], [5.5]]))
    torch.testing.assert_close(between[:, 0], (maps[:, 5, 2] + maps[:, 5, 3]) / 2)
    assert (sampled(maps, torch.tensor([[-4.0], [2.0]])) == 0).all()


def test_arrows_hold_at_their_pixels_and_nothing_moves_outside():
    at = torch.tensor([[3.2, 4.7], [15.0, 9.0]])
    arrows = torch.tensor([[0.7, -0.3], [-2.0, 1.1]])
    moving = columns(2, 18)
    field = field_of_arrows(at, arrows, moving, power=2.0)
    assert torch.equal(field.velocity[:, 4, 3], arrows[0])
    assert torch.equal(field.velocity[:, 9, 15], arrows[1])
    assert (field.velocity[:, ~moving] == 0).all()
    inner = field.velocity[:, moving]
    assert (inner[0] <= 0.7).all()
    assert (inner[0] >= -2.0).all()


def test_half_way_between_two_arrows_is_their_mean():
    at, arrows = torch.tensor([[2.5, 5.5], [12.5, 5.5]]), torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    field = field_of_arrows(at, arrows, EVERYWHERE, power=2.0)
    torch.testing.assert_close(field.velocity[:, 5, 7], torch.tensor([0.5, 1.5]))
    # Distances 2 and 8: weights 16 to 1.
    torch.testing.assert_close(field.velocity[:, 5, 4], torch.tensor([16 / 17, 3 / 17]))


def test_parts_of_a_mask_follow_their_own_arrows_and_those_without_follow_all():
    moving = columns(0, 5) | columns(8, 12) | columns(15, 20)
    at, arrows = torch.tensor([[1.5, 5.5], [16.5, 5.5]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    velocity = field_of_arrows(at, arrows, moving, power=2.0).velocity
    assert (velocity[:, :, :5] == torch.tensor([1.0, 0.0])[:, None, None]).all()
    assert (velocity[:, :, 15:] == torch.tensor([0.0, 1.0])[:, None, None]).all()
    between = velocity[:, :, 8:12]
    assert (between > 0).all()
    assert (between < 1).all()


def test_distances_count_to_the_edge_of_the_picture_too():
    near = distance_to_rest(columns(0, 5))
    assert near[6, :6].tolist() == [1, 2, 3, 2, 1, 0]
    assert near[0, 2] == 1
