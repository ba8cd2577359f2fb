"""Colour shows the bodies that ids name, moves with them, is lit by the lamps, and is averaged over pixels."""

import dataclasses

import pytest
import torch
from hand_made_worlds import BRIGHT, DARK, body, looking_at, wall
from observed_worlds import FRAMES, HEIGHT, MOVING_SEEDS, WIDTH, interior, landings, sample, vector

from turnaround.geometry.flow import backward_warp
from turnaround.geometry.projection import unproject
from turnaround.render.shade import Light
from turnaround.render.shapes import Shape
from turnaround.render.texture import Pattern, Texture
from turnaround.scenes.observe import color, flow, observe, surface


def test_bodies_keep_their_colours_as_they_move():
    """All bodies glow in slow noise, so colour depends on the point of the body alone."""
    errors, changes = [], []
    for seed in MOVING_SEEDS:
        scene = sample(seed, moving=1.0)
        glowing = tuple(
            dataclasses.replace(
                body,
                emissive=True,
                texture=dataclasses.replace(body.texture, pattern=Pattern.NOISE, frequency=0.4, octaves=1),
            )
            for body in scene.world.bodies
        )
        scene = dataclasses.replace(scene, world=dataclasses.replace(scene.world, bodies=glowing))
        seen = observe(scene, samples=1)
        for frame in range(FRAMES - 1):
            _, target, pixels, visible = landings(scene, seen, "forward", frame)
            kept = visible & interior(seen.ids[target], pixels)[0]
            flat = seen.video[frame].flatten(1)
            warped = backward_warp(seen.video[target][None], seen.forward.pixels[frame][None])[0].flatten(1)
            errors.append((warped - flat)[:, kept].abs().mean(dim=0))
            changes.append((seen.video[target].flatten(1) - flat)[:, kept].abs().mean(dim=0))
    error, change = torch.cat(errors), torch.cat(changes)
    assert error.median() < 2e-3  # bilinear sampling of a wave of 10 or more pixels
    assert error.quantile(0.95) < 0.02
    assert error.mean() < 0.15 * change.mean()


def test_a_step_of_whole_pixels_shifts_the_picture_exactly():
    """Lit, in noise: a wall at 4 metres moves by 32 / 4 = 8 pixels per metre, here by two to the left."""
    poses = torch.eye(4).double().repeat(2, 1, 1)
    poses[1, 0, 3] = 0.25
    noisy = wall(distance=4, pattern=Pattern.NOISE, colors=(BRIGHT, DARK), frequency=2.0)
    scene = looking_at(
        noisy, poses=poses, lights=[Light(position=vector(1, -1, 1), color=vector(1, 1, 1))], ambient=0.3
    )
    first, second = color(scene, 0), color(scene, 1)
    torch.testing.assert_close(second[..., :-2], first[..., 2:], rtol=0, atol=1e-4)  # float32 points in fine noise
    assert first.std() > 0.05
    moved = flow(scene, 0, 1)
    assert (moved.pixels[0, 0] == -2).all()
    assert moved.pixels[0, 1].abs().max() < 1e-6
    assert moved.visible[0, :, 2:].all()
    assert not moved.visible[0, :, :2].any()


def test_colour_is_the_square_root_of_radiance():
    found = color(looking_at(wall(distance=4, emissive=True)), 0)
    torch.testing.assert_close(found, vector(0.8, 0.9, 0.5).float()[:, None, None].expand(3, HEIGHT, WIDTH))


@pytest.mark.parametrize(("covered", "share"), [(0.25, 0.25), (0.5, 0.5), (0.75, 0.75), (1.0, 1.0)])
def test_an_edge_through_a_pixel_gives_its_share_of_both_colours(covered, share):
    """A black box whose front (at 2 metres) ends `covered` of the way through the pixel right of the middle."""
    edge = covered / WIDTH * 2
    black = body(Shape.BOX, (1, 1, 0.5), (edge - 1, 0, 2.5), colors=(DARK, DARK), emissive=True)
    image = color(looking_at([*wall(distance=4, emissive=True), black]), 0, samples=4)
    assert image[0, HEIGHT // 2, WIDTH // 2] == pytest.approx(0.8 * (1 - share), abs=1e-6)
    assert image[0, HEIGHT // 2, WIDTH // 2 - 1] == 0


@pytest.mark.parametrize("samples", [2, 4])
def test_anti_aliased_colour_is_the_mean_of_a_finer_picture(samples):
    bodies = [
        *wall(distance=4, pattern=Pattern.CHECKS, colors=(BRIGHT, DARK), frequency=1.3),
        body(Shape.ELLIPSOID, (0.4, 0.3, 0.4), (0.1, 0.1, 2), pattern=Pattern.BRICKS, colors=(BRIGHT, DARK), gloss=0.4),
    ]
    lights = [Light(position=vector(1, -2, 0), color=vector(0.9, 0.9, 0.8))]
    coarse = color(looking_at(bodies, lights=lights, ambient=0.3), 0, samples=samples)
    finer = looking_at(bodies, lights=lights, ambient=0.3, height=HEIGHT * samples, width=WIDTH * samples)
    expected = torch.nn.functional.avg_pool2d(color(finer, 0, samples=1), samples)
    torch.testing.assert_close(coarse, expected, rtol=0, atol=1e-6)


def test_colour_and_ids_show_the_same_bodies(all_worlds):
    """Colour is computed in float32, truth in float64: give each body a colour of its own and read it back."""
    differing = total = 0
    for scene, observation in all_worlds:
        count = len(scene.world.bodies)
        bodies = tuple(
            dataclasses.replace(b, emissive=True, texture=plain(vector(*[(number + 1) / count] * 3)))
            for number, b in enumerate(scene.world.bodies)
        )
        painted = dataclasses.replace(scene, world=dataclasses.replace(scene.world, bodies=bodies))
        for frame in range(FRAMES):
            ids = (color(painted, frame, samples=1)[0] ** 2 * count).round().long() - 1
            differing += int((ids != observation.ids[frame]).sum())
            total += ids.numel()
    assert differing <= 1e-4 * total  # rays that pass an edge by less than 1e-6 metres


def plain(albedo):
    return Texture(
        pattern=Pattern.PLAIN,
        first=albedo,
        second=albedo,
        frequency=1.0,
        octaves=1,
        offset=vector(0, 0, 0).double(),
        grain=0.0,
    )


def test_a_box_above_the_ground_darkens_what_lies_under_it_and_nothing_else():
    """The sun is overhead; the camera stands a metre up and sees the ground below the horizon."""
    ground = [
        body(Shape.DOME, (40.0, 20.0, 40.0), (0, 1, 0), emissive=True),
        body(Shape.GROUND, (1, 1, 1), (0, 1, 0)),
    ]
    floating = body(Shape.BOX, (1, 0.1, 1), (0, -0.2, 5))  # over x in -1..1, z in 4..6, above the line of sight
    sun = [Light(position=vector(0, -2000, 5), color=vector(0.5, 0.5, 0.5))]
    open_scene, with_box = (
        looking_at(ground, lights=sun, ambient=0.3),
        looking_at([*ground, floating], lights=sun, ambient=0.3),
    )
    seen = surface(with_box, 0)
    x, _, z = unproject(seen.depth[None].double(), with_box.camera)[0].unbind(-1)
    on_ground = seen.ids == 1
    under = on_ground & (x.abs() < 0.98) & ((z - 5).abs() < 0.98)
    beside = on_ground & ((x.abs() > 1.02) | ((z - 5).abs() > 1.02))
    free, shaded = color(open_scene, 0, samples=1), color(with_box, 0, samples=1)
    assert under.sum() > 20
    assert (shaded[:, under] < 0.7 * free[:, under]).all()  # sqrt(0.3 / 0.8) = 0.61
    assert torch.equal(shaded[:, beside], free[:, beside])


def test_colour_stays_within_0_and_1(all_worlds):
    for _, observation in all_worlds:
        assert observation.video.min() >= 0
        assert observation.video.max() <= 1
        assert observation.video.std() > 0.02
