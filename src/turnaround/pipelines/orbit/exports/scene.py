"""The scene itself: points and textured surfaces of all key views, each surface once."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from turnaround.geometry.projection import pixel_grid, unproject
from turnaround.geometry.visibility import seen_from
from turnaround.io.glb import write_textured_glb
from turnaround.io.mesh import TexturedMesh
from turnaround.io.ply import write_ply
from turnaround.pipelines.orbit.exports.export import Export, Setting
from turnaround.render.elements import Edges, is_known
from turnaround.types import KeyView, OrbitVideo, Pinhole, SceneCache


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """What a key view adds to those of lower steps. new: its known pixels that none of them shows."""

    name: str
    view: KeyView
    points: Float[Tensor, "h w 3"]
    new: Bool[Tensor, "h w"]


class ScenePly(Export):
    """`scene.ply`: a point for each known pixel of a key view that no earlier one shows; uchar `label`, float
    `confidence` and `step` beside its colour."""

    names = ("scene.ply",)

    def write(self, out: Path, orbit: OrbitVideo, cache: SceneCache, setting: Setting) -> None:
        parts = list(contributions(cache, setting.surfaces.tolerance))

        def joined(values: list[Tensor]) -> Tensor:
            return torch.cat([each[part.new] for each, part in zip(values, parts, strict=True)])

        write_ply(
            out / "scene.ply",
            joined([part.points for part in parts]).float(),
            colors=joined([_bytes(part.view.view.image) for part in parts]),
            attributes={
                "label": joined([part.view.label for part in parts]),
                "confidence": joined([part.view.confidence.float() for part in parts]),
                "step": joined([torch.full_like(part.view.confidence, part.view.step).float() for part in parts]),
            },
        )


class SceneGlb(Export):
    """`scene.glb`: a mesh for each key view that adds to those before it, cut at depth edges, its picture as texture;
    vertices carry `_LABEL`, `_CONFIDENCE` and `_STEP`. A surface less than two pixels wide has no triangles."""

    names = ("scene.glb",)

    def write(self, out: Path, orbit: OrbitVideo, cache: SceneCache, setting: Setting) -> None:
        meshes = (_mesh(part, setting.surfaces.edges) for part in contributions(cache, setting.surfaces.tolerance))
        write_textured_glb(out / "scene.glb", [mesh for mesh in meshes if len(mesh.faces) > 0])


def contributions(cache: SceneCache, tolerance: float) -> Iterator[Contribution]:
    """Of all key views, the lowest step first. A pixel is shown by an earlier view whose depth there agrees with it."""
    numbers = {id(view): f"view {n}" for n, view in enumerate(cache.views)}
    numbers |= {id(view): f"behind {n}" for n, view in enumerate(cache.behind)}
    earlier: list[KeyView] = []
    for view in cache.ordered:
        depth, camera = view.view.depth, view.view.camera
        new = is_known(depth)
        for other in earlier:
            if not bool(new.any()):
                break
            _, seen, _ = seen_from(depth, camera, other.view.depth, other.view.camera, tolerance=tolerance)
            new &= ~seen
        earlier.append(view)
        yield Contribution(name=numbers[id(view)], view=view, points=_points(depth, camera), new=new)


def _points(depth: Float[Tensor, "h w"], camera: Pinhole) -> Float[Tensor, "h w 3"]:
    return unproject(depth[None].double(), camera)[0]


def _bytes(image: Float[Tensor, "c h w"]) -> Tensor:
    """[h w 3] uint8."""
    return (image[:3].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)


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
        vertices=part.points.float().flatten(0, 1)[used],
        faces=faces,
        coordinates=grid.float().flatten(0, 1)[used],
        picture=_bytes(part.view.view.image),
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
    across = _linked(depth[:, :-1], depth[:, 1:], edges)
    down = _linked(depth[:-1], depth[1:], edges)
    some = new[:-1, :-1] | new[:-1, 1:] | new[1:, :-1] | new[1:, 1:]
    whole = across[:-1] & across[1:] & down[:, :-1] & down[:, 1:] & some
    corners = (pixel[:-1, :-1], pixel[:-1, 1:], pixel[1:, :-1], pixel[1:, 1:])
    return torch.stack([corner[whole] for corner in corners])


def _linked(one: Tensor, other: Tensor, edges: Edges) -> Tensor:
    """`Edges` in the picture itself, where neighbours stand one pixel apart whatever `stretch` is."""
    return is_known(one) & is_known(other) & ((one - other).abs() < edges.depth_ratio * torch.maximum(one, other))
