"""Ray intersections with solids in their own frame, in closed form.

Rays are o + t d with vectors laid out as [3, rays] (one contiguous row per axis). Only + - * / and sqrt are used, which
IEEE 754 rounds exactly: so the results do not depend on the number of threads.
Every function returns the smallest t > `near` at which the ray enters the solid, infinity where there is none.
Sizes are half extents (radii) along x, y, z; y points down, as everywhere.
"""

from collections.abc import Callable
from enum import StrEnum

import torch
from jaxtyping import Float
from torch import Tensor

Rays = Float[Tensor, "3 #r"]
Distances = Float[Tensor, " r"]

NEAR = 1e-4  # metres for rays of length 1: below it a ray would hit the surface it starts from


class Shape(StrEnum):
    """What a body is. ROOM and DOME are shells seen from the inside; GROUND is the infinite plane y = 0."""

    BOX = "box"
    ELLIPSOID = "ellipsoid"
    CYLINDER = "cylinder"  # elliptic, axis y
    CONE = "cone"  # elliptic, apex up (y = -size), base down
    CAPSULE = "capsule"  # radius size_x, axis y, half length size_y + size_x
    ROOM = "room"
    DOME = "dome"
    GROUND = "ground"

    @property
    def is_shell(self) -> bool:
        return self in (Shape.ROOM, Shape.DOME, Shape.GROUND)


def bounding_radius(shape: Shape, size: Float[Tensor, "3"]) -> float:
    """Radius of a sphere around the origin that holds the solid."""
    if shape is Shape.GROUND:
        return float("inf")
    if shape is Shape.CAPSULE:
        return float(size[0] + size[1])
    if shape in (Shape.ELLIPSOID, Shape.DOME):
        return float(size.max())
    if shape is Shape.CYLINDER or shape is Shape.CONE:
        return float((size[0].maximum(size[2]) ** 2 + size[1] ** 2).sqrt())
    return float(size.norm())


def intersect(shape: Shape, size: Float[Tensor, "3"], origin: Rays, direction: Rays) -> Distances:
    """Smallest t at which each ray enters the solid (leaves the shell)."""
    if shape is Shape.CAPSULE:
        return _capsule(size, origin, direction)
    if shape is Shape.GROUND:
        return _after_near(-origin[1] / direction[1])
    scale = size[:, None]
    return _UNIT[shape](origin / scale, direction / scale)


def outward(shape: Shape, size: Float[Tensor, "3"], point: Float[Tensor, "3 r"]) -> Float[Tensor, "3 r"]:
    """Unit normals at surface points, towards the side the solid (or shell) is seen from."""
    unit = point / size[:, None]
    if shape is Shape.GROUND:
        normal = torch.zeros_like(point)
        normal[1] = -1
    elif shape is Shape.BOX or shape is Shape.ROOM:
        face = unit.abs().argmax(dim=0, keepdim=True)
        normal = torch.zeros_like(point).scatter_(0, face, unit.gather(0, face).sign())
    elif shape is Shape.ELLIPSOID or shape is Shape.DOME:
        normal = unit / size[:, None]
    elif shape is Shape.CAPSULE:
        axis = point[1].clamp(-size[1], size[1])
        normal = torch.stack([point[0], point[1] - axis, point[2]])
    else:
        normal = _revolved_normal(shape, size, unit)
    normal = normal / (normal * normal).sum(dim=0).sqrt()
    return -normal if shape in (Shape.ROOM, Shape.DOME) else normal


def _revolved_normal(shape: Shape, size: Float[Tensor, "3"], unit: Float[Tensor, "3 r"]) -> Float[Tensor, "3 r"]:
    x, y, z = unit
    radius = (x * x + z * z).sqrt()
    rise = torch.zeros_like(y) if shape is Shape.CYLINDER else -radius / 2  # cone: r = (1 + y) / 2
    side = torch.stack([x / size[0], rise / size[1], z / size[2]])
    edge = radius if shape is Shape.CYLINDER else 2 * radius - y  # 1 on the side surface
    on_cap = (y.abs() - 1).abs() < (edge - 1).abs() if shape is Shape.CYLINDER else (y - 1).abs() < (edge - 1).abs()
    cap = torch.zeros_like(unit)
    cap[1] = y.sign()
    return torch.where(on_cap, cap, side)


def _after_near(t: Distances) -> Distances:
    return torch.where(t > NEAR, t, torch.inf)  # NaN (0 / 0: the ray lies in the plane) is no hit either


def _slabs(o: Rays, d: Rays) -> tuple[Distances, Distances]:
    """Entry and exit of the box [-1, 1]^3."""
    inverse = 1 / d
    first, second = (-1 - o) * inverse, (1 - o) * inverse
    return first.minimum(second).amax(dim=0), first.maximum(second).amin(dim=0)


def _unit_box(o: Rays, d: Rays) -> Distances:
    enter, leave = _slabs(o, d)
    return torch.where((enter > NEAR) & (enter <= leave), enter, torch.inf)


def _unit_room(o: Rays, d: Rays) -> Distances:
    enter, leave = _slabs(o, d)
    return torch.where(enter <= leave, _after_near(leave), torch.inf)


def _sphere_roots(
    o: Float[Tensor, "k #r"], d: Float[Tensor, "k #r"], squared_radius: float | Tensor
) -> tuple[Distances, Distances]:
    """Both t on a sphere (k = 3) or circle (k = 2); NaN where it is missed.

    The ray is moved to its closest point first, so that nothing cancels.
    """
    squared = (d * d).sum(dim=0)
    middle = -(o * d).sum(dim=0) / squared
    closest = o + middle * d
    half = ((squared_radius - (closest * closest).sum(dim=0)) / squared).sqrt()
    return middle - half, middle + half


def _unit_sphere(o: Rays, d: Rays) -> Distances:
    return _after_near(_sphere_roots(o, d, 1.0)[0])


def _unit_dome(o: Rays, d: Rays) -> Distances:
    return _after_near(_sphere_roots(o, d, 1.0)[1])


def _where_between(t: Distances, o: Rays, d: Rays) -> Distances:
    """t where the ray is at |y| <= 1, else infinity."""
    return torch.where((o[1] + t * d[1]).abs() <= 1, _after_near(t), torch.inf)


def _unit_cylinder(o: Rays, d: Rays) -> Distances:
    flat = [0, 2]
    side = _sphere_roots(o[flat], d[flat], 1.0)[0]  # in x, z the axis is a point and the side a circle
    cap_t = (-d[1].sign() - o[1]) / d[1]  # only the cap that faces the ray
    x, z = o[0] + cap_t * d[0], o[2] + cap_t * d[2]
    cap = torch.where(x * x + z * z <= 1, _after_near(cap_t), torch.inf)
    return _where_between(side, o, d).minimum(cap)


def _unit_cone(o: Rays, d: Rays) -> Distances:
    """x^2 + z^2 = ((1 + y) / 2)^2 for -1 <= y <= 1, closed by the disc at y = 1."""
    slope, height = d[1] / 2, (1 + o[1]) / 2
    a = d[0] * d[0] + d[2] * d[2] - slope * slope
    half_b = o[0] * d[0] + o[2] * d[2] - height * slope
    c = o[0] * o[0] + o[2] * o[2] - height * height
    root = (half_b * half_b - a * c).sqrt()
    q = -(half_b + torch.where(half_b < 0, -root, root))  # Numerical Recipes' stable quadratic: q / a and c / q
    base_t = (1 - o[1]) / d[1]
    x, z = o[0] + base_t * d[0], o[2] + base_t * d[2]
    nearest = torch.where((x * x + z * z <= 1) & (d[1] < 0), _after_near(base_t), torch.inf)
    for t in (q / a, c / q):
        enters = a * t + half_b < 0  # half the derivative of the cone's equation along the ray
        nearest = nearest.minimum(torch.where(enters, _where_between(t, o, d), torch.inf))
    return nearest


def _capsule(size: Float[Tensor, "3"], o: Rays, d: Rays) -> Distances:
    radius, half = size[0], size[1]
    flat = [0, 2]
    side = _sphere_roots(o[flat], d[flat], radius * radius)[0]
    nearest = torch.where((o[1] + side * d[1]).abs() <= half, _after_near(side), torch.inf)
    for end in (-half, half):
        centre = torch.stack([torch.zeros_like(end), end, torch.zeros_like(end)])[:, None]
        t = _sphere_roots(o - centre, d, radius * radius)[0]
        outside = (o[1] + t * d[1]) * end.sign() >= half  # elsewhere the sphere lies within the cylinder
        nearest = nearest.minimum(torch.where(outside, _after_near(t), torch.inf))
    return nearest


_UNIT: dict[Shape, Callable[[Rays, Rays], Distances]] = {
    Shape.BOX: _unit_box,
    Shape.ROOM: _unit_room,
    Shape.ELLIPSOID: _unit_sphere,
    Shape.DOME: _unit_dome,
    Shape.CYLINDER: _unit_cylinder,
    Shape.CONE: _unit_cone,
}
