"""What lies around a picture that nobody has seen, as far as geometry can tell: the ground goes on, and far away all
sides are as far as what the picture shows."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.paths import UP
from turnaround.geometry.projection import pinhole_rays, pixel_grid, unproject
from turnaround.geometry.se3 import rigid
from turnaround.types import Pinhole

CELLS = 64  # of the longer side of the grid on which the ground is looked for
TRIPLES = 512  # planes that are tried
TOLERANCE = 0.06  # of 1 / depth: what is that close to a plane lies on it
SUPPORT = 0.2  # of the lower half of the picture: a smaller ground is none
STEEPEST = 40.0  # degrees between the ground's normal and the camera's own vertical
FARTHEST = 0.95  # quantile of what is seen that the shell passes through
ROOM = 1.25  # the shell's radius is at least so many times the distance of the farthest camera


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """A ball around a point, cut off by the ground. World coordinates.

    centre: of the ball. radius: metres. ground: n / d of the points n · X = d of a plane, where n points down and the
    cameras lie on its other side of 0; zeros where there is none.
    """

    centre: Float[Tensor, "3"]
    radius: float
    ground: Float[Tensor, "3"]

    def inverse_depth(self, camera: Pinhole) -> Float[Tensor, "h w"]:
        """1 / metres along z of the first that each pixel's ray meets; of one frame inside the ball."""
        pose = camera.world_from_cam[0].double()
        rays = pinhole_rays(pixel_grid(camera.height, camera.width, like=pose), camera.intrinsics[0].double())
        rays, eye = rays @ pose[:3, :3].T, pose[:3, 3]
        away = eye - self.centre
        along, square = rays @ away, (rays * rays).sum(-1)
        room = (self.radius**2 - away @ away).clamp(min=1e-6)
        ball = square / (-along + (along**2 + square * room).sqrt())  # of the root that is positive
        plane = rays @ self.ground / (1 - self.ground @ eye).clamp(min=1e-6)
        return torch.maximum(ball, plane)


def surroundings_of(
    depth: Float[Tensor, "h w"], camera: Pinhole, cameras: Pinhole, centre: Float[Tensor, "3"]
) -> Surroundings:
    """As a first view suggests them, with room for all `cameras`."""
    points = unproject(depth[None].double(), camera)[0].flatten(0, 1)
    away = (points - centre).norm(dim=1)
    stepped = away[:: max(len(away) // 2**20, 1)]
    farthest = (cameras.world_from_cam[:, :3, 3].double() - centre).norm(dim=1).amax()
    radius = max(float(torch.quantile(stepped, FARTHEST)), ROOM * float(farthest))
    ground = ground_of(depth, camera)
    if ground is None:
        return Surroundings(centre=centre, radius=radius, ground=torch.zeros(3, dtype=torch.float64))
    pose = camera.world_from_cam[0].double()
    ground = pose[:3, :3] @ ground
    return Surroundings(centre=centre, radius=radius, ground=ground / (1 + ground @ pose[:3, 3]))


def levelled(depth: Float[Tensor, "h w"], camera: Pinhole) -> Pinhole:
    """The camera in a world whose vertical is that of the ground it sees, its own where it sees none."""
    ground = ground_of(depth, camera)
    if ground is None:
        return camera
    down, own = torch.nn.functional.normalize(ground, dim=0), -UP
    axis, cosine = torch.linalg.cross(down, own), down @ own
    cross = torch.zeros(3, 3, dtype=torch.float64)
    cross[[2, 0, 1], [1, 2, 0]], cross[[1, 2, 0], [2, 0, 1]] = axis, -axis
    turn = torch.eye(3, dtype=torch.float64) + cross + cross @ cross / (1 + cosine)
    pose = rigid(turn, camera.world_from_cam[0, :3, 3].double())[None]
    return Pinhole(
        world_from_cam=pose.to(camera.world_from_cam),
        intrinsics=camera.intrinsics,
        height=camera.height,
        width=camera.width,
    )


def ground_of(depth: Float[Tensor, "h w"], camera: Pinhole) -> Float[Tensor, "3"] | None:
    """n / d of the plane n · X = d, in camera axes, that most of the lower half of a view lies on and little lies
    below; None where there is no such plane that the camera stands upright on.

    On a plane 1 / depth is m · ray, m = n / d (from n · ray depth = d), so planes are fitted to 1 / depth.
    """
    stride = max(max(depth.shape) // CELLS, 1)
    rays = pinhole_rays(pixel_grid(*depth.shape, like=depth.double()), camera.intrinsics[0].double())
    known = (depth > 0) & (depth < math.inf)
    rays, inverse, known = (
        each[each.shape[0] // 2 :: stride, ::stride].flatten(0, 1) for each in (rays, 1 / depth.double(), known)
    )
    rays, inverse = rays[known], inverse[known]
    if len(inverse) < 3:
        return None
    generator = torch.Generator().manual_seed(0)
    triples = torch.randint(len(inverse), (TRIPLES, 3), generator=generator)
    matrices = rays[triples]
    sound = torch.linalg.det(matrices).abs() > 1e-9
    if not sound.any():
        return None
    planes = torch.linalg.solve(matrices[sound], inverse[triples[sound]][..., None])[..., 0]
    planes = planes[_upright(planes)]
    if not len(planes):
        return None
    best = planes[_score(planes, rays, inverse).argmax()]
    for _ in range(3):
        on = (rays @ best - inverse).abs() < TOLERANCE * inverse
        if int(on.sum()) < 3:
            return None
        best = torch.linalg.lstsq(rays[on], inverse[on][:, None]).solution[:, 0]
    enough = float(_score(best[None], rays, inverse)[0]) > SUPPORT
    return best if enough and bool(_upright(best[None])[0]) else None


def on_ground(ground: Float[Tensor, "3"], camera: Pinhole) -> Float[Tensor, "h w"]:
    """1 / depth along z of the plane of `ground_of`, not positive above the horizon."""
    grid = pixel_grid(camera.height, camera.width, like=ground)
    return pinhole_rays(grid, camera.intrinsics[0].double()) @ ground


def _upright(planes: Float[Tensor, "n 3"]) -> Tensor:
    return torch.nn.functional.normalize(planes, dim=1)[:, 1] > math.cos(math.radians(STEEPEST))


def _score(planes: Float[Tensor, "n 3"], rays: Float[Tensor, "m 3"], inverse: Float[Tensor, "m"]) -> Tensor:
    """[n]: the share of rays that end on a plane, less that of those that pass through it."""
    off = (inverse - planes @ rays.T) / inverse
    return (off.abs() < TOLERANCE).double().mean(dim=1) - (off < -TOLERANCE).double().mean(dim=1)
