"""Seeds to stereo videos: which segments they have, what is filmed in them, and by what rig."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.paths import UP, Poses, handheld
from turnaround.geometry.projection import intrinsics
from turnaround.geometry.se3 import rigid, rotation_about
from turnaround.render.raycast import sees
from turnaround.render.shapes import Shape, bounding_radius
from turnaround.render.texture import LATTICE, Pattern, Texture
from turnaround.scenes.observe import surface
from turnaround.scenes.sample import CLEARANCE, WorldSampler
from turnaround.scenes.stereo_truth import cropped
from turnaround.scenes.stereo_video import (
    Exposure,
    Faded,
    Filmed,
    Held,
    Kind,
    Plain,
    Rig,
    Segment,
    StereoVideo,
    Titled,
)
from turnaround.scenes.world import Body, Scene, World
from turnaround.types import Equirectangular180, InputError, PerspectiveLens

Pose = Float[Tensor, "4 4"]

STREAM = 2  # tells what is drawn here from what the worlds draw from the same seed
STEREO_VERSION = 1  # raised whenever a seed gives other bytes than before
TRIES = 50  # worlds that are drawn for one shot; five in six will do
LEAST_MOVING = 0.01  # share of the middle of a shot that moving bodies take at least, half-way
PROBE = 32  # pixels a side of the picture in which that is counted
MARGIN = 0.2  # metres that the rig keeps from walls
WORDS = ("THE RIVER", "CHAPTER ONE", "A QUIET DAY", "SUBSCRIBE", "IN THE CITY", "PART TWO", "THE END", "OLD HOUSES")


@dataclass(frozen=True, kw_only=True)
class StereoVideoSampler:
    """Draws stereo videos. Ranges are [least, most]; weights need not sum to 1.

    worlds: draws what is filmed; its paths, frames and seconds do not matter. size: pixels a side of an eye's half
    sphere. segments, frames: how many in a video, and of what length each. kinds: weights by `Kind`. travel: metres
    that the camera goes in a shot, along a line with the sway of a hand (metres, and as much for what it looks at).
    baseline: metres, of every video. rotation_deg: most by which the right eye is turned about each axis, and by which
    its centre lies off the left eye's x axis in height and in depth. gain, offset, curve: of the right eye's exposure.
    far: times by which a world without parallax is larger than usual. turn_deg: by which the camera turns in one, or
    it stands (one in two). mixing: share of a fade's frames in which both shots are seen. plain: probability that text
    stands over one colour rather than over a shot.
    """

    worlds: WorldSampler
    size: int
    fps: float
    segments: Sequence[int]
    frames: Sequence[int]
    kinds: Mapping[str, float]
    travel: Sequence[float]
    sway: float
    baseline: float
    rotation_deg: float
    gain: Sequence[float]
    offset: Sequence[float]
    curve: Sequence[float]
    far: float
    turn_deg: Sequence[float]
    mixing: Sequence[float]
    plain: float

    def __post_init__(self):
        unknown = set(self.kinds) - set(Kind)
        if unknown or not sum(self.kinds.values()) > 0:
            found = ", ".join(sorted(unknown)) or "no weight"
            raise InputError("kinds", expected=f"weights of {', '.join(Kind)}", found=found, fix="correct the sampler")

    def __call__(self, seed: int) -> StereoVideo:
        random = np.random.default_rng([seed, STREAM])
        rig = self._rig(random)
        count = int(random.integers(self.segments[0], self.segments[1] + 1))
        names = sorted(self.kinds)
        weights = np.array([self.kinds[name] for name in names])
        kinds = [Kind(random.choice(names, p=weights / weights.sum())) for _ in range(count)]
        segments = tuple(self._segment(random, kind) for kind in kinds)
        return StereoVideo(name=f"bed_{seed}", segments=segments, rig=rig, size=self.size, fps=self.fps)

    def _rig(self, random: np.random.Generator) -> Rig:
        most = math.radians(self.rotation_deg)
        turn, aside = _turned(random.uniform(-most, most, 3)), _turned(np.append(0.0, random.uniform(-most, most, 2)))
        exposure = Exposure(
            gain=_between(random, self.gain),
            offset=_between(random, self.offset),
            curve=_between(random, self.curve),
        )
        return Rig(left_from_right=rigid(turn, self.baseline * aside[:, 0]), right=exposure)

    def _segment(self, random: np.random.Generator, kind: Kind) -> Segment:
        frames = int(random.integers(self.frames[0], self.frames[1] + 1))
        match kind:
            case Kind.GOOD:
                return Filmed(kind=kind, scene=self._shot(random, frames, self._way))
            case Kind.STILL:
                return Held(kind=kind, scene=held(self._shot(random, 1, self._way), frames))
            case Kind.FADE:
                mixed = max(round(_between(random, self.mixing) * frames), 2)
                begin = int(random.integers(0, max(frames - mixed, 0) + 1))
                first, second = (Filmed(kind=kind, scene=self._shot(random, frames, self._way)) for _ in range(2))
                return Faded(kind=kind, first=first, second=second, begin=begin - 1, end=begin + mixed)
            case Kind.TEXT:
                lines = random.choice(WORDS, int(random.integers(1, 4)), replace=False).tolist()
                if random.random() < self.plain:
                    color = _vector(random.uniform(0, 0.3, 3))
                    behind = Plain(kind=kind, color=color, size=self.size, frames=frames)
                else:
                    behind = Filmed(kind=kind, scene=self._shot(random, frames, self._way))
                return Titled(kind=kind, behind=behind, lines=lines, color=_vector(random.uniform(0.85, 1, 3)))
            case Kind.NO_PARALLAX:
                return Filmed(kind=kind, scene=enlarged(self._shot(random, frames, self._turn), self.far))

    def _shot(
        self, random: np.random.Generator, frames: int, path: Callable[[np.random.Generator, Pose, int], Poses]
    ) -> Scene:
        """A world with something that moves before the camera, which goes along a path from where it stands."""
        for _ in range(TRIES):
            scene = self._world(random)
            start = scene.camera.world_from_cam[0]
            poses = path(random, start, frames)
            if _is_free(scene.world, start[:3, 3], poses[:, :3, 3]):
                clear = _cleared(scene, poses[:, :3, 3])
                shot = replace(scene, world=clear, camera=self._camera(poses))
                if moving_share(shot, frames // 2) > LEAST_MOVING:
                    return shot
        raise InputError(
            "worlds",
            expected="such with room to travel in and things that move before the camera",
            found=f"none in {TRIES}",
            fix="let more bodies move, or the camera travel less far",
        )

    def _world(self, random: np.random.Generator) -> Scene:
        """A textured one, seen in one frame."""
        sampler = replace(self.worlds, frames=1, paths={"static": 1.0})
        scene = sampler(int(random.integers(2**32)))
        bodies = tuple(replace(body, texture=grained(random, body)) for body in scene.world.bodies)
        world = replace(scene.world, bodies=bodies, seconds_per_frame=1 / self.fps)
        return replace(scene, world=world)

    def _turn(self, random: np.random.Generator, start: Pose, frames: int) -> Poses:
        """On the spot, or not at all."""
        turn = math.radians(_between(random, self.turn_deg)) * random.choice([-1, 0, 0, 1])
        rotation = rotation_about(UP.expand(frames, 3), torch.linspace(0, turn, frames, dtype=torch.float64))
        return rigid(rotation @ start[:3, :3], start[:3, 3].expand(frames, 3))

    def _way(self, random: np.random.Generator, start: Pose, frames: int) -> Poses:
        """Ahead, or to a side; towards the point 3 metres ahead."""
        angle = random.uniform(-math.pi / 2, math.pi / 2)
        forward, right = start[:3, 2] * _vector([1, 0, 1]), start[:3, 0]
        way = math.cos(angle) * forward / forward.norm() + math.sin(angle) * right
        travel = _between(random, self.travel) * way
        amplitude = random.uniform(0, self.sway, (2, 3))
        sway = np.stack([amplitude, random.uniform(0.5, 2, (2, 3)), random.uniform(0, 6.3, (2, 3))], 1)
        eye, target = start[:3, 3], start[:3, 3] + 3 * start[:3, 2]
        return handheld(eye, target, frames, travel=travel, sway=_vector(sway))

    def _camera(self, poses: Float[Tensor, "t 4 4"]) -> Equirectangular180:
        return Equirectangular180(world_from_cam=poses, height=self.size, width=self.size)


def held(scene: Scene, frames: int) -> Scene:
    """Its first moment, for a while."""
    camera = replace(scene.camera, world_from_cam=scene.camera.world_from_cam[:1].repeat(frames, 1, 1))
    return replace(scene, world=replace(scene.world, seconds_per_frame=0.0), camera=camera)


def enlarged(scene: Scene, times: float) -> Scene:
    """All lengths `times` as long, so that one eye sees the same and two eyes see it further away."""
    bodies = tuple(
        replace(
            body,
            size=body.size if body.shape is Shape.GROUND else body.size * times,
            motion=replace(body.motion, position=body.motion.position * times, velocity=body.motion.velocity * times),
            texture=replace(body.texture, frequency=body.texture.frequency / times),
        )
        for body in scene.world.bodies
    )
    lights = tuple(replace(light, position=light.position * times) for light in scene.world.lights)
    poses = scene.camera.world_from_cam.clone()
    poses[:, :3, 3] *= times
    world = replace(scene.world, bodies=bodies, lights=lights)
    return replace(scene, world=world, camera=replace(scene.camera, world_from_cam=poses))


def grained(random: np.random.Generator, body: Body) -> Texture:
    """A texture by which every place can be told from its neighbours: noise of strong contrast, in two octaves.

    The finer one's cells span about two pixels or more of a half sphere of 512 pixels (6 milliradians each) at usual
    distances: 5 cm on bodies, 8 cm on walls, 7 cm on the ground, 40 cm in the sky.
    """
    cycles = {Shape.DOME: 0.3, Shape.GROUND: 1.8, Shape.ROOM: 1.6}.get(body.shape, 2.5) * random.uniform(0.8, 1.2)
    dark, bright = random.uniform(0.02, 0.15, 3), random.uniform(0.6, 1.0, 3)
    first, second = (dark, bright) if random.random() < 0.5 else (bright, dark)
    pattern = Pattern.PLAIN if body.shape.is_shell else Pattern(random.choice(["plain", "bricks", "checks"]))
    return Texture(
        pattern=pattern,
        first=_vector(first),
        second=_vector(second),
        frequency=float(cycles),
        octaves=1,
        offset=_vector(random.uniform(0, LATTICE, 3)),
        grain=1.0 if pattern is Pattern.PLAIN else 0.7,
    )


def moving_share(shot: Scene, frame: int) -> float:
    """Of the middle 60 degrees of what is seen, how much is of bodies that move."""
    k = intrinsics(PROBE, PROBE, horizontal_fov_deg=60.0).double()
    lens = PerspectiveLens(intrinsics=k, height=PROBE, width=PROBE)
    seen = surface(cropped(shot, torch.eye(3, dtype=torch.float64), lens), frame).ids
    moves = torch.tensor([not body.motion.is_still for body in shot.world.bodies])
    return float(moves[seen].double().mean())


def _is_free(world: World, start: Float[Tensor, "3"], eyes: Float[Tensor, "t 3"]) -> bool:
    """Whether no wall is in the way, nor nearer than MARGIN onwards."""
    way = eyes - start
    onwards = eyes + MARGIN * way / way.norm(dim=1, keepdim=True).clamp_min(1e-9)
    shells = [solid for solid in world.solids(0) if solid.shape.is_shell]
    moved = way.norm(dim=1) > 1e-6
    return bool(sees(shells, start[:, None], onwards[moved].T).all())


def _cleared(scene: Scene, eyes: Float[Tensor, "t 3"]) -> World:
    """Without the bodies that come too near to the camera."""
    times = torch.arange(len(eyes), dtype=torch.float64)[:, None] * scene.world.seconds_per_frame

    def is_clear(body: Body) -> bool:
        centres = body.motion.position + times * body.motion.velocity
        return bool(((centres - eyes).norm(dim=1) - bounding_radius(body.shape, body.size)).min() > CLEARANCE)

    kept = tuple(body for body in scene.world.bodies if body.shape.is_shell or is_clear(body))
    return replace(scene.world, bodies=kept)


def _turned(vector: np.ndarray) -> Float[Tensor, "3 3"]:
    """The rotation by a vector's length about it."""
    axis = _vector(vector)
    return rotation_about(axis, axis.norm()) if bool(axis.any()) else torch.eye(3, dtype=torch.float64)


def _between(random: np.random.Generator, limits: Sequence[float]) -> float:
    return float(random.uniform(limits[0], limits[1]))


def _vector(values) -> Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.float64))
