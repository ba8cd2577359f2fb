"""Closed-form intersections against an oracle that knows only each shape's implicit function.

All shapes are convex, so along a ray the implicit function is convex: its minimum by golden-section search says whether
the ray hits, and bisection in front of the minimum says where.
"""

import pytest
import torch

from turnaround.render.shapes import NEAR, Shape, bounding_radius, intersect, outward

SIZES = {
    "round": (0.5, 0.7, 0.4),
    "long": (1.5, 0.3, 0.8),
    "pole": (0.02, 1.1, 0.02),
    "board": (0.6, 0.9, 0.015),
}
SOLIDS = [shape for shape in Shape if not shape.is_shell]
SHELLS = [Shape.ROOM, Shape.DOME]
FAR = 20.0  # beyond all shapes
SHARP = 1e-9  # rays that pass the surface closer than this may count as hit or as miss


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def unit(vectors):
    return vectors / vectors.norm(dim=0)


def random(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sides(shape, size, points):
    """Implicit functions of the pieces of the surface, in rough metres: the solid is where all are <= 0."""
    x, y, z = points
    if shape is Shape.CAPSULE:
        beyond = (y.abs() - size[1]).clamp_min(0)
        return ((x * x + z * z + beyond * beyond).clamp_min(1e-300).sqrt() - size[0])[None]
    u, v, w = points / size.reshape(3, *[1] * (points.ndim - 1))
    ring = (u * u + w * w).clamp_min(1e-300).sqrt()
    match shape:
        case Shape.BOX | Shape.ROOM:
            pieces = [u - 1, -u - 1, v - 1, -v - 1, w - 1, -w - 1]
        case Shape.ELLIPSOID | Shape.DOME:
            pieces = [(u * u + v * v + w * w).clamp_min(1e-300).sqrt() - 1]
        case Shape.CYLINDER:
            pieces = [ring - 1, v - 1, -v - 1]
        case Shape.CONE:
            pieces = [ring - (1 + v) / 2, v - 1]
    return torch.stack(pieces) * size.min()


def implicit(shape, size, points):
    return sides(shape, size, points).amax(dim=0)


def along(shape, size, origin, direction):
    return lambda t: implicit(shape, size, origin + t * direction)


def lowest(function, rays):
    """Where a convex function of t in [0, FAR] is least, by golden section."""
    shrink = (5**0.5 - 1) / 2
    low, high = torch.zeros(rays, dtype=torch.float64), torch.full((rays,), FAR, dtype=torch.float64)
    for _ in range(70):
        left, right = high - shrink * (high - low), low + shrink * (high - low)
        better = function(left) < function(right)
        low, high = torch.where(better, low, left), torch.where(better, right, high)
    return (low + high) / 2


def crossing(function, outside, inside):
    """Bisection between t outside and t inside, in float64 down to the last bits."""
    for _ in range(60):
        middle = (outside + inside) / 2
        within = function(middle) <= 0
        outside, inside = torch.where(within, outside, middle), torch.where(within, middle, inside)
    return (outside + inside) / 2


def entries(shape, size, origin, direction):
    """t of the entry by search, infinite for a miss, and whether hit or miss is beyond doubt."""
    function = along(shape, size, origin, direction)
    deepest = lowest(function, direction.shape[1])
    depth = function(deepest)
    found = crossing(function, torch.zeros_like(deepest), deepest)
    return torch.where(depth < 0, found, torch.inf), depth.abs() > SHARP


def rays_from_outside(shape, size, count=300, seed=0):
    """Unit rays aimed near the shape, from all around; a third of them along an axis."""
    reach = bounding_radius(shape, size)
    aim = (2 * torch.rand(3, count, generator=torch.Generator().manual_seed(seed)).double() - 1) * 1.3 * size[:, None]
    direction = unit(random(3, count, seed=seed + 1))
    axis = torch.eye(3).double()[:, torch.arange(count // 3) % 3] * random(count // 3, seed=seed + 2).sign()
    direction[:, : count // 3] = axis
    return aim - direction * (3 * reach + 0.5), direction


def shapes_and_sizes(shapes):
    return [pytest.param(s, vector(*size), id=f"{s}-{name}") for s in shapes for name, size in SIZES.items()]


@pytest.mark.parametrize(("shape", "size"), shapes_and_sizes(SOLIDS))
def test_entries_are_where_the_implicit_function_says(shape, size):
    origin, direction = rays_from_outside(shape, size)
    expected, certain = entries(shape, size, origin, direction)
    t = intersect(shape, size, origin, direction)
    assert certain.float().mean() > 0.98
    assert 30 < expected.isfinite().sum() < 290  # hits and misses both occur
    assert torch.equal(t.isfinite()[certain], expected.isfinite()[certain])
    both = certain & t.isfinite()
    # at grazing incidence a rounding of the surface by 1e-15 moves the entry by its square root
    torch.testing.assert_close(t[both], expected[both], rtol=0, atol=1e-6)
    assert (t[both] - expected[both]).abs().median() < 1e-12
    on_surface = implicit(shape, size, origin + t * direction)[t.isfinite()]
    assert on_surface.abs().max() < 1e-12


@pytest.mark.parametrize(("shape", "size"), shapes_and_sizes(SOLIDS + SHELLS))
def test_normals_are_unit_gradients_that_face_the_ray(shape, size):
    if shape.is_shell:
        origin, direction = rays_from_inside(size)
    else:
        origin, direction = rays_from_outside(shape, size, seed=5)
    t = intersect(shape, size, origin, direction)
    hit = t.isfinite()
    points = (origin + t * direction)[:, hit]
    normals = outward(shape, size, points)
    torch.testing.assert_close(normals.norm(dim=0), torch.ones(points.shape[1]).double())
    leaning = (normals * direction[:, hit]).sum(dim=0)
    assert leaning.max() < 1e-9

    points.requires_grad_()
    pieces = sides(shape, size, points)
    gradient = unit(torch.autograd.grad(pieces.amax(dim=0).sum(), points)[0])
    two_highest = pieces.detach().sort(dim=0).values[-2:]
    off_edges = (two_highest[-1] - two_highest[0] > 1e-6) if len(pieces) > 1 else torch.ones_like(hit[hit])
    assert off_edges.float().mean() > 0.95
    sign = -1 if shape.is_shell else 1
    torch.testing.assert_close(normals[:, off_edges], sign * gradient[:, off_edges], rtol=0, atol=1e-6)


def rays_from_inside(size, count=300):
    origin = (torch.rand(3, count, generator=torch.Generator().manual_seed(7)).double() - 0.5) * size[:, None]
    direction = unit(random(3, count, seed=8))
    direction[:, : count // 3] = torch.eye(3).double()[:, torch.arange(count // 3) % 3]
    return origin, direction


@pytest.mark.parametrize(("shape", "size"), shapes_and_sizes(SHELLS))
def test_shells_are_left_where_the_implicit_function_says(shape, size):
    origin, direction = rays_from_inside(size)
    function = along(shape, size, origin, direction)
    zero = torch.zeros(direction.shape[1], dtype=torch.float64)
    expected = crossing(function, torch.full_like(zero, FAR), zero)
    torch.testing.assert_close(intersect(shape, size, origin, direction), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("shape", SHELLS)
def test_a_shell_that_is_missed_is_not_hit(shape):
    """From outside, too, a ray that passes beside the shell meets nothing."""
    origin = vector(0, 0, -5)[:, None]
    direction = torch.stack([vector(1, 0, 0.2), vector(0, -1, 0.1), vector(0, 0, -1)], dim=1)
    assert intersect(shape, vector(1, 1, 1), origin, direction).isposinf().all()


def test_ground_is_the_plane_through_the_origin():
    origin = vector(0.3, -2, 1)[:, None]
    direction = torch.stack([vector(0, 1, 0), vector(3, 2, -1), vector(0, -1, 0), vector(1, 0, 0)], dim=1)
    t = intersect(Shape.GROUND, vector(1, 1, 1), origin, direction)
    assert t.tolist() == [2, 1, torch.inf, torch.inf]
    assert outward(Shape.GROUND, vector(1, 1, 1), random(3, 2, seed=0)).T.tolist() == [[0, -1, 0]] * 2


@pytest.mark.parametrize("shape", SOLIDS)
def test_length_of_the_direction_only_scales_t(shape):
    size = vector(*SIZES["round"])
    origin, direction = rays_from_outside(shape, size, seed=11)
    stretch = 0.5 + torch.arange(direction.shape[1]).double() / 100
    torch.testing.assert_close(
        intersect(shape, size, origin, direction * stretch) * stretch, intersect(shape, size, origin, direction)
    )


@pytest.mark.parametrize(("shape", "size"), shapes_and_sizes(SOLIDS))
def test_a_solid_behind_the_ray_is_not_hit(shape, size):
    origin, direction = rays_from_outside(shape, size)
    assert intersect(shape, size, origin, -direction).isposinf().all()


@pytest.mark.parametrize(("shape", "size"), shapes_and_sizes(SOLIDS))
def test_a_ray_from_inside_enters_nothing(shape, size):
    """`intersect` promises where the ray enters; a ray that starts inside only leaves."""
    share = 2 * torch.rand(3, 3000, generator=torch.Generator().manual_seed(3)).double() - 1
    points = share * (size + vector(0, size[0], 0) if shape is Shape.CAPSULE else size)[:, None]
    inside = points[:, implicit(shape, size, points) < -2 * NEAR]
    assert inside.shape[1] > 100
    direction = unit(random(3, inside.shape[1], seed=4))
    assert intersect(shape, size, inside, direction).isposinf().all()


@pytest.mark.parametrize(("shape", "size"), shapes_and_sizes(SOLIDS))
def test_a_ray_that_leaves_the_surface_does_not_meet_the_solid_again(shape, size):
    """Shadow rays start so: lifted a millimetre off the surface, towards the outer side."""
    origin, direction = rays_from_outside(shape, size, seed=21)
    t = intersect(shape, size, origin, direction)
    points = (origin + t * direction)[:, t.isfinite()]
    normals = outward(shape, size, points)
    away = unit(random(3, points.shape[1], seed=22))
    away = away * (away * normals).sum(dim=0).sign()
    assert intersect(shape, size, points + 10 * NEAR * normals, away).isposinf().all()


@pytest.mark.parametrize("shape", list(Shape))
def test_rays_within_planes_and_through_corners_are_never_nan(shape):
    """Origins and directions from {-1, 0, 1} x size: in faces, along edges and axes, through apex and corners."""
    size = vector(*SIZES["round"])
    grid = torch.cartesian_prod(*[torch.tensor([-1.0, 0, 1]).double()] * 3).T * size[:, None]
    directions = grid[:, (grid != 0).any(dim=0)]
    near = grid.repeat_interleave(directions.shape[1], dim=1)
    ways = directions.repeat(1, grid.shape[1])
    for start in (near, near - 5 * ways):
        t = intersect(shape, size, start, ways)
        assert not t.isnan().any()
        assert (t > NEAR).all()
        hit = t.isfinite()
        points = start[:, hit] + t[hit] * ways[:, hit]
        normals = outward(shape, size, points)
        assert normals.isfinite().all()
        torch.testing.assert_close(normals.norm(dim=0), torch.ones(hit.sum()).double())


@pytest.mark.parametrize(("shape", "size"), shapes_and_sizes([*SOLIDS, Shape.DOME, Shape.ROOM]))
def test_bounding_sphere_holds_every_surface_point(shape, size):
    if shape.is_shell:
        origin, direction = rays_from_inside(size)
    else:
        origin, direction = rays_from_outside(shape, size, count=900, seed=31)
    t = intersect(shape, size, origin, direction)
    radius = bounding_radius(shape, size)
    assert (origin + t * direction)[:, t.isfinite()].norm(dim=0).max() <= radius * (1 + 1e-12)
    outermost = {
        Shape.CAPSULE: vector(0, size[1] + size[0], 0),
        Shape.ELLIPSOID: torch.where(size == size.max(), size, 0),
        Shape.DOME: torch.where(size == size.max(), size, 0),
        Shape.CYLINDER: vector(size[[0, 2]].max(), size[1], 0),
        Shape.CONE: vector(size[[0, 2]].max(), size[1], 0),
    }.get(shape, size)
    assert float(outermost.norm()) == pytest.approx(radius)  # and it is the smallest about the origin


def test_ground_has_no_bounding_sphere():
    assert bounding_radius(Shape.GROUND, vector(1, 1, 1)) == float("inf")
