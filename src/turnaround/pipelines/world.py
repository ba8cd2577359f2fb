"""Procedural worlds as files: to look at, and to feed to anything that reads videos."""

from pathlib import Path

import numpy as np

from turnaround.io.atomic import atomic_file
from turnaround.io.image import write_image
from turnaround.io.video import write_video
from turnaround.scenes.observe import film, film_vr180, observe
from turnaround.scenes.sample import WorldSampler
from turnaround.types import Pinhole
from turnaround.viz.color import colorize
from turnaround.viz.layout import hcat


class WorldPipeline:
    """Draws the world of `seed` and writes what a stereo rig sees of it.

    baseline: metres between the eyes. vr180: height and width in pixels of each eye's half sphere. fps: of the videos.
    """

    weights = ()

    def __init__(self, *, sampler: WorldSampler, seed: int, baseline: float, vr180: int, fps: float):
        self.sampler, self.seed, self.baseline, self.vr180, self.fps = sampler, seed, baseline, vr180, fps

    def run(self, out: Path) -> dict[str, float]:
        """left.mp4, right.mp4, vr180.mp4 (side by side), overview.mp4 (colour | disparity | normals), truth.npz, and
        picture.png, the first frame of the left eye.

        truth.npz: depth [t h w] metres, normals [t 3 h w] world, ids [t h w], forward and backward flow [t-1 2 h w]
        pixels with their visibility [t-1 h w], world_from_cam [t 4 4], intrinsics [t 3 3].
        """
        scene = self.sampler(self.seed)
        assert isinstance(scene.camera, Pinhole)
        seen = observe(scene)
        near = 1 / seen.depth.amin()
        write_image(out / "picture.png", seen.video[0])
        write_video(out / "left.mp4", seen.video, fps=self.fps)
        write_video(out / "right.mp4", film(scene.right_eye(self.baseline)), fps=self.fps)
        write_video(out / "vr180.mp4", film_vr180(scene, baseline=self.baseline, size=self.vr180), fps=self.fps)
        overview = hcat([seen.video, colorize(1 / seen.depth / near), seen.normals / 2 + 0.5], gap=2)
        write_video(out / "overview.mp4", overview, fps=self.fps)
        with atomic_file(out / "truth.npz") as temporary:
            np.savez_compressed(
                temporary,
                depth=seen.depth,
                normals=seen.normals,
                ids=seen.ids.short(),
                forward=seen.forward.pixels,
                forward_visible=seen.forward.visible,
                backward=seen.backward.pixels,
                backward_visible=seen.backward.visible,
                world_from_cam=scene.camera.world_from_cam,
                intrinsics=scene.camera.intrinsics,
            )
        return {"frames": float(len(seen.video)), "bodies": float(len(scene.world.bodies))}
