import pytest
import torch

from turnaround.render.raycast import Solid
from turnaround.render.shade import Light, shade
from turnaround.render.shapes import Shape
from turnaround.render.texture import LATTICE, Pattern, Texture, fractal_noise

RED, BLUE = (0.9, 0.1, 0.2), (0.1, 0.3, 0.8)


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def uniform(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def lattice():
    return uniform(LATTICE, LATTICE, LATTICE)


def texture(pattern, *, frequency=1.0, octaves=3, offset=(0.0, 0.0, 0.0), grain=0.0):
    return Texture(
        pattern=pattern,
        first=vector(*RED),
        second=vector(*BLUE),
        frequency=frequency,
        octaves=octaves,
        offset=vector(*offset),
        grain=grain,
    )


def along_z(count):
    """Normals of a wall that faces z: patterns run along x and y."""
    return vector(0, 0, 1)[:, None].expand(3, count)


def share(color):
    """How much of the second colour: 0 is red, 1 is blue."""
    return (color[0] - RED[0]) / (BLUE[0] - RED[0])


# --- noise ---


def test_noise_takes_the_lattice_values_at_whole_points(lattice):
    i, j, k = torch.randint(0, LATTICE, (3, 200), generator=torch.Generator().manual_seed(1))
    points = torch.stack([i, j, k]).double()
    torch.testing.assert_close(fractal_noise(points, lattice, octaves=1), lattice[i, j, k])


def test_noise_is_trilinear_with_smoothstep_weights(lattice):
    point = vector(3.25, 30.5, 31.75)  # the last cell along z wraps around to 0
    fx, fy, fz = (f * f * (3 - 2 * f) for f in (0.25, 0.5, 0.75))
    expected = sum(
        wx * wy * wz * lattice[i, j, k]
        for i, wx in ((3, 1 - fx), (4, fx))
        for j, wy in ((30, 1 - fy), (31, fy))
        for k, wz in ((31, 1 - fz), (0, fz))
    )
    torch.testing.assert_close(fractal_noise(point[:, None], lattice, octaves=1)[0], expected)


def test_noise_repeats_after_the_lattice_on_both_sides_of_zero(lattice):
    points = uniform(3, 500, seed=2) * 10
    here = fractal_noise(points, lattice, octaves=3)
    torch.testing.assert_close(fractal_noise(points - 2 * LATTICE, lattice, octaves=3), here)
    torch.testing.assert_close(fractal_noise(points + LATTICE, lattice, octaves=3), here)


@pytest.mark.parametrize("octaves", [1, 2, 5])
def test_noise_stays_between_0_and_1_and_octaves_are_normalised(lattice, octaves):
    points = uniform(3, 5000, seed=3) * 40 - 20
    noise = fractal_noise(points, lattice, octaves=octaves)
    assert noise.min() > 0
    assert noise.max() < 1
    flat = fractal_noise(points, torch.full_like(lattice, 0.7), octaves=octaves)
    torch.testing.assert_close(flat, torch.full_like(noise, 0.7))


def test_each_octave_has_twice_the_frequency_and_half_the_weight(lattice):
    points = uniform(3, 500, seed=4) * 10
    first, second = fractal_noise(points, lattice, octaves=1), fractal_noise(points * 2, lattice, octaves=1)
    torch.testing.assert_close(fractal_noise(points, lattice, octaves=2), (first + second / 2) / 1.5)


def test_noise_is_continuous_across_cells(lattice):
    faces = uniform(3, 500, seed=5) * 10
    faces[0] = faces[0].round()
    step = vector(1e-9, 0, 0)[:, None]
    low, high = fractal_noise(faces - step, lattice, octaves=2), fractal_noise(faces + step, lattice, octaves=2)
    torch.testing.assert_close(low, high, rtol=0, atol=1e-8)


# --- patterns ---


def test_plain_is_the_first_colour(lattice):
    color = texture(Pattern.PLAIN)(uniform(3, 10), along_z(10), lattice)
    torch.testing.assert_close(color, vector(*RED)[:, None].expand(3, 10))


def test_checks_change_at_every_cell_of_the_surface(lattice):
    points = torch.stack(
        [vector(0.25, 0.75, 0.25, 0.75, -0.25), vector(0.25, 0.25, 0.75, 0.75, 0.25), vector(0, 1, 2, 3, 4)]
    )
    checks = texture(Pattern.CHECKS, frequency=2.0)
    assert share(checks(points, along_z(5), lattice)).tolist() == pytest.approx([0, 1, 1, 0, 1])


@pytest.mark.parametrize(("axis", "across"), [(0, (1, 2)), (1, (0, 2)), (2, (0, 1))])
def test_patterns_run_along_the_surface_not_into_it(lattice, axis, across):
    """Checks on each side of a box vary along the side's two axes only, so depth inside the body never shows."""
    normals = torch.eye(3).double()[axis][:, None].expand(3, 400)
    points = uniform(3, 400, seed=6) * 6
    cells = points[list(across)].floor().sum(dim=0) % 2
    torch.testing.assert_close(share(texture(Pattern.CHECKS)(points, -normals, lattice)), cells)


def test_stripes_are_a_triangle_wave(lattice):
    points = torch.stack([vector(0, 0.25, 0.5, 0.75, 1, -0.25)] * 3)
    found = share(texture(Pattern.STRIPES)(points, along_z(6), lattice))
    assert found.tolist() == pytest.approx([1, 0.5, 0, 0.5, 1, 0.5])


def test_gradient_runs_down_the_body_in_four_cycles(lattice):
    points = torch.stack([uniform(5), vector(0, 1, 2, 3, 4), uniform(5)])
    assert share(texture(Pattern.GRADIENT)(points, along_z(5), lattice)).tolist() == pytest.approx([1, 0.5, 0, 0.5, 1])


def test_bricks_are_laid_in_shifted_courses(lattice):
    bricks = texture(Pattern.BRICKS)
    row = torch.arange(0, 1, 0.01).double() + 0.005

    def mortar(v):
        points = torch.stack([row, torch.full_like(row, v), torch.zeros_like(row)])
        return row[share(bricks(points, along_z(len(row)), lattice)) > 0.5]

    assert len(mortar(0.01)) == len(row)  # the bed joint
    torch.testing.assert_close(mortar(0.25), row[:6])  # the head joint
    torch.testing.assert_close(mortar(0.75), row[50:56])  # half a brick further in the next course


def test_offset_is_in_cycles_and_frequency_in_cycles_per_metre(lattice):
    points = uniform(3, 300, seed=7) * 4
    moved = texture(Pattern.NOISE, frequency=2.5, offset=(3.0, 1.0, 2.0))(points, along_z(300), lattice)
    plain = texture(Pattern.NOISE)(points * 2.5 + vector(3, 1, 2)[:, None], along_z(300), lattice)
    torch.testing.assert_close(moved, plain)


@pytest.mark.parametrize("pattern", list(Pattern))
@pytest.mark.parametrize("grain", [0.0, 0.4])
def test_colours_lie_between_the_two(lattice, pattern, grain):
    color = texture(pattern, grain=grain, offset=(5.5, 20.1, 31.9))(uniform(3, 2000) * 9 - 4, along_z(2000), lattice)
    found = share(color)
    assert found.min() > -1e-12
    assert found.max() < 1 + 1e-12
    low, high = vector(*RED)[:, None], vector(*BLUE)[:, None]
    torch.testing.assert_close(color, low + found * (high - low))


def test_grain_mixes_noise_into_a_pattern(lattice):
    points = uniform(3, 300, seed=8) * 4
    noise = fractal_noise(points * 4, lattice, octaves=2)
    checks, grained = (
        share(texture(Pattern.CHECKS, grain=grain)(points, along_z(300), lattice)) for grain in (0.0, 0.3)
    )
    torch.testing.assert_close(grained, 0.7 * checks + 0.3 * noise)


# --- light ---

WHITE = vector(1, 1, 1)
UP, DOWN = (0, -1, 0), (0, 1, 0)


def lamp(*position, color=(0.5, 0.6, 0.7)):
    return Light(position=vector(*position), color=vector(*color))


def radiance(
    points, *, normal=UP, eye=(0, -1, 0), lights=(), ambient=(0.0, 0.0, 0.0), gloss=0.0, occluders=(), albedo=RED
):
    points = torch.tensor(points, dtype=torch.float64).reshape(-1, 3).T.contiguous()
    count = points.shape[1]

    def spread(values):
        return vector(*values)[:, None].expand(3, count).clone()

    return shade(
        points=points,
        normals=spread(normal),
        towards_eye=spread(eye),
        albedo=spread(albedo),
        gloss=torch.full((count,), gloss, dtype=torch.float64),
        lights=lights,
        ambient=vector(*ambient),
        occluders=occluders,
    ).T


def box(position, size=(0.5, 0.5, 0.5)):
    return Solid(shape=Shape.BOX, size=vector(*size), rotation=torch.eye(3).double(), position=vector(*position))


@pytest.mark.parametrize(("normal", "strength"), [(UP, 1.0), ((1, 0, 0), 0.75), (DOWN, 0.5)])
def test_ambient_light_comes_mostly_from_above(normal, strength):
    expected = strength * vector(*RED) * vector(0.2, 0.3, 0.4)
    torch.testing.assert_close(radiance([0, 0, 0], normal=normal, ambient=(0.2, 0.3, 0.4))[0], expected)


@pytest.mark.parametrize("degrees", [0, 30, 60, 89])
def test_diffuse_light_follows_lamberts_cosine_without_falloff(degrees):
    angle = torch.deg2rad(vector(degrees))[0]
    for distance in (1.0, 50.0):
        light = lamp(distance * float(angle.sin()), -distance * float(angle.cos()), 0)
        expected = vector(*RED) * vector(0.5, 0.6, 0.7) * angle.cos()
        torch.testing.assert_close(radiance([0, 0, 0], lights=[light])[0], expected)


def test_a_light_behind_the_surface_gives_nothing():
    assert (radiance([0, 0, 0], lights=[lamp(0.3, 1, 0)], gloss=1.0, eye=(0, -1, 0.01)) == 0).all()


def test_lights_add_up():
    first, second = lamp(1, -2, 0), lamp(-1, -1, 3)
    together = radiance([0, 0, 0], lights=[first, second])
    apart = radiance([0, 0, 0], lights=[first]) + radiance([0, 0, 0], lights=[second])
    torch.testing.assert_close(together, apart)


def test_the_highlight_is_full_in_the_mirror_direction_and_falls_to_the_power_32():
    light = lamp(3, -4, 0)
    mirror = radiance([0, 0, 0], lights=[light], eye=(-6, -8, 0), gloss=0.4, albedo=(0.0, 0.0, 0.0))
    torch.testing.assert_close(mirror[0], 0.4 * light.color)
    aside = radiance([0, 0, 0], lights=[light], eye=(3, -4, 0), gloss=0.4, albedo=(0.0, 0.0, 0.0))
    torch.testing.assert_close(aside[0], 0.4 * light.color * 0.8**32)


def test_a_body_between_lamp_and_floor_casts_its_shadow():
    """The box's top (half a metre around x = 0, one metre up) throws twice its size from a lamp two metres up."""
    table = box((0, -1.1, 0), (0.5, 0.1, 0.5))
    xs = torch.arange(-1.97, 2, 0.1).tolist()
    lit = radiance([(x, 0, 0) for x in xs], lights=[lamp(0, -2, 0)], occluders=[table]).sum(dim=1) > 0
    # seen from the lamp the widest outline is the upper face, 0.8 below the lamp: 0.5 * 2 / 0.8 = 1.25 on the floor
    assert lit.tolist() == [abs(x) > 1.25 for x in xs]


def test_ambient_light_reaches_the_shadow():
    dark = radiance([0, 0, 0], lights=[lamp(0, -2, 0)], ambient=(0.2, 0.2, 0.2), occluders=[box((0, -1, 0))])
    torch.testing.assert_close(dark[0], 0.2 * vector(*RED))


def test_a_body_beyond_the_lamp_or_beside_the_ray_casts_no_shadow_here():
    light = lamp(0, -2, 0)
    free = radiance([0, 0, 0], lights=[light])
    for place in ((0, -2.7, 0), (0.7, -1, 0), (0, 0.8, 0)):
        assert torch.equal(radiance([0, 0, 0], lights=[light], occluders=[box(place)]), free)


@pytest.mark.parametrize("shape", [Shape.BOX, Shape.ELLIPSOID, Shape.CYLINDER, Shape.CAPSULE])
def test_a_body_does_not_shade_its_own_lit_side(shape):
    body = Solid(shape=shape, size=vector(0.5, 0.4, 0.3), rotation=torch.eye(3).double(), position=vector(0, 0, 0))
    top = -0.9 if shape is Shape.CAPSULE else -0.4
    alone = radiance([0, top, 0], lights=[lamp(1, -9, 1)])
    assert torch.equal(radiance([0, top, 0], lights=[lamp(1, -9, 1)], occluders=[body]), alone)
    assert alone.min() > 0


@pytest.mark.parametrize("distance", [3, 30, 300, 3000])
def test_a_shadow_begins_where_the_body_stands_however_far_the_light(distance):
    """A box on the floor, lit at 45 degrees: on its far side the shadow reaches from its foot to its height."""
    light = lamp(-distance, -distance, 0)
    xs = (0.5 + vector(0.005, 0.02, 0.1, 0.3, 0.9)).tolist()
    shaded = radiance([(x, 0, 0) for x in xs], lights=[light], occluders=[box((0, -0.5, 0))])
    assert (shaded == 0).all(dim=1).tolist() == [True] * 5
