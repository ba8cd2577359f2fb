"""Whether points of neighbouring frames, matched by SIFT, lie where the cameras say. No depth is looked at."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.matching import matched_points
from turnaround.geometry.projection import pinhole_rays
from turnaround.geometry.se3 import invert
from turnaround.geometry.triangulate import triangulate
from turnaround.metrics.base import Average, average_of
from turnaround.types import Pinhole, Video

Points = Float[Tensor, "n 2"]
STILL = 1e-9  # metres between two cameras that stand at one place: every match would agree with them


@dataclass(frozen=True, kw_only=True)
class MatchedPairs(ABC):
    """A value of each pair of neighbouring frames, and its mean. pairs: of the video that are looked at, evenly spaced.
    matches: least points that are found in both."""

    matches: int
    pairs: int

    def __call__(
        self, video: Video, filled: Bool[Tensor, "t h w"], depth: Float[Tensor, "t h w"], cameras: Pinhole
    ) -> Average:
        matched = matched_pairs(video, cameras, self.pairs)
        return average_of([self.of_pair(*each) if len(each[0]) >= self.matches else self.too_few for each in matched])

    @property
    def too_few(self) -> float | None:
        """Of a pair with fewer matches, which says nothing."""
        return None

    @abstractmethod
    def of_pair(self, first: Points, second: Points, camera: Pinhole, other: Pinhole) -> float | None: ...


@dataclass(frozen=True, kw_only=True)
class Tsed(MatchedPairs):
    """Share of pairs of neighbouring frames that agree with their cameras (Yu et al., Long-Term Photometric Consistent
    Novel View Synthesis with Diffusion Models, ICCV 2023, section 4).

    A pair agrees where it has enough matched points and their median symmetric epipolar distance is below `distance`
    pixels. Higher is better. Only the direction of movement is asked: where the camera moves along a line, pictures
    that stand still agree too, as of what is far.
    """

    distance: float
    name = "tsed"

    @property
    def too_few(self) -> float | None:
        return 0.0

    def of_pair(self, first: Points, second: Points, camera: Pinhole, other: Pinhole) -> float | None:
        return float(epipolar_distance(first, second, camera, other).median() < self.distance)


@dataclass(frozen=True, kw_only=True)
class ReprojectionError(MatchedPairs):
    """Median distance in pixels between where a point is found and where it lies once it is triangulated from both
    frames, the larger of both. Infinite where a point lies behind a camera."""

    name = "reprojection_error"

    def of_pair(self, first: Points, second: Points, camera: Pinhole, other: Pinhole) -> float | None:
        return float(triangulate(first, second, camera, other).error.median())


@dataclass(frozen=True, kw_only=True)
class CameraRotation(MatchedPairs):
    """Degrees between the turn from a frame to the next that their matched points tell (the essential matrix by RANSAC,
    Nister's five points) and the turn of their cameras."""

    name = "camera_rotation_deg"

    def of_pair(self, first: Points, second: Points, camera: Pinhole, other: Pinhole) -> float | None:
        here, there = (
            pinhole_rays(points.double(), each.intrinsics[0].double())[:, :2].numpy()
            for points, each in ((first, camera), (second, other))
        )
        focal = float(camera.intrinsics[0, 0, 0])
        cv2.setRNGSeed(0)
        essential, kept = cv2.findEssentialMat(here, there, np.eye(3), cv2.RANSAC, 0.999, 1 / focal)
        if essential is None or essential.shape != (3, 3):
            return None
        turn = torch.from_numpy(cv2.recoverPose(essential, here, there, np.eye(3), mask=kept)[1])
        true = (invert(other.world_from_cam.double()) @ camera.world_from_cam.double())[0, :3, :3]
        cosine = ((turn.T @ true).trace() - 1) / 2
        return float(torch.rad2deg(torch.acos(cosine.clamp(-1, 1))))


def matched_pairs(video: Video, cameras: Pinhole, pairs: int) -> Iterator[tuple[Points, Points, Pinhole, Pinhole]]:
    """Matched points of evenly spaced frames and those after them, and both cameras; of pairs whose cameras moved."""
    count = len(video) - 1
    for number in range(min(pairs, count)):
        frame = number * count // min(pairs, count)
        camera, other = cameras.at(frame), cameras.at(frame + 1)
        apart = (camera.world_from_cam[0, :3, 3].double() - other.world_from_cam[0, :3, 3].double()).norm()
        if apart > STILL:
            yield *matched_points(video[frame], video[frame + 1]), camera, other


def epipolar_distance(first: Points, second: Points, camera: Pinhole, other: Pinhole) -> Float[Tensor, "n"]:
    """Mean of both distances in pixels between a point and the line on which the other picture says it lies."""
    matrix = fundamental_matrix(camera, other)
    here, there = (torch.cat([p.double(), torch.ones(len(p), 1, dtype=torch.float64)], dim=1) for p in (first, second))
    lines, back = here @ matrix.T, there @ matrix
    off = (there * lines).sum(1).abs()
    return (off / lines[:, :2].norm(dim=1) + off / back[:, :2].norm(dim=1)) / 2


def fundamental_matrix(camera: Pinhole, other: Pinhole) -> Float[Tensor, "3 3"]:
    """F in y^T F x = 0 for pixels x of the first and y of the second (Hartley and Zisserman, 9.2.2)."""
    moved = (invert(other.world_from_cam.double()) @ camera.world_from_cam.double())[0]
    x, y, z = moved[:3, 3].tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    first, second = (torch.linalg.inv(each.intrinsics[0].double()) for each in (camera, other))
    return second.T @ cross @ moved[:3, :3] @ first
