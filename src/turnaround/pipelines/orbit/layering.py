"""What the picture's own objects hide from its own camera: each layer goes on behind those before it."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from turnaround.geometry.holes import grown
from turnaround.geometry.layers import Layers, split_layers
from turnaround.types import KeyView, Rendering


@dataclass(frozen=True, kw_only=True)
class Layering:
    """How a view is cut into layers (`split_layers`). least: of a region, as a share of all pixels. most: layers.
    reach: how far one goes on behind others, as a share of the picture's shorter side. margin: what is so close to
    nearer layers, as such a share, is hidden with them: edges are not that exact."""

    depth_ratio: float
    least: float
    most: int
    reach: float
    margin: float

    def of(self, view: KeyView) -> Layers:
        depth = view.view.depth
        return split_layers(
            depth,
            depth_ratio=self.depth_ratio,
            least=max(round(self.least * depth.numel()), 1),
            most=self.most,
            reach=max(round(self.reach * min(depth.shape)), 1),
        )

    def pixels(self, view: KeyView) -> int:
        """The margin."""
        return round(self.margin * min(view.view.depth.shape))


def hidden_parts(view: KeyView, layers: Layers, margin: int) -> Iterator[tuple[Rendering, Bool[Tensor, "h w"]]]:
    """Of each layer that goes on behind others, the nearest first: the view without all that is nearer, as if its
    camera had a hole there and `margin` pixels around it, and which of the hole's pixels the layer goes on to."""
    for number in range(1, layers.count):
        kept, behind = ~grown(layers.layer < number, margin), layers.behind[number]
        if not behind.any() or not kept.any():
            continue
        seen = Rendering(
            image=view.view.image.masked_fill(~kept, 0.0),
            depth=view.view.depth.masked_fill(~kept, torch.nan),
            hole=~kept,
            label=view.label,
            confidence=view.confidence,
            step=torch.full_like(layers.layer, view.step).masked_fill(~kept, -1),
            camera=view.view.camera,
        )
        yield seen, behind
