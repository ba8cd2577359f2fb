"""Seeds to worlds. A seed is all the randomness there is: the same seed gives the same bytes in any process."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry import paths as camera_paths
from turnaround.geometry.projection import intrinsics
from turnaround.geometry.se3 import rotation_about
from turnaround.render.shade import Light
from turnaround.render.shapes import Shape, bounding_radius
from turnaround.render.texture import LATTICE, Pattern, Texture
from turnaround.scenes.world import Body, Motion, Scene, World
from turnaround.types import InputError, Pinhole

DOWN = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
VERSION = 2  # raised whenever a seed gives other bytes than before; a test holds the bytes of one
GAP = 0.03  # metres between the camera and the shells; less than what any path's target keeps
CLEARANCE = 0.6  # metres between the camera and any body's bounding sphere


@dataclass(frozen=True, kw_only=True)
class WorldSampler:
    """Draws scenes. Weights need not sum to 1.

    bodies: least and most bodies. moving: probability that a body moves. rooms: probability of a room rather than
    open ground under a dome. paths: weights of `static`, `orbit`, `dolly`, `handheld`, `closed_orbit`.
    seconds: length of the clip.
    """

    height: int = 64
    width: int = 96
    frames: int = 12
    seconds: float = 1.0
    bodies: Sequence[int] = (6, 14)
    moving: float = 0.2
    rooms: float = 0.5
    paths: Mapping[str, float] = field(
        default_factory=lambda: {"static": 0.1, "orbit": 0.3, "dolly": 0.25, "handheld": 0.35}
    )

    def __post_init__(self):
        unknown = set(self.paths) - {"static", "orbit", "dolly", "handheld", "closed_orbit"}
        if unknown or not sum(self.paths.values()) > 0:
            found = ", ".join(unknown) or "no weight"
            expected = "weights of static, orbit, dolly, handheld, closed_orbit"
            raise InputError("paths", expected=expected, found=found, fix="correct the sampler's paths")

    def __call__(self, seed: int) -> Scene:
        random = np.random.default_rng(seed)
        room = random.random() < self.rooms
        extent = _room_extent(random) if room else _field_extent(random)
        camera, focus = self._camera(random, extent, _in_room if room else _under_dome)
        shells = _room(random, extent) if room else _field(random, extent)
        eyes = camera.world_from_cam[:, :3, 3]
        placed = [self._body(random, extent, focus) for _ in range(random.integers(self.bodies[0], self.bodies[1] + 1))]
        world = World(
            bodies=(*shells, *(body for body in placed if self._is_clear(body, eyes))),
            lights=_lights(random, extent, room),
            ambient=_vector(random.uniform(0.25, 0.45) * _tint(random, 0.1)),
            lattice=torch.from_numpy(random.random((LATTICE, LATTICE, LATTICE))),
            seconds_per_frame=self.seconds / max(self.frames - 1, 1),
        )
        return Scene(name=f"procedural/{seed}", world=world, camera=camera)

    def _camera(
        self, random: np.random.Generator, extent: np.ndarray, inside: Callable[[np.ndarray, Tensor], bool]
    ) -> tuple[Pinhole, np.ndarray]:
        """A camera a little inside one end of the scene that looks across it, and the point it looks at.

        A path that would leave the scene is started nearer to that point.
        """
        eye = np.array(
            [random.uniform(-0.5, 0.5) * extent[0], -random.uniform(0.9, 1.9), -random.uniform(0.6, 0.85) * extent[2]]
        )
        focus = np.array(
            [random.uniform(-0.3, 0.3) * extent[0], -random.uniform(0.2, 1.3), random.uniform(-0.2, 0.3) * extent[2]]
        )
        path, fov = self._path(random), random.uniform(50, 80)
        eye, target = _vector(eye), _vector(focus)
        poses = path(eye, target)
        while not inside(extent, poses[:, :3, 3]):
            eye = target + 0.8 * (eye - target)
            poses = path(eye, target)
        k = intrinsics(self.height, self.width, horizontal_fov_deg=fov).double()
        camera = Pinhole(
            world_from_cam=poses, intrinsics=k.expand(self.frames, 3, 3).clone(), height=self.height, width=self.width
        )
        return camera, focus

    def _path(self, random: np.random.Generator) -> Callable[[Tensor, Tensor], camera_paths.Poses]:
        """Poses from where the camera starts and what it looks at; all that is random is drawn here."""
        names = sorted(self.paths)
        weights = np.array([self.paths[name] for name in names])
        name = random.choice(names, p=weights / weights.sum())
        travel = _vector(random.uniform(-1, 1, 3) * [0.5, 0.15, 0.5])
        match name:
            case "static":
                return partial(camera_paths.static, frames=self.frames)
            case "orbit":
                degrees = random.choice([-1, 1]) * random.uniform(5, 25)
                return partial(camera_paths.orbit, frames=self.frames, degrees=degrees)
            case "closed_orbit":
                return partial(camera_paths.closed_orbit, frames=self.frames)
            case "dolly":
                return partial(camera_paths.dolly, frames=self.frames, travel=travel)
            case "handheld":
                amplitude = random.uniform(0, 0.06, (2, 3))
                amplitude[1] *= 4  # the gaze sways further than the hand, it is metres away
                sway = np.stack([amplitude, random.uniform(0.5, 2, (2, 3)), random.uniform(0, 6.3, (2, 3))], 1)
                return partial(camera_paths.handheld, frames=self.frames, travel=travel / 2, sway=_vector(sway))
        raise AssertionError(name)

    def _body(self, random: np.random.Generator, extent: np.ndarray, focus: np.ndarray) -> Body:
        shape, size = _solid(random)
        reach = np.minimum(extent[[0, 2]] * 0.85, 6.0)
        x, z = np.clip(focus[[0, 2]] + random.normal(0, 0.45, 2) * reach, -0.85 * extent[[0, 2]], 0.85 * extent[[0, 2]])
        floats = random.random() < 0.15
        y = -(size[1] + (size[0] if shape is Shape.CAPSULE else 0)) - (random.uniform(0.3, 1.5) if floats else 0)
        rotation = rotation_about(DOWN, torch.tensor(random.uniform(0, 2 * math.pi), dtype=torch.float64))
        if floats:
            tilt = rotation_about(
                _vector(random.normal(size=3)), torch.tensor(random.uniform(0, 1.5), dtype=torch.float64)
            )
            rotation = tilt @ rotation
        moves = random.random() < self.moving
        motion = Motion(
            rotation=rotation,
            position=_vector([x, y, z]),
            velocity=_vector(random.uniform(-0.6, 0.6, 3) * [1, 0, 1] * moves),
            axis=DOWN,
            spin=float(random.uniform(-1.5, 1.5) * moves),
        )
        return Body(
            shape=shape,
            size=_vector(size),
            motion=motion,
            texture=_texture(random, frequency=(0.8, 5.0)),
            gloss=float(random.choice([0.0, 0.0, random.uniform(0.1, 0.5)])),
        )

    def _is_clear(self, body: Body, eyes: Float[Tensor, "t 3"]) -> bool:
        times = torch.linspace(0, self.seconds, len(eyes), dtype=torch.float64)[:, None]
        centres = body.motion.position + times * body.motion.velocity
        gap = (centres - eyes).norm(dim=-1) - bounding_radius(body.shape, body.size)
        return bool(gap.min() > CLEARANCE)


def _solid(random: np.random.Generator) -> tuple[Shape, np.ndarray]:
    """A shape with its half extents: furniture-sized, or thin (poles, boards, bars) one time in four."""
    shape = Shape(random.choice([Shape.BOX, Shape.BOX, Shape.ELLIPSOID, Shape.CYLINDER, Shape.CONE, Shape.CAPSULE]))
    if random.random() < 0.25:
        shape = Shape(random.choice([Shape.BOX, Shape.CYLINDER, Shape.CAPSULE]))
        thin = random.uniform(0.015, 0.05)
        return shape, np.array(
            [thin, random.uniform(0.4, 1.2), thin if shape is not Shape.BOX else random.uniform(thin, 0.6)]
        )
    size = random.uniform(0.15, 0.8) * random.uniform(0.5, 1.3, 3)
    if shape is Shape.CAPSULE:
        size[0] *= 0.6
    return shape, size


def _texture(random: np.random.Generator, *, frequency: tuple[float, float]) -> Texture:
    base = random.uniform(0.08, 0.9) * _tint(random, 0.5)
    other = random.uniform(0.08, 0.9) * _tint(random, 0.5)
    return Texture(
        pattern=Pattern(random.choice(list(Pattern), p=[0.15, 0.3, 0.15, 0.15, 0.15, 0.1])),
        first=_vector(base.clip(0, 1)),
        second=_vector(other.clip(0, 1)),
        frequency=float(random.uniform(*frequency)),
        octaves=int(random.integers(1, 5)),
        offset=_vector(random.uniform(0, LATTICE, 3)),
        grain=float(random.choice([0.0, random.uniform(0.1, 0.5)])),
    )


def _room_extent(random: np.random.Generator) -> np.ndarray:
    """Half width, height, half depth."""
    return np.array([random.uniform(2.0, 4.5), random.uniform(2.5, 3.6), random.uniform(2.5, 5.0)])


def _field_extent(random: np.random.Generator) -> np.ndarray:
    """Half width and depth of the part with bodies, and the height of the dome."""
    return np.array([random.uniform(3.0, 6.0), random.uniform(8.0, 20.0), random.uniform(3.0, 6.0)])


def _in_room(extent: np.ndarray, eyes: Float[Tensor, "t 3"]) -> bool:
    walls = _vector(extent) - GAP
    return bool((eyes.abs() < walls).all() & (eyes[:, 1] < -GAP).all())


def _under_dome(extent: np.ndarray, eyes: Float[Tensor, "t 3"]) -> bool:
    radius = extent[1] + extent[2]
    reach = (eyes / _vector([radius, extent[1], radius])).norm(dim=1)
    return bool(eyes[:, 1].max() < -GAP) and bool(reach.max() < 0.9)


def _still(position: np.ndarray) -> Motion:
    zero = torch.zeros(3, dtype=torch.float64)
    return Motion(
        rotation=torch.eye(3, dtype=torch.float64), position=_vector(position), velocity=zero, axis=DOWN, spin=0.0
    )


def _room(random: np.random.Generator, extent: np.ndarray) -> tuple[Body, ...]:
    """Four walls and a ceiling, and a floor of its own a hair above the box's."""
    half = np.array([extent[0], extent[1] / 2, extent[2]])
    walls = Body(
        shape=Shape.ROOM,
        size=_vector(half),
        motion=_still(np.array([0, -half[1], 0])),
        texture=_texture(random, frequency=(0.3, 1.5)),
    )
    return walls, _floor(random, -1e-3)


def _field(random: np.random.Generator, extent: np.ndarray) -> tuple[Body, ...]:
    """Open ground under a sky that glows."""
    radius = extent[1] + extent[2]
    sky = Texture(
        pattern=Pattern.NOISE if random.random() < 0.5 else Pattern.GRADIENT,
        first=_vector(random.uniform(0.4, 0.9) * _tint(random, 0.2)),
        second=_vector(random.uniform(0.6, 1.0) * _tint(random, 0.2)),
        frequency=float(random.uniform(0.05, 0.2)),
        octaves=3,
        offset=_vector(random.uniform(0, LATTICE, 3)),
        grain=0.0,
    )
    size = _vector([radius, extent[1], radius])
    dome = Body(shape=Shape.DOME, size=size, motion=_still(np.zeros(3)), texture=sky, emissive=True)
    return dome, _floor(random, 0.0)


def _floor(random: np.random.Generator, y: float) -> Body:
    return Body(
        shape=Shape.GROUND,
        size=torch.ones(3, dtype=torch.float64),
        motion=_still(np.array([0, y, 0])),
        texture=_texture(random, frequency=(0.3, 2.0)),
    )


def _lights(random: np.random.Generator, extent: np.ndarray, room: bool) -> tuple[Light, ...]:
    lights = []
    for _ in range(random.integers(1, 3)):
        place = random.uniform(-0.8, 0.8, 3) * extent
        place[1] = -random.uniform(0.8, 0.95) * extent[1]
        if not room:
            place *= 100
        color = random.uniform(0.4, 0.9) * _tint(random, 0.15)
        lights.append(Light(position=_vector(place), color=_vector(color)))
    return tuple(lights)


def _tint(random: np.random.Generator, strength: float) -> np.ndarray:
    return 1 + strength * random.uniform(-1, 1, 3)


def _vector(values) -> Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.float64))
