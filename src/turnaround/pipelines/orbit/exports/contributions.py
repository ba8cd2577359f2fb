"""What each key view adds to the scene, so that each surface is written once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import pad

from turnaround.geometry.projection import unproject
from turnaround.geometry.visibility import hull_of, may_show, points_seen_from
from turnaround.render.elements import Edges, is_known
from turnaround.types import KeyView, SceneCache, View

OBLIQUE = 4.0  # times as far apart as of a surface that faces the camera, at most: further out it would hide too much


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """What a key view adds to those of lower steps. new: its known pixels that none of them shows."""

    name: str
    view: KeyView
    points: Float[Tensor, "h w 3"]
    new: Bool[Tensor, "h w"]


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """The new points of all contributions, in order. radius: of `radii`. step: of its key view."""

    points: Float[Tensor, "n 3"]
    colors: UInt8[Tensor, "n 3"]
    radius: Float[Tensor, "n"]
    label: UInt8[Tensor, "n"]
    confidence: Float[Tensor, "n"]
    step: Float[Tensor, "n"]


def contributions(cache: SceneCache, tolerance: float) -> Iterator[Contribution]:
    """Of all key views, the lowest step first. A pixel is shown by an earlier view whose depth there agrees with it."""
    numbers = {id(view): f"view {n}" for n, view in enumerate(cache.views)}
    numbers |= {id(view): f"behind {n}" for n, view in enumerate(cache.behind)}
    earlier: list[KeyView] = []
    for view in cache.ordered:
        depth, camera = view.view.depth, view.view.camera
        points = unproject(depth[None].double(), camera)[0]
        new = is_known(depth)
        new[new.clone()] = _unseen(points[new], hull_of(depth, camera), earlier, tolerance)
        earlier.append(view)
        yield Contribution(name=numbers[id(view)], view=view, points=points.float(), new=new)


def _unseen(
    points: Float[Tensor, "n 3"], hull: Float[Tensor, "m 3"], views: Sequence[KeyView], tolerance: float
) -> Bool[Tensor, "n"]:
    """Those that none of the views shows; only what is still unseen is asked of the next. hull: of all of them."""
    left = torch.arange(len(points))
    for other in views:
        if not len(left):
            break
        if may_show(other.view.camera, hull, margin=0.0):
            _, seen, _ = points_seen_from(points[left], other.view.depth, other.view.camera, tolerance=tolerance)
            left = left[~seen]
    return torch.zeros(len(points), dtype=torch.bool).index_fill(0, left, True)


def cloud_of(parts: Sequence[Contribution], edges: Edges) -> Cloud:
    def joined(values: Sequence[Tensor]) -> Tensor:
        return torch.cat([each[part.new] for each, part in zip(values, parts, strict=True)])

    return Cloud(
        points=joined([part.points for part in parts]),
        colors=joined([picture_bytes(part.view.view.image) for part in parts]),
        radius=joined([radii(part.view.view, edges) for part in parts]),
        label=joined([part.view.label for part in parts]),
        confidence=joined([part.view.confidence.float() for part in parts]),
        step=joined([torch.full_like(part.view.confidence, part.view.step).float() for part in parts]),
    )


def radii(view: View, edges: Edges) -> Float[Tensor, "h w"]:
    """Half the side of each pixel where it lies, in metres; of a surface that is seen obliquely half the way to the
    next pixel on it, at most `OBLIQUE` times as much."""
    depth = view.depth
    least = depth / (2 * view.camera.intrinsics[0, 0, 0].abs())
    points = unproject(depth[None].double(), view.camera)[0].to(depth)
    across = (points[:, 1:] - points[:, :-1]).norm(dim=-1).where(linked(depth[:, 1:], depth[:, :-1], edges), 0.0)
    down = (points[1:] - points[:-1]).norm(dim=-1).where(linked(depth[1:], depth[:-1], edges), 0.0)
    ways = torch.stack([pad(across, (1, 0)), pad(across, (0, 1)), pad(down, (0, 0, 1, 0)), pad(down, (0, 0, 0, 1))])
    return torch.maximum(least, torch.minimum(ways.amax(0) / 2, OBLIQUE * least)).float()


def linked(one: Tensor, other: Tensor, edges: Edges) -> Tensor:
    """`Edges` in the picture itself, where neighbours stand one pixel apart whatever `stretch` is."""
    return is_known(one) & is_known(other) & ((one - other).abs() < edges.depth_ratio * torch.maximum(one, other))


def picture_bytes(image: Float[Tensor, "c h w"]) -> UInt8[Tensor, "h w 3"]:
    return (image[:3].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
