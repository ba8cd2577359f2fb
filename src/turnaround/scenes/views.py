"""Still worlds seen from several places: a first view, the other eye, and steps of an orbit."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.paths import UP
from turnaround.geometry.se3 import look_at, rotation_about
from turnaround.render.raycast import sees
from turnaround.render.shapes import bounding_radius
from turnaround.scenes.observe import surface
from turnaround.scenes.sample import WorldSampler
from turnaround.scenes.world import Scene
from turnaround.types import Pinhole

STREAM = 1  # tells what is drawn here from what the world draws from the same seed
CLEARANCE = 0.3  # metres between a view and any body's bounding sphere
MARGIN = 0.15  # metres that a view keeps from walls, measured onwards from the first view


@dataclass(frozen=True, kw_only=True)
class ViewSampler:
    """Draws scenes whose frames are views of one moment: 0 the first view, 1 the right eye, then steps around a pivot.

    worlds: draws what stands still to be seen; its first camera is view 0. eyes: least and most metres between the
    eyes. orbits: how many steps. degrees: least and most of a step, drawn evenly in their logarithm; either way round.
    tilt: most degrees up or down. The pivot lies on the first view's axis, near what the middle of it shows. A step
    into a wall or a body is halved until it is clear, or less than half a degree.
    """

    worlds: WorldSampler
    eyes: Sequence[float]
    orbits: int
    degrees: Sequence[float]
    tilt: float

    def __call__(self, seed: int) -> Scene:
        still = dataclasses.replace(self.worlds, frames=1, moving=0.0, paths={"static": 1.0})
        scene = still(seed)
        random = np.random.default_rng([seed, STREAM])
        first = scene.camera.world_from_cam[0]
        right = scene.right_eye(float(random.uniform(self.eyes[0], self.eyes[1]))).camera.world_from_cam[0]
        depth = surface(scene, 0).depth
        middle = depth[depth.shape[0] // 3 : -depth.shape[0] // 3, depth.shape[1] // 3 : -depth.shape[1] // 3]
        distance = float(np.clip(middle.median() * random.uniform(0.6, 1.1), 1.0, 8.0))
        steps = [self._step(scene, first, distance, random) for _ in range(self.orbits)]
        assert isinstance(scene.camera, Pinhole)
        poses = torch.stack([first, right, *steps])
        intrinsics = scene.camera.intrinsics.expand(len(poses), 3, 3).clone()
        return dataclasses.replace(
            scene, camera=dataclasses.replace(scene.camera, world_from_cam=poses, intrinsics=intrinsics)
        )

    def _step(
        self, scene: Scene, first: Float[Tensor, "4 4"], distance: float, random: np.random.Generator
    ) -> Float[Tensor, "4 4"]:
        """A pose around the pivot, `distance` metres before the first view."""
        low, high = (math.log(value) for value in self.degrees)
        turn = math.exp(random.uniform(low, high)) * random.choice([-1, 1])
        tilt = random.uniform(-1, 1) * min(self.tilt, abs(turn))
        eye, pivot = first[:3, 3], first[:3, 3] + distance * first[:3, 2]
        while True:
            around = rotation_about(UP, torch.tensor(math.radians(turn), dtype=torch.float64))
            over = rotation_about(first[:3, 0], torch.tensor(math.radians(tilt), dtype=torch.float64))
            place = pivot + around @ over @ (eye - pivot)
            if is_clear(scene, eye, place) or abs(turn) < 0.5:
                return look_at(place, pivot, UP)
            turn, tilt = turn / 2, tilt / 2


def is_clear(scene: Scene, start: Float[Tensor, "3"], end: Float[Tensor, "3"]) -> bool:
    """Whether a camera may stand at `end`: the straight way there from `start` is free, and so is some room around."""
    way = end - start
    onwards = end + way / way.norm() * MARGIN
    if not bool(sees(scene.world.solids(0), start[:, None], onwards[:, None])):
        return False
    gaps = [
        float((body.motion.position - end).norm()) - bounding_radius(body.shape, body.size)
        for body in scene.world.bodies
        if not body.shape.is_shell
    ]
    return min(gaps, default=math.inf) > CLEARANCE
