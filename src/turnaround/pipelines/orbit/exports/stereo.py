"""The orbit for two eyes, each rendered from the frames of the video around it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.holes import fill_view
from turnaround.geometry.stereo import Eye, right_camera
from turnaround.io.video import VideoWriter
from turnaround.pipelines.orbit.exports.export import Export, Finished, Setting
from turnaround.render.elements import Edges
from turnaround.render.engine import forward_splat
from turnaround.types import InputError, OrbitVideo, Pinhole, View
from turnaround.viz.layout import hcat

# What the red-cyan glasses' left and right filter let through comes nearest to the two pictures in CIE XYZ: E. Dubois,
# A projection method to generate anaglyph stereo images, ICASSP 2001; numbers for a CRT and glasses no. 7003 from
# Sanders and McAllister, Producing anaglyphs from synthetic images, SPIE 5006, 2003. Rows of both sum to 1.
DUBOIS_LEFT = (
    (0.456100, 0.500484, 0.176381),
    (-0.0400822, -0.0378246, -0.0157589),
    (-0.0152161, -0.0205971, -0.00546856),
)
DUBOIS_RIGHT = (
    (-0.0434706, -0.0879388, -0.00155529),
    (0.378476, 0.733640, -0.0184503),
    (-0.0721527, -0.112961, 1.22640),
)


class Stereo(Export):
    """`stereo_sbs.mp4`, the left eye on the left, and `anaglyph.mp4` for glasses with red before the left eye.

    baseline: between the eyes, as a share of the pivot's distance. screen: what is that far away, as a share of the
    pivot's distance too, stands at the same place in both pictures; infinite for parallel eyes. In pixels x_left -
    x_right = fx * metres between the eyes * (1 / depth - 1 / metres to the screen).
    """

    names = ("stereo_sbs.mp4", "anaglyph.mp4")

    def __init__(self, *, baseline: float, screen: float):
        require_positive("baseline", baseline)
        require_positive("screen", screen)
        self.baseline, self.screen = baseline, screen

    def write(self, out: Path, finished: Finished) -> None:
        orbit, setting = finished.orbit, finished.setting
        distance = pivot_distance(orbit, setting)
        with (
            VideoWriter(out / "stereo_sbs.mp4", fps=setting.fps) as pairs,
            VideoWriter(out / "anaglyph.mp4", fps=setting.fps) as anaglyphs,
        ):
            for frame in range(len(orbit.video)):
                views = views_around(orbit, frame, apart=self.baseline * distance / 2)
                left, right = (
                    seen_by(eye, views, setting.surfaces.edges) for eye in self._eyes(orbit.cameras.at(frame), distance)
                )
                pairs.write(hcat([left, right]))
                anaglyphs.write(anaglyph(left, right))

    def _eyes(self, middle: Pinhole, distance: float) -> tuple[Pinhole, Pinhole]:
        baseline = self.baseline * distance
        shift = baseline / (2 * self.screen * distance)  # of the principal points, in focal lengths
        left, right = eyes(middle, baseline)
        return _shifted(left, -shift), _shifted(right, shift)


def require_positive(name: str, value: float) -> None:
    if not value > 0:
        raise InputError(name, expected="a number above 0", found=str(value), fix="leave it at its default")


def pivot_distance(orbit: OrbitVideo, setting: Setting) -> float:
    """From the first camera."""
    return float((orbit.cameras.world_from_cam[0, :3, 3].double() - setting.pivot.double()).norm())


def views_around(orbit: OrbitVideo, frame: int, *, apart: float) -> Sequence[View]:
    """A frame of the video, and for what it hides from eyes beside it the next frames before and after that stand at
    least `apart` metres away. They hold what the cache does, and what was invented where it has holes."""
    places = orbit.cameras.world_from_cam[:, :3, 3].double()
    away = ((places - places[frame]).norm(dim=1) >= apart).nonzero().flatten()
    chosen = (frame, *away[away < frame][-1:].tolist(), *away[away > frame][:1].tolist())
    return [View(image=orbit.video[n], depth=orbit.depth[n], camera=orbit.cameras.at(n)) for n in chosen]


def seen_by(eye: Pinhole, views: Sequence[View], edges: Edges) -> Float[Tensor, "3 h w"]:
    """The first view as an eye near it sees it; where that leaves holes the nearest that others show, then a filling.

    Much less work than `render.cache.render`, which holds all views against each other: here the first is right
    wherever it shows something.
    """
    seen = forward_splat(views[0], eye, edges=edges)
    image, depth = seen.image, torch.where(seen.hole, torch.inf, seen.depth)
    for other in views[1:] if seen.hole.any() else ():
        warped = forward_splat(other, eye, edges=edges)
        nearer = seen.hole & ~warped.hole & (warped.depth < depth)
        image, depth = torch.where(nearer, warped.image, image), torch.where(nearer, warped.depth, depth)
    return fill_view(image, depth, depth.isinf())[0]


def eyes(middle: Eye, baseline: float) -> tuple[Eye, Eye]:
    """Left and right, half a baseline (metres) to either side."""
    return right_camera(middle, -baseline / 2), right_camera(middle, baseline / 2)


def anaglyph(left: Float[Tensor, "3 h w"], right: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
    """Dubois' projection, in linear light, as it is one of CIE XYZ."""
    mixed = sum(
        torch.einsum("ij,jhw->ihw", torch.tensor(matrix, dtype=image.dtype), _linear_from_srgb(image))
        for matrix, image in ((DUBOIS_LEFT, left), (DUBOIS_RIGHT, right))
    )
    assert isinstance(mixed, Tensor)
    return _srgb_from_linear(mixed.clamp(0, 1))


def _shifted(camera: Pinhole, focal_lengths: float) -> Pinhole:
    k = camera.intrinsics.clone()
    k[:, 0, 2] += focal_lengths * k[:, 0, 0]
    return replace(camera, intrinsics=k)


def _linear_from_srgb(srgb: Tensor) -> Tensor:
    """IEC 61966-2-1."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _srgb_from_linear(linear: Tensor) -> Tensor:
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
