"""The orbit for a headset: the half spheres that both eyes see."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import grid_sample

from turnaround.geometry.holes import fill_view
from turnaround.geometry.projection import equirectangular_rays, pixel_grid
from turnaround.geometry.se3 import rigid, rotation_about
from turnaround.io.video import VideoWriter
from turnaround.pipelines.orbit.exports.export import Export, Setting
from turnaround.pipelines.orbit.exports.stereo import (
    eyes,
    pivot_distance,
    require_positive,
    scenes_by_frame,
)
from turnaround.render.cache import render
from turnaround.types import Camera, Equirectangular180, InputError, OrbitVideo, Pinhole, Rendering, SceneCache
from turnaround.viz.layout import hcat

MARGIN = 2  # pixels of a face beyond its 45 degrees, so that samples at its border have neighbours
# Ahead, and a quarter turn to the right, left, down and up: turns about the axes y and x.
TURNS = (
    ((0.0, 1.0, 0.0), 0.0),
    ((0.0, 1.0, 0.0), math.pi / 2),
    ((0.0, 1.0, 0.0), -math.pi / 2),
    ((1.0, 0.0, 0.0), -math.pi / 2),
    ((1.0, 0.0, 0.0), math.pi / 2),
)


class Vr180(Export):
    """`vr180.mp4`: side by side, the left eye on the left, each an `Equirectangular180` of size x size pixels.

    baseline: between the eyes, as a share of the pivot's distance. What the scene cache does not hold, most of what is
    above, below and beside, is smooth.
    """

    names = ("vr180.mp4",)

    def __init__(self, *, baseline: float, size: int):
        require_positive("baseline", baseline)
        if size < 16 or size % 2:
            raise InputError("size", expected="an even number of at least 16", found=str(size), fix="change it")
        self.baseline, self.size = baseline, size

    def write(self, out: Path, orbit: OrbitVideo, cache: SceneCache, setting: Setting) -> None:
        baseline = self.baseline * pivot_distance(orbit, setting)
        faces = Faces.of_half_sphere(self.size)
        with VideoWriter(out / "vr180.mp4", fps=setting.fps) as writer:
            for scene in scenes_by_frame(orbit, cache):
                pose = scene.behind[-1].view.camera.world_from_cam
                middle = Equirectangular180(world_from_cam=pose, height=self.size, width=self.size)
                pair = [half_sphere(scene, eye, faces, setting) for eye in eyes(middle, baseline)]
                writer.write(hcat(pair))


@dataclass(frozen=True, kw_only=True)
class Faces:
    """Pinhole pictures around a camera, of which a half sphere is put together.

    camera_from_face: of each. face: which one shows a pixel. grid: where, as `grid_sample` counts. stretch: distance
    along a pixel's ray / z in its face.
    """

    camera_from_face: Float[Tensor, "n 4 4"]
    intrinsics: Float[Tensor, "3 3"]
    side: int
    face: Int[Tensor, "h w"]
    grid: Float[Tensor, "h w 2"]
    stretch: Float[Tensor, "h w"]

    @classmethod
    def of_half_sphere(cls, size: int) -> "Faces":
        """Faces of 90 degrees and a margin, as fine in their middle as the half sphere."""
        focal = size / math.pi
        side = 2 * (math.ceil(focal) + MARGIN)
        k = torch.tensor([[focal, 0, side / 2], [0, focal, side / 2], [0, 0, 1]], dtype=torch.float64)
        axes = torch.tensor([axis for axis, _ in TURNS], dtype=torch.float64)
        turns = rotation_about(axes, torch.tensor([angle for _, angle in TURNS], dtype=torch.float64))
        rays = equirectangular_rays(pixel_grid(size, size, like=k), size, size)
        in_faces = torch.einsum("nji,hwj->nhwi", turns, rays)
        face = in_faces[..., 2].argmax(dim=0)
        x, y, z = in_faces.gather(0, face[None, ..., None].expand(1, -1, -1, 3))[0].unbind(-1)
        grid = torch.stack([x, y], dim=-1) / z[..., None] * (2 * focal / side)
        poses = rigid(turns, torch.zeros(len(TURNS), 3, dtype=torch.float64))
        return cls(
            camera_from_face=poses, intrinsics=k, side=side, face=face, grid=grid.float(), stretch=(1 / z).float()
        )

    def cameras(self, eye: Camera) -> Pinhole:
        """As many frames as there are faces."""
        return Pinhole(
            world_from_cam=eye.world_from_cam.double() @ self.camera_from_face,
            intrinsics=self.intrinsics.expand(len(TURNS), 3, 3),
            height=self.side,
            width=self.side,
        )


def half_sphere(scene: SceneCache, eye: Camera, faces: Faces, setting: Setting) -> Float[Tensor, "3 h w"]:
    """What an eye sees of a scene, without holes."""
    cameras = faces.cameras(eye)
    image = torch.zeros(3, *faces.face.shape)
    distance = torch.full(faces.face.shape, torch.nan)
    for number in range(len(cameras)):
        seen = render(scene, cameras.at(number), setting.surfaces)
        here = faces.face == number
        sampled, z = _sampled(seen, faces.grid[here])
        image[:, here], distance[here] = sampled, z * faces.stretch[here]
    return fill_view(image, distance, distance.isnan())[0]


def _sampled(seen: Rendering, grid: Float[Tensor, "n 2"]) -> tuple[Float[Tensor, "3 n"], Float[Tensor, " n"]]:
    """Colour, 0 in holes, between the known ones of four pixels, and z, NaN in holes, of the nearest pixel."""
    weight = (~seen.hole).to(seen.image)[None]
    mixed = grid_sample(torch.cat([seen.image * weight, weight])[None], grid[None, None], align_corners=False)[0, :, 0]
    nearest = grid_sample(seen.depth[None, None], grid[None, None], mode="nearest", align_corners=False)[0, 0, 0]
    color = mixed[:3] / mixed[3:].clamp(min=1e-6)
    return torch.where(nearest.isnan(), 0.0, color), nearest
