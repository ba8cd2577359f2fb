"""What a viewer shows of a finished orbit: its points, its cameras, and its pictures, by the video's own renderer."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from turnaround.geometry.se3 import quaternion_from_rotation, rigid, rotation_from_quaternion
from turnaround.io.image import quantise
from turnaround.pipelines.orbit.exports.contributions import Contribution, contributions
from turnaround.pipelines.orbit.frames import without_holes
from turnaround.pipelines.orbit.stored import StoredScene
from turnaround.render.cache import render
from turnaround.types import KeyView, Pinhole, Rendering
from turnaround.viz.color import Colormap, colorize
from turnaround.viz.provenance import provenance_colors

Bytes = UInt8[Tensor, "h w 3"]


class Coloring(StrEnum):
    """What the colour of a point tells: the picture's own; where it came from, as in `provenance.mp4`; how sure it is
    and in which step it was added, from dark (0; the input picture) to bright (1; the last step)."""

    PICTURE = "picture"
    PROVENANCE = "provenance"
    CONFIDENCE = "confidence"
    STEP = "step"


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """Points of one key view that none of a lower step shows, in the world, at depths of one octave. layer: "views" or
    "behind". pixels: of the view, row by row. size: of a pixel there, in metres; more where not all are shown."""

    name: str
    layer: str
    view: KeyView
    points: Float[Tensor, "n 3"]
    pixels: Int[Tensor, "n"]
    size: float


class ViewedScene:
    """points: about how many are shown at most; of more, those of every second row and column, or third, and so on."""

    def __init__(self, stored: StoredScene, *, points: int):
        self.stored, self.most = stored, points

    @cached_property
    def clouds(self) -> Sequence[Cloud]:
        """Of all key views, the lowest step first, what is near before what is far."""
        parts = list(contributions(self.stored.cache, self.stored.setting.surfaces.tolerance))
        every = math.ceil(max(sum(int(part.new.sum()) for part in parts) / self.most, 1) ** 0.5)
        behind = {id(view) for view in self.stored.cache.behind}
        layers = ["behind" if id(part.view) in behind else "views" for part in parts]
        return [cloud for part, layer in zip(parts, layers, strict=True) for cloud in _clouds(part, layer, every)]

    def colors(self, cloud: Cloud, coloring: Coloring) -> UInt8[Tensor, "n 3"]:
        colored = self._colored(cloud.view, coloring)
        return as_bytes(colored).flatten(0, 1)[cloud.pixels]

    def seen(self, camera: Pinhole) -> Rendering:
        """What the video shows from there. camera: of one frame."""
        return without_holes(render(self.stored.cache, camera, self.stored.setting.surfaces))

    def camera_at(self, pose: "Pose", *, vertical_fov: float) -> Pinhole:
        """Of the video's size. vertical_fov: in radians."""
        first = self.stored.path.at(0)
        focal = first.height / 2 / math.tan(vertical_fov / 2)
        k = torch.tensor([[focal, 0, first.width / 2], [0, focal, first.height / 2], [0, 0, 1]])
        return replace(
            first,
            world_from_cam=pose.world_from_cam[None].to(first.world_from_cam),
            intrinsics=k[None].to(first.intrinsics),
        )

    @cached_property
    def reach(self) -> float:
        """From the first camera to the point that the path turns about: what sizes on the screen go by."""
        return float((self.stored.path.world_from_cam[0, :3, 3].double() - self.stored.setting.pivot).norm())

    def _colored(self, view: KeyView, coloring: Coloring) -> Float[Tensor, "3 h w"]:
        match coloring:
            case Coloring.PICTURE:
                return view.view.image
            case Coloring.PROVENANCE:
                return provenance_colors(view.view.image, view.label)
            case Coloring.CONFIDENCE:
                return colorize(view.confidence.float(), Colormap.VIRIDIS)
            case Coloring.STEP:
                last = max(self.stored.cache.ordered[-1].step, 1)
                return colorize(torch.full_like(view.confidence.float(), view.step / last), Colormap.VIRIDIS)


@dataclass(frozen=True, kw_only=True)
class Pose:
    """A camera's place as viewers have it: quaternion (w, x, y, z) of world_from_cam, and centre."""

    wxyz: Float[Tensor, "4"]
    position: Float[Tensor, "3"]

    @classmethod
    def of(cls, camera: Pinhole) -> "Pose":
        pose = camera.world_from_cam[0].double()
        return cls(wxyz=quaternion_from_rotation(pose[:3, :3]), position=pose[:3, 3])

    @property
    def world_from_cam(self) -> Float[Tensor, "4 4"]:
        return rigid(rotation_from_quaternion(self.wxyz), self.position)


def vertical_fov(camera: Pinhole) -> float:
    """In radians, as if the principal point lay in the middle."""
    return 2 * math.atan(camera.height / 2 / float(camera.intrinsics[0, 1, 1]))


def as_bytes(image: Float[Tensor, "3 h w"]) -> Bytes:
    """8 bits, rounded as pictures and videos are."""
    return torch.from_numpy(quantise("picture", image, 255)).permute(1, 2, 0).contiguous()


def _clouds(part: Contribution, layer: str, every: int) -> Iterator[Cloud]:
    chosen = torch.zeros_like(part.new)
    chosen[::every, ::every] = part.new[::every, ::every]
    pixels = chosen.flatten().nonzero()[:, 0]
    octaves = part.view.view.depth.flatten()[pixels].log2().floor()
    points = part.points.flatten(0, 1)[pixels].float()
    focal = abs(float(part.view.view.camera.intrinsics[0, 0, 0]))
    for octave in octaves.unique().tolist():
        here = octaves == octave
        yield Cloud(
            name=f"{part.name}, {2**octave:g} m",
            layer=layer,
            view=part.view,
            points=points[here],
            pixels=pixels[here],
            size=2 ** (octave + 1) / focal * every,
        )
