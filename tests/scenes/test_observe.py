"""The oracle against itself and against independent reckoning: every output must say the same as all the others."""

import dataclasses

import pytest
import torch
from scipy.spatial.transform import Rotation

from turnaround.geometry.flow import backward_warp, static_flow
from turnaround.geometry.projection import in_image, pixel_grid, project, unproject
from turnaround.geometry.stereo import depth_from_disparity, disparity_from_depth, right_camera
from turnaround.render.shade import Light
from turnaround.render.shapes import Shape
from turnaround.render.texture import LATTICE, Pattern, Texture
from turnaround.scenes.observe import color, flow, observe, surface, track
from turnaround.scenes.sample import WorldSampler
from turnaround.scenes.world import Body, Motion, Scene, World
from turnaround.types import Pinhole

HEIGHT, WIDTH, FRAMES = 24, 32, 3
STILL_SEEDS, MOVING_SEEDS = [1, 2, 8], [1, 5, 9]


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def sample(seed, *, moving, **settings):
    paths = {"orbit": 1.0, "dolly": 1.0, "handheld": 1.0}
    settings = {"height": HEIGHT, "width": WIDTH, "frames": FRAMES, "paths": paths} | settings
    return WorldSampler(moving=moving, **settings)(seed)


@pytest.fixture(scope="module")
def still():
    return {seed: (scene := sample(seed, moving=0.0), observe(scene, samples=1)) for seed in STILL_SEEDS}


@pytest.fixture(scope="module")
def moving():
    return {seed: (scene := sample(seed, moving=1.0), observe(scene, samples=1)) for seed in MOVING_SEEDS}


@pytest.fixture(scope="module")
def all_worlds(still, moving):
    return [*still.values(), *moving.values()]


# --- independent reckoning ---


def points_of(observation, scene):
    """World points of every pixel of every frame, [t, h * w, 3]."""
    return unproject(observation.depth.double(), scene.camera).flatten(1, 2)


def turn(body, time):
    spin = Rotation.from_rotvec(body.motion.spin * time * body.motion.axis.numpy())
    return torch.from_numpy(spin.as_matrix()) @ body.motion.rotation


def carry(scene, points, ids, source, target):
    """Points [n, 3] that ride on their bodies [n] from one frame to another: by hand, with SciPy's rotations."""
    moved = points.clone()
    before, after = (frame * scene.world.seconds_per_frame for frame in (source, target))
    for number, body in enumerate(scene.world.bodies):
        on_body = (points[ids == number] - body.motion.position - before * body.motion.velocity) @ turn(body, before)
        there = on_body @ turn(body, after).T + body.motion.position + after * body.motion.velocity
        moved[ids == number] = there
    return moved


def interior(ids, pixels):
    """Whether the 3 x 3 pixels around positions [n, 2] lie in the image and show one body only; and which."""
    height, width = ids.shape
    x, y = pixels.floor().long().unbind(-1)
    inside = (x >= 1) & (x < width - 1) & (y >= 1) & (y < height - 1)
    x, y = x.clamp(1, width - 2), y.clamp(1, height - 2)
    around = torch.stack([ids[y + dy, x + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
    return inside & (around == around[0]).all(dim=0), ids[y, x]


def lookup(image, pixels):
    """Bilinear samples of an image [c, h, w] at positions [n, 2], as [n, c]."""
    size = torch.tensor(image.shape[:0:-1], dtype=pixels.dtype)
    grid = (pixels / size * 2 - 1)[None, None]
    found = torch.nn.functional.grid_sample(image[None].to(pixels), grid, align_corners=False, padding_mode="border")
    return found[0, :, 0].T


def landings(scene, observation, direction, frame):
    """For the flow between `frame` and its successor: source and target frame, landing positions, visibility."""
    entry = observation.forward if direction == "forward" else observation.backward
    source, target = (frame, frame + 1) if direction == "forward" else (frame + 1, frame)
    grid = pixel_grid(HEIGHT, WIDTH, like=torch.zeros((), dtype=torch.float64)).reshape(-1, 2)
    pixels = grid + entry.pixels[frame].double().flatten(1).T
    return source, target, pixels, entry.visible[frame].flatten()


def all_landings(worlds):
    for scene, observation in worlds:
        for direction in ("forward", "backward"):
            for frame in range(FRAMES - 1):
                yield scene, observation, *landings(scene, observation, direction, frame)


# --- depth, ids, normals ---


def on_surface(body, points):
    """How far points [n, 3] of the body's own frame are from its surface, in rough metres; 0 is on it."""
    x, y, z = points.T
    u, v, w = (points / body.size).T
    match body.shape:
        case Shape.GROUND:
            return y
        case Shape.BOX | Shape.ROOM:
            return (torch.stack([u, v, w]).abs().amax(dim=0) - 1) * body.size.min()
        case Shape.ELLIPSOID | Shape.DOME:
            return ((u * u + v * v + w * w).sqrt() - 1) * body.size.min()
        case Shape.CYLINDER:
            return (torch.maximum((u * u + w * w).sqrt(), v.abs()) - 1) * body.size.min()
        case Shape.CONE:
            return torch.maximum((u * u + w * w).sqrt() - (1 + v) / 2, v - 1) * body.size.min()
        case Shape.CAPSULE:
            beyond = y - y.clamp(-body.size[1], body.size[1])
            return (x * x + beyond * beyond + z * z).sqrt() - body.size[0]


def test_unprojected_depth_lies_on_the_bodies_named_by_the_ids(all_worlds):
    for scene, observation in all_worlds:
        points = points_of(observation, scene)
        for frame in range(FRAMES):
            ids, time = observation.ids[frame].flatten(), frame * scene.world.seconds_per_frame
            for number in ids.unique().tolist():
                body = scene.world.bodies[number]
                centre = body.motion.position + time * body.motion.velocity
                local = (points[frame, ids == number] - centre) @ turn(body, time)
                # depth is rounded to float32: 1e-6 of 20 metres, and more along grazing rays
                assert on_surface(body, local).abs().max() < 5e-5, (scene.name, body.shape)


def test_normals_are_unit_and_face_the_camera(all_worlds):
    for scene, observation in all_worlds:
        eye = scene.camera.world_from_cam[:, None, :3, 3]
        towards = eye - points_of(observation, scene)
        normals = observation.normals.double().flatten(2).mT
        torch.testing.assert_close(normals.norm(dim=-1), torch.ones(FRAMES, HEIGHT * WIDTH).double())
        assert ((normals * towards).sum(dim=-1) > 0).all()


def test_projection_undoes_unprojection_of_the_depth(all_worlds):
    grid = pixel_grid(HEIGHT, WIDTH, like=torch.zeros((), dtype=torch.float64)).reshape(1, -1, 2)
    for scene, observation in all_worlds:
        pixels, z = project(points_of(observation, scene), scene.camera)
        torch.testing.assert_close(pixels, grid.expand(FRAMES, -1, 2), rtol=0, atol=1e-9)
        torch.testing.assert_close(z, observation.depth.double().flatten(1))


# --- flow ---


def test_flow_of_a_still_world_is_that_of_its_depth_and_cameras(still):
    for scene, observation in still.values():
        expected = static_flow(observation.depth.double(), scene.camera)
        # depth in float32 moves a point by 1e-7 of its parallax, the flow itself is float32: far below 1e-4 pixels
        torch.testing.assert_close(observation.forward.pixels.double(), expected, rtol=1e-6, atol=1e-4)


def test_flow_carries_points_with_their_bodies(all_worlds):
    moved_most = 0.0
    for scene, observation, source, target, pixels, _ in all_landings(all_worlds):
        points = points_of(observation, scene)[source]
        there = carry(scene, points, observation.ids[source].flatten(), source, target)
        expected, z = project(there[None], scene.camera.at(target))
        front = z[0] > 0.1  # nearer or behind, a pixel means little
        torch.testing.assert_close(pixels[front], expected[0, front], rtol=1e-6, atol=1e-4)
        moved_most = max(moved_most, float((there - points).norm(dim=1).max()))
    assert moved_most > 0.2  # the moving worlds do move: metres in half a second


@pytest.fixture(scope="module")
def met(all_worlds):
    """All landings, each with the tracks of what a ray through the landing position meets."""
    landed = list(all_landings(all_worlds))
    return [(*landing, track(landing[0], landing[4], frame=landing[3])) for landing in landed]


def test_flow_there_and_back_returns(met):
    """Exactly: the point seen at the landing position, carried back, is at the pixel it came from."""
    errors = []
    for _, _, source, _, pixels, visible, tracks in met:
        grid = pixel_grid(HEIGHT, WIDTH, like=pixels).reshape(-1, 2)
        errors.append((tracks.pixels[source].double() - grid)[visible].norm(dim=-1))
    error = torch.cat(errors)
    assert error.quantile(0.99) < 1e-3  # the landing is rounded to float32: 1e-6 pixels, stretched by grazing views
    # `sees` forgives what hides a point by less than a thousandth of the way, and a rounding can cross a silhouette
    assert (error > 0.01).float().mean() < 0.003


def test_visible_is_what_a_ray_through_the_landing_position_meets(met):
    for scene, observation, source, target, pixels, visible, tracks in met:
        camera = scene.camera.at(target)
        points = carry(scene, points_of(observation, scene)[source], observation.ids[source].flatten(), source, target)
        z = project(points[None], camera)[1][0]
        inside = in_image(pixels, HEIGHT, WIDTH) & (z > 0)
        nearest = project(tracks.world[target, None].double(), camera)[1][0]
        assert visible[inside & (z < nearest * (1 + 1e-6))].all(), scene.name
        assert not visible[inside & (z > nearest * (1 + 2e-3))].any(), scene.name
        assert not visible[~inside].any()


def test_forward_flow_and_sampled_backward_flow_cancel(all_worlds):
    """As a network would use it: the backward flow is sampled bilinearly, which is exact to a fraction of a pixel."""
    for scene, observation in all_worlds:
        for frame in range(FRAMES - 1):
            _, target, pixels, visible = landings(scene, observation, "forward", frame)
            smooth, _ = interior(observation.ids[target], pixels)
            kept = visible & smooth
            back = lookup(observation.backward.pixels[frame], pixels[kept])
            error = (observation.forward.pixels[frame].flatten(1).T[kept] + back).norm(dim=-1)
            assert kept.float().mean() > 0.3
            assert error.median() < 0.01
            assert error.quantile(0.98) < 0.25, scene.name


def test_what_is_called_visible_agrees_with_the_depth_of_the_other_frame(all_worlds):
    """From the outputs alone: as near as the surface seen there is visible, clearly behind it is not.

    Inverse depth is sampled: it is linear across a plane. A pole can pass between pixel centres, hence the shares.
    """
    near, far = [], []
    for scene, observation, source, target, pixels, visible in all_landings(all_worlds):
        points = carry(scene, points_of(observation, scene)[source], observation.ids[source].flatten(), source, target)
        z = project(points[None], scene.camera.at(target))[1][0]
        smooth, _ = interior(observation.ids[target], pixels)
        smooth &= z > 0
        behind = z * lookup(1 / observation.depth[target][None], pixels)[:, 0]  # 1 on the surface, more behind it
        near.append(visible[smooth & (behind < 1.0005)])
        far.append(visible[smooth & (behind > 1.1)])
    near, far = torch.cat(near), torch.cat(far)
    assert len(near) > 4000
    assert len(far) > 100
    assert near.float().mean() > 0.998
    assert far.float().mean() < 0.01


def test_nothing_outside_the_image_or_behind_the_camera_is_visible(all_worlds):
    outside = 0
    for scene, observation, source, target, pixels, visible in all_landings(all_worlds):
        points = carry(scene, points_of(observation, scene)[source], observation.ids[source].flatten(), source, target)
        z = project(points[None], scene.camera.at(target))[1][0]
        gone = ~in_image(pixels, HEIGHT, WIDTH) | (z <= 0)
        assert not visible[gone].any()
        outside += int(gone.sum())
    assert outside > 100


def test_visible_pixels_land_on_the_body_they_left(all_worlds):
    """Of bodies that are no poles or boards: these can pass between pixel centres."""
    same = []
    for scene, observation, source, target, pixels, visible in all_landings(all_worlds):
        stout = torch.tensor([body.shape.is_shell or float(body.size.min()) > 0.1 for body in scene.world.bodies])
        ids = observation.ids[source].flatten()
        inner, there = interior(observation.ids[target], pixels)
        kept = visible & inner & stout[ids]
        same.append(ids[kept] == there[kept])
    assert len(torch.cat(same)) > 4000
    assert torch.cat(same).float().mean() > 0.999  # a corner can, too


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


# --- tracks ---


def some_pixels(count=60):
    return torch.rand(count, 2, generator=torch.Generator().manual_seed(0)).double() * vector(WIDTH, HEIGHT)


def test_tracks_of_a_still_world_stand_still_and_project_to_their_pixels(still):
    for scene, _ in still.values():
        tracks = track(scene, some_pixels(), frame=1)
        assert (tracks.world == tracks.world[0]).all()
        pixels, z = project(tracks.world.double(), scene.camera)
        near = z > 0.1
        torch.testing.assert_close(tracks.pixels[near].double(), pixels[near], rtol=1e-4, atol=1e-3)  # world: float32
        torch.testing.assert_close(tracks.pixels[1].double(), some_pixels(), rtol=0, atol=1e-4)


def test_tracks_are_visible_where_they_start(all_worlds):
    for scene, _ in all_worlds:
        assert track(scene, some_pixels(), frame=1).visible[1].all()


def test_tracks_continue_the_flow(moving):
    grid = pixel_grid(HEIGHT, WIDTH, like=torch.zeros((), dtype=torch.float64)).reshape(-1, 2)
    for scene, observation in moving.values():
        for frame in range(FRAMES - 1):
            _, target, pixels, visible = landings(scene, observation, "forward", frame)
            tracks = track(scene, grid, frame=frame)
            torch.testing.assert_close(tracks.pixels[target].double(), pixels, rtol=1e-5, atol=1e-5)
            assert torch.equal(tracks.visible[target], visible)


def test_tracks_ride_on_their_bodies(moving):
    grid = pixel_grid(HEIGHT, WIDTH, like=torch.zeros((), dtype=torch.float64)).reshape(-1, 2)
    for scene, observation in moving.values():
        ids, points = observation.ids[0].flatten(), points_of(observation, scene)[0]
        tracks = track(scene, grid, frame=0)
        for frame in range(FRAMES):
            expected = carry(scene, points, ids, 0, frame)
            torch.testing.assert_close(tracks.world[frame].double(), expected, rtol=1e-5, atol=1e-5)


def test_tracks_are_lost_outside_the_image_and_behind_the_camera():
    """A camera that steps aside and then far ahead loses a point of the wall first to the side, then behind it."""
    poses = torch.eye(4).double().repeat(4, 1, 1)
    poses[1, 0, 3], poses[2, 2, 3], poses[3, 0, 3] = 9, 5, 0.1
    scene = looking_at(wall(distance=4), poses=poses)
    tracks = track(scene, vector(16, 12)[None], frame=0)
    assert tracks.visible[:, 0].tolist() == [True, False, False, True]
    assert tracks.pixels[1, 0, 0] < 0


def test_a_passing_body_hides_a_point_and_uncovers_it_again():
    bodies = [*wall(distance=4), body(Shape.BOX, (0.2, 0.2, 0.2), (-1, 0, 2), velocity=(1, 0, 0))]
    scene = looking_at(bodies, poses=torch.eye(4).double().repeat(3, 1, 1))
    tracks = track(scene, vector(16, 12)[None], frame=0)
    assert tracks.visible[:, 0].tolist() == [True, False, True]
    assert (tracks.pixels[:, 0] == tracks.pixels[0, 0]).all()


# --- hand-made worlds: the camera looks along z at an image of 24 x 32 pixels, focal length 32 ---

BRIGHT, DARK = (0.64, 0.81, 0.25), (0.0, 0.0, 0.0)


def body(shape, size, position, *, velocity=(0, 0, 0), colors=(BRIGHT, BRIGHT), pattern=Pattern.PLAIN, **settings):
    motion = Motion(
        rotation=torch.eye(3).double(),
        position=vector(*position),
        velocity=vector(*velocity).double(),
        axis=vector(0, 1, 0).double(),
        spin=0.0,
    )
    texture = Texture(
        pattern=pattern,
        first=vector(*colors[0]),
        second=vector(*colors[1]),
        frequency=settings.pop("frequency", 1.0),
        octaves=3,
        offset=vector(0.1, 0.2, 0.3),
        grain=0.0,
    )
    return Body(shape=shape, size=vector(*size).double(), motion=motion, texture=texture, **settings)


def wall(*, distance, **settings):
    """A room so wide that only its end is seen."""
    return [body(Shape.ROOM, (30.0, 30.0, float(distance)), (0, 0, 0), **settings)]


def looking_at(bodies, *, poses=None, height=HEIGHT, width=WIDTH, lights=(), ambient=1.0):
    poses = torch.eye(4).double()[None] if poses is None else poses
    k = torch.tensor([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]]).double().expand(len(poses), 3, 3)
    lattice = torch.rand(LATTICE, LATTICE, LATTICE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    world = World(
        bodies=tuple(bodies),
        lights=tuple(lights),
        ambient=torch.full((3,), ambient, dtype=torch.float64),
        lattice=lattice,
        seconds_per_frame=1.0,
    )
    camera = Pinhole(world_from_cam=poses, intrinsics=k, height=height, width=width)
    return Scene(name="by hand", world=world, camera=camera)


def test_a_wall_is_as_far_as_it_is():
    seen = surface(looking_at(wall(distance=4)), 0)
    assert (seen.depth == 4).all()  # along z, not along the ray
    assert (seen.normals == torch.tensor([0.0, 0, -1])[:, None, None]).all()
    assert (seen.ids == 0).all()


def test_of_two_bodies_the_nearer_is_seen():
    bodies = [
        *wall(distance=4),
        body(Shape.BOX, (0.5, 0.5, 0.5), (0, 0, 2.5)),
        body(Shape.BOX, (1, 1, 0.1), (0, 0, 3.5)),
    ]
    seen = surface(looking_at(bodies), 0)
    assert seen.ids[HEIGHT // 2, WIDTH // 2] == 1
    assert seen.depth[HEIGHT // 2, WIDTH // 2] == 2
    assert seen.ids[HEIGHT // 2, WIDTH // 2 + 8] == 2  # the near front ends 8 pixels from the middle, the far one 9.4
    assert seen.ids[HEIGHT // 2, WIDTH // 2 + 9] == 0
    assert seen.ids[0, 0] == 0


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


def test_one_frame_has_no_flow():
    seen = observe(looking_at(wall(distance=4)), samples=1)
    assert seen.forward.pixels.shape == (0, 2, HEIGHT, WIDTH)
    assert seen.backward.visible.shape == (0, HEIGHT, WIDTH)


# --- stereo ---

BASELINE = 0.2


def rig(scene):
    """A still two-frame scene whose first frame is the left eye and whose second is the right."""
    left = scene.camera.at(0)
    right = right_camera(left, BASELINE)
    both = dataclasses.replace(
        left,
        world_from_cam=torch.cat([left.world_from_cam, right.world_from_cam]),
        intrinsics=left.intrinsics.expand(2, 3, 3),
    )
    return dataclasses.replace(scene, camera=both)


def test_the_right_eye_sees_points_left_by_their_disparity(still):
    for scene, observation in still.values():
        eyes = rig(scene)
        disparity = disparity_from_depth(observation.depth[:1], scene.camera.intrinsics[:1].float(), BASELINE)
        moved = flow(eyes, 0, 1)
        torch.testing.assert_close(moved.pixels[0, 0], -disparity[0], rtol=1e-5, atol=1e-5)
        assert moved.pixels[0, 1].abs().max() < 1e-5

        x = pixel_grid(HEIGHT, WIDTH, like=disparity)[..., 0] - disparity[0]
        pixels = torch.stack([x, pixel_grid(HEIGHT, WIDTH, like=disparity)[..., 1]], dim=-1).reshape(-1, 2)
        right = surface(eyes, 1)
        inner, ids = interior(right.ids, pixels)
        kept = inner & moved.visible.flatten()
        assert kept.float().mean() > 0.3
        # a pole can pass between pixel centres
        assert (ids[kept] == observation.ids[0].flatten()[kept]).float().mean() > 0.99


def test_disparity_of_the_truth_gives_the_truth_back(still):
    for scene, observation in still.values():
        k = scene.camera.intrinsics.float()
        disparity = disparity_from_depth(observation.depth, k, BASELINE)
        torch.testing.assert_close(depth_from_disparity(disparity, k, BASELINE), observation.depth)


def test_the_right_eye_is_seen_from_the_left_with_the_opposite_disparity(still):
    for scene, _ in still.values():
        eyes = rig(scene)
        back, right = flow(eyes, 1, 0), surface(eyes, 1)
        disparity = disparity_from_depth(right.depth[None], scene.camera.intrinsics[:1].float(), BASELINE)
        torch.testing.assert_close(back.pixels[0, 0], disparity[0], rtol=1e-5, atol=1e-5)
