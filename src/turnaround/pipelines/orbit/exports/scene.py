"""The scene itself: points and textured surfaces of all key views, each surface once."""

from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from turnaround.geometry.projection import pixel_grid
from turnaround.io.glb import write_textured_glb
from turnaround.io.mesh import TexturedMesh
from turnaround.io.ply import write_ply
from turnaround.pipelines.orbit.exports.contributions import Contribution, linked, picture_bytes
from turnaround.pipelines.orbit.exports.export import Export, Finished
from turnaround.render.elements import Edges


class ScenePly(Export):
    """`scene.ply`: a point for each known pixel of a key view that no earlier one shows; uchar `label`, float
    `confidence` and `step` beside its colour."""

    names = ("scene.ply",)

    def write(self, out: Path, finished: Finished) -> None:
        cloud = finished.cloud
        attributes = {"label": cloud.label, "confidence": cloud.confidence, "step": cloud.step}
        write_ply(out / "scene.ply", cloud.points, colors=cloud.colors, attributes=attributes)


class SceneGlb(Export):
    """`scene.glb`: a mesh for each key view that adds to those before it, cut at depth edges, its picture as texture;
    vertices carry `_LABEL`, `_CONFIDENCE` and `_STEP`. A surface less than two pixels wide has no triangles."""

    names = ("scene.glb",)

    def write(self, out: Path, finished: Finished) -> None:
        meshes = (_mesh(part, finished.setting.surfaces.edges) for part in finished.contributions)
        write_textured_glb(out / "scene.glb", [mesh for mesh in meshes if len(mesh.faces) > 0])


def _mesh(part: Contribution, edges: Edges) -> TexturedMesh:
    corners = _quads(part.view.view.depth, part.new, edges)
    top_left, top_right, bottom_left, bottom_right = corners
    # Counter-clockwise as the camera sees them, which is the front in glTF.
    first = torch.stack([top_left, bottom_left, top_right], dim=1)
    second = torch.stack([top_right, bottom_left, bottom_right], dim=1)
    used, faces = torch.unique(torch.cat([first, second]), return_inverse=True)
    height, width = part.new.shape
    grid = pixel_grid(height, width, like=part.view.confidence) / torch.tensor([width, height])
    confidence = part.view.confidence.float().flatten()[used]
    return TexturedMesh(
        name=part.name,
        vertices=part.points.flatten(0, 1)[used],
        faces=faces,
        coordinates=grid.float().flatten(0, 1)[used],
        picture=picture_bytes(part.view.view.image),
        attributes={
            "_LABEL": part.view.label.flatten()[used].float(),
            "_CONFIDENCE": confidence,
            "_STEP": torch.full_like(confidence, part.view.step),
        },
    )


def _quads(depth: Float[Tensor, "h w"], new: Bool[Tensor, "h w"], edges: Edges) -> Int[Tensor, "4 n"]:
    """Pixel numbers of the corners (above left and right, below left and right) of the squares that lie on one
    surface, if at least one corner is new. With three corners the texture would mix in the fourth, which may be a hole.
    """
    pixel = torch.arange(depth.numel()).view(depth.shape)
    across = linked(depth[:, :-1], depth[:, 1:], edges)
    down = linked(depth[:-1], depth[1:], edges)
    some = new[:-1, :-1] | new[:-1, 1:] | new[1:, :-1] | new[1:, 1:]
    whole = across[:-1] & across[1:] & down[:, :-1] & down[:, 1:] & some
    corners = (pixel[:-1, :-1], pixel[:-1, 1:], pixel[1:, :-1], pixel[1:, 1:])
    return torch.stack([corner[whole] for corner in corners])
