"""A viewed orbit in viser's scene: points of the key views, their cameras, the path and its key frames."""

from typing import Any

import numpy as np
import torch

from turnaround.pipelines.view.edit import Edit
from turnaround.pipelines.view.scene import Coloring, Pose, ViewedScene, as_bytes, vertical_fov
from turnaround.types import Pinhole

LAYERS = ("views", "behind", "cameras", "path")
FRUSTUM, LINE = 0.06, 2.0  # the length of a camera as a share of the way to the pivot; pixels of a line
CAMERA_COLOR, KEY_COLOR, PATH_COLOR = (90, 90, 90), (47, 127, 184), (47, 127, 184)


class Layers:
    """server: a `viser.ViserServer`."""

    def __init__(self, server: Any, scene: ViewedScene):
        self.server, self.scene, self.coloring = server, scene, Coloring.PICTURE
        server.scene.set_up_direction("-y")
        self.parents = {name: server.scene.add_frame(f"/{name}", show_axes=False) for name in LAYERS}
        self.show("cameras", False)  # their pictures would hide the points from where they were taken
        self.clouds = {
            cloud.name: server.scene.add_point_cloud(
                f"/{cloud.layer}/{cloud.name}",
                cloud.points.numpy(),
                scene.colors(cloud, self.coloring).numpy(),
                point_size=cloud.size,
                point_shading="flat",
                precision="float32",
            )
            for cloud in scene.clouds
        }
        for number, view in enumerate(scene.stored.cache.views):
            picture = as_bytes(view.view.image).numpy()
            self._frustum(f"/cameras/view {number}", view.view.camera, CAMERA_COLOR, picture)
        self.path: list[Any] = []

    def show(self, layer: str, visible: bool) -> None:
        self.parents[layer].visible = visible

    def color(self, coloring: Coloring) -> None:
        self.coloring = coloring
        for cloud in self.scene.clouds:
            self.clouds[cloud.name].colors = self.scene.colors(cloud, coloring).numpy()

    def size(self, factor: float) -> None:
        """Of points, in pixels of their view."""
        for cloud in self.scene.clouds:
            self.clouds[cloud.name].point_size = factor * cloud.size

    def draw(self, edit: Edit) -> None:
        """The path as a line, a frustum at each key frame."""
        for handle in self.path:
            handle.remove()
        self.path = [
            self._frustum(f"/path/key {number}", key.camera, KEY_COLOR, None)
            for number, key in enumerate(edit.keys.frames)
        ]
        ends = path_lines(edit)
        if len(ends) > 0:
            line = self.server.scene.add_line_segments(
                "/path/line",
                ends,
                np.array(PATH_COLOR, dtype=np.uint8),
                thickness=LINE,
                thickness_units="screen",
            )
            self.path.append(line)

    def _frustum(self, name: str, camera: Pinhole, color: tuple[int, int, int], image: np.ndarray | None) -> Any:
        pose = Pose.of(camera)
        return self.server.scene.add_camera_frustum(
            name,
            fov=vertical_fov(camera),
            aspect=camera.width / camera.height,
            scale=FRUSTUM * self.scene.reach,
            thickness=LINE,
            thickness_units="screen",
            color=color,
            image=image,
            wxyz=pose.wxyz.numpy(),
            position=pose.position.numpy(),
        )


def path_lines(edit: Edit) -> np.ndarray:
    """[n 2 3]: from each frame's camera to the next; of a closed path also from the last to the first."""
    centres = edit.cameras.world_from_cam[:, :3, 3].float()
    if edit.keys.closed:
        centres = torch.cat([centres, centres[:1]])
    return torch.stack([centres[:-1], centres[1:]], dim=1).numpy()
