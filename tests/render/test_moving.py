import math
from dataclasses import replace

import pytest
import torch
from inpainting import camera
from small_orbits import SURFACES, scenes, view_of

from turnaround.geometry.se3 import rigid
from turnaround.render.cache import render
from turnaround.render.moving import Loop, MovingScene
from turnaround.types import InputError, KeyView, MotionField, Provenance, SceneCache, View

HEIGHT, WIDTH, FRAMES = 24, 48, 6
LOOP = Loop(frames=FRAMES, feather=3.0)


def box(rows, columns):
    moving = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    moving[rows, columns] = True
    return moving


MOVING = box(slice(4, 20), slice(6, 42))
SURE = box(slice(6, 18), slice(6, 42))  # a feather away from what the flow passes by


def field(x, y, moving=MOVING):
    return MotionField(velocity=torch.tensor([x, y])[:, None, None] * moving, moving=moving)


def noise(seed=0):
    return torch.rand(3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


def still(image, *, label=Provenance.OBSERVED):
    view = View(image=image, depth=torch.full((HEIGHT, WIDTH), 4.0), camera=camera(HEIGHT, WIDTH))
    labels = torch.full((HEIGHT, WIDTH), int(label), dtype=torch.uint8)
    return SceneCache(views=(KeyView(view=view, label=labels, confidence=torch.ones(HEIGHT, WIDTH), step=0),))


def scene(image, moves, *, label=Provenance.OBSERVED):
    moving, cache = MovingScene(field=moves, loop=LOOP), still(image, label=label)
    return lambda frame: moving.at(cache, frame)


def seen(scene, frame, at=None):
    return render(scene(frame), at or camera(HEIGHT, WIDTH), SURFACES)


def test_the_first_frame_is_the_picture_and_the_loop_returns_to_it():
    image = noise()
    moving = scene(image, field(1.0, 0.5))
    assert torch.equal(seen(moving, 0).image, image)
    assert (seen(moving, 0).label == int(Provenance.OBSERVED)).all()
    for frame in range(FRAMES):
        assert torch.equal(seen(moving, frame).image, seen(moving, frame + FRAMES).image)
    assert not torch.equal(seen(moving, 1).image, image)


def test_what_stands_still_stays_bit_for_bit():
    image = noise()
    moving = scene(image, field(1.3, -0.7))
    for frame in range(1, FRAMES):
        found = seen(moving, frame)
        assert torch.equal(found.image[:, ~MOVING], image[:, ~MOVING])
        assert (found.image[:, MOVING] != image[:, MOVING]).any(dim=0).float().mean() > 0.9
        assert (found.label == MOVING * int(Provenance.PROPAGATED)).all()
        assert (found.confidence == 1).all()
        assert torch.equal(found.depth, torch.full((HEIGHT, WIDTH), 4.0))


def test_pixels_of_the_mask_without_velocity_stand_still():
    moves = field(1.0, 0.0)
    moves.velocity[:, 10:14] = 0.0
    image = noise()
    found = seen(scene(image, moves), 3)
    assert torch.equal(found.image[:, 10:14], image[:, 10:14])
    assert (found.label[10:14] == int(Provenance.OBSERVED)).all()


def test_a_uniform_field_moves_a_texture_by_that_many_pixels():
    """One of a period of FRAMES * 2 pixels: flowing on and flowing back show the same."""
    period, speed = 2 * FRAMES, 2
    stripe = noise()[:, :, :period].repeat(1, 1, WIDTH // period)
    moving = scene(stripe, field(float(speed), 0.0))
    for frame in range(1, FRAMES):
        found, expected = seen(moving, frame).image, stripe.roll(speed * frame, dims=-1)
        torch.testing.assert_close(found[:, SURE], expected[:, SURE], atol=1e-6, rtol=0)  # two shares of one value


def test_what_one_direction_uncovers_the_other_covers():
    """At the upstream border only what flows back is known, at the downstream border only what flows on."""
    image, frame = noise(), 2
    found = seen(scene(image, field(3.0, 0.0)), frame).image
    # Upstream: columns from 6 on; what was 3 * 2 pixels to the left is outside of the mask until column 12.
    assert torch.equal(found[:, 7:17, 6:12], image[:, 7:17, 6 + 12 : 12 + 12])  # after FRAMES - 2 frames
    assert torch.equal(found[:, 7:17, 30:42], image[:, 7:17, 24:36])  # 12 to the right lies outside


def test_time_and_distance_to_the_border_weigh():
    image, frame = noise(), 2
    found = seen(scene(image, field(1.0, 0.0)), frame).image[:, 12, 24]
    onward, back = image[:, 12, 22], image[:, 12, 28]  # both far from the border
    torch.testing.assert_close(found, onward * (1 - frame / FRAMES) + back * frame / FRAMES)
    found = seen(scene(image, field(1.0, 0.0)), frame).image[:, 12, 8]
    sure = 1 / 3  # from column 6, one pixel from what stands still, of a feather of 3
    weights = (1 - frame / FRAMES) * sure, frame / FRAMES
    torch.testing.assert_close(found, (image[:, 12, 6] * weights[0] + image[:, 12, 12] * weights[1]) / sum(weights))


def test_what_the_flow_passes_by_slows_it():
    """Rows 4 and 5 are 1 and 2 pixels from what stands still, of a feather of 3; so are both places it comes from."""
    image, frame = noise(), 3
    found = seen(scene(image, field(1.0, 0.0)), frame).image[:, :, 24]
    both = (image[:, :, 21] + image[:, :, 27]) / 2
    for row, sure in ((4, 1 / 3), (5, 2 / 3)):
        torch.testing.assert_close(found[:, row], both[:, row] * sure + image[:, row, 24] * (1 - sure))


def test_where_neither_knows_the_picture_stays():
    moves = field(20.0, 0.0, box(slice(4, 20), slice(20, 26)))
    image = noise()
    found = seen(scene(image, moves), 3).image
    assert torch.equal(found, image)  # nothing can move by 20 pixels in 6 columns


def test_what_stands_still_does_not_flow_along():
    image = torch.ones(3, HEIGHT, WIDTH).masked_fill(MOVING, 0.25)
    for frame in range(1, FRAMES):
        found = seen(scene(image, field(0.4, 0.3)), frame).image
        torch.testing.assert_close(found, image, atol=1e-6, rtol=0)  # sums of weights that add to 1


def test_generated_pixels_stay_generated():
    moving = scene(noise(), field(1.0, 0.0), label=Provenance.GENERATED)
    assert (seen(moving, 2).label == int(Provenance.GENERATED)).all()


def test_other_cameras_see_the_same_surfaces_in_every_frame():
    image = noise()
    there = replace(camera(HEIGHT, WIDTH), world_from_cam=rigid(torch.eye(3), torch.tensor([0.3, 0.0, 0.0]))[None])
    moving = scene(image, field(1.0, 0.0))
    first, later = seen(moving, 0, there), seen(moving, 3, there)
    for name in ("depth", "hole", "step"):
        assert torch.equal(getattr(first, name).nan_to_num(), getattr(later, name).nan_to_num())
    assert not torch.equal(first.image, later.image)


def test_a_wall_behind_a_box_flows_and_the_box_does_not():
    """A world of a box before a wall, on a path around the box; the wall flows."""
    world, _ = scenes(height=48, width=64, frames=4)
    first = view_of(world, 0)
    wall = first.depth > 6
    labels = torch.zeros(48, 64, dtype=torch.uint8)
    cache = SceneCache(views=(KeyView(view=first, label=labels, confidence=torch.ones(48, 64), step=0),))
    moves = MotionField(velocity=torch.tensor([0.0, 1.5])[:, None, None] * wall, moving=wall)
    moving = MovingScene(field=moves, loop=Loop(frames=8, feather=4.0))
    for number in range(1, 4):
        there = view_of(world, number).camera
        before, after = render(cache, there, SURFACES), render(moving.at(cache, number), there, SURFACES)
        box_seen = before.depth < 6
        assert box_seen.any()
        assert torch.equal(after.image[:, box_seen], before.image[:, box_seen])
        assert (after.label[box_seen] == int(Provenance.OBSERVED)).all()
        behind = before.depth > 6
        assert (after.image - before.image).abs()[:, behind].mean() > 0.01
        assert (after.label[behind] == int(Provenance.PROPAGATED)).all()
        again = render(MovingScene(field=moves, loop=moving.loop).at(cache, number), there, SURFACES)
        assert torch.equal(again.image, after.image)


@pytest.mark.parametrize(("frames", "feather"), [(1, 3.0), (4, 0.0), (4, math.nan)])
def test_loops_that_are_none_are_refused(frames, feather):
    with pytest.raises(InputError, match="loop"):
        Loop(frames=frames, feather=feather)
