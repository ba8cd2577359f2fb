"""Inpainting from clips with cameras and depth: one view, seen from where the others were taken."""

from collections.abc import Sequence

import torch

from turnaround.geometry.visibility import seen_from
from turnaround.render.elements import Edges
from turnaround.render.engine import forward_splat
from turnaround.types import (
    ClipSource,
    InpaintItem,
    PartialVideo,
    View,
    Warped,
)


class ViewItems:
    """One item per clip of a still scene: frame 0 warped to the cameras of all others, whose frames are the truth.

    Frame 0 itself comes first, without holes, and is not counted. Scored holes are those whose true point frame 0 does
    not show (`geometry.visibility.seen_from`, with the tolerance given here), so not the cracks of a warp; pixels of
    which that cannot be told, for a depth is not known, are not counted. edges: of the warp.
    """

    def __init__(self, *, clips: ClipSource, edges: Edges, tolerance: float):
        self.clips, self.edges, self.tolerance = clips, edges, tolerance

    def ids(self) -> Sequence[str]:
        return self.clips.ids()

    def item(self, id: str) -> InpaintItem:
        clip = self.clips.clip(id)
        cameras, depth = clip.posed_depth()
        view = View(image=clip.video[0], depth=depth[0], camera=cameras.at(0))
        others = range(1, len(clip.video))
        warped = [_itself(view), *(forward_splat(view, cameras.at(frame), edges=self.edges) for frame in others)]
        hole = torch.stack([each.hole for each in warped])
        seen, told = zip(
            *(
                seen_from(depth[frame], cameras.at(frame), depth[0], cameras.at(0), tolerance=self.tolerance)[1:]
                for frame in others
            ),
            strict=True,
        )
        nothing = torch.zeros_like(warped[0].hole)
        counted = depth.isfinite() & torch.stack([nothing, *told])
        return InpaintItem(
            id=id,
            given=PartialVideo(
                video=torch.stack([each.image for each in warped]),
                hole=hole,
                depth=torch.stack([each.depth for each in warped]),
                cameras=cameras,
            ),
            truth=clip.video,
            hole=hole & ~torch.stack([~nothing, *seen]),
            counted=counted,
            depth=depth,
            sources=clip.sources,
        )


def _itself(view: View) -> Warped:
    """The view from its own camera: bit for bit, also where its depth is unknown."""
    everywhere = torch.arange(view.depth.numel(), device=view.depth.device).view_as(view.depth)
    return Warped(image=view.image, depth=view.depth, hole=torch.zeros_like(everywhere).bool(), source=everywhere)
