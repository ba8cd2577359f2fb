"""The orbit for a headset: the half spheres that both eyes see."""

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.holes import fill_view
from turnaround.geometry.projection import unproject
from turnaround.io.spherical import mark_half_spheres
from turnaround.io.video import VideoWriter
from turnaround.pipelines.orbit.exports.contributions import picture_bytes, radii
from turnaround.pipelines.orbit.exports.export import Export, Finished
from turnaround.pipelines.orbit.exports.stereo import eyes, pivot_distance, require_positive
from turnaround.render.elements import Edges
from turnaround.render.points import Discs, splat_discs
from turnaround.types import Equirectangular180, InputError, OrbitVideo, View
from turnaround.viz.layout import hcat


class Vr180(Export):
    """`vr180.mp4`: side by side, the left eye on the left, each an `Equirectangular180` of size x size pixels,
    which the file says to headsets (`io.spherical`).

    baseline: between the eyes, as a share of the pivot's distance. Each eye sees the points of the whole scene and of
    the frame; what they leave open, most of what is above, below and beside, is smooth.
    """

    names = ("vr180.mp4",)

    def __init__(self, *, baseline: float, size: int):
        require_positive("baseline", baseline)
        if size < 16 or size % 2:
            raise InputError("size", expected="an even number of at least 16", found=str(size), fix="change it")
        self.baseline, self.size = baseline, size

    def write(self, out: Path, finished: Finished) -> None:
        orbit, setting = finished.orbit, finished.setting
        baseline = self.baseline * pivot_distance(orbit, setting)
        cloud = finished.cloud
        scene = Discs(points=cloud.points, colors=cloud.colors, radius=cloud.radius)
        with VideoWriter(out / "vr180.mp4", fps=setting.fps) as writer:
            for frame in range(len(orbit.video)):
                pose = orbit.cameras.at(frame).world_from_cam
                middle = Equirectangular180(world_from_cam=pose, height=self.size, width=self.size)
                discs = scene.with_others(discs_of(orbit, frame, setting.surfaces.edges))
                pair = [half_sphere(discs, eye, setting.surfaces.tolerance) for eye in eyes(middle, baseline)]
                writer.write(hcat(pair))
        mark_half_spheres(out / "vr180.mp4")


def discs_of(orbit: OrbitVideo, frame: int, edges: Edges) -> Discs:
    """What the frame invented where the cache has a hole, the eyes show too."""
    view = View(image=orbit.video[frame], depth=orbit.depth[frame], camera=orbit.cameras.at(frame))
    points = unproject(view.depth[None].double(), view.camera).float().flatten(0, 2)
    return Discs(points=points, colors=picture_bytes(view.image).flatten(0, 1), radius=radii(view, edges).flatten())


def half_sphere(discs: Discs, eye: Equirectangular180, tolerance: float) -> Float[Tensor, "3 h w"]:
    """What an eye sees of a scene, without holes."""
    image, distance, hole = splat_discs(discs, eye, tolerance=tolerance)
    return fill_view(image, distance, hole)[0]
