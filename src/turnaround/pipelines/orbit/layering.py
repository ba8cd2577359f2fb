"""What the picture's own objects hide from its own camera: each layer goes on behind those before it."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
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

    def hidden_parts(self, view: KeyView) -> Iterator[tuple[Rendering, Bool[Tensor, "h w"]]]:
        """Of each layer that goes on behind others, the nearest first: the view without all that is nearer and the
        margin around it, as if its camera had a hole there, and which of the hole's pixels the layer goes on to."""
        side, layers = min(view.view.depth.shape), self.layers(view.view.depth)
        for number in range(1, layers.count):
            hole, behind = grown(layers.layer < number, round(self.margin * side)), layers.behind[number]
            if not behind.any() or hole.all():
                continue
            seen = Rendering(
                image=view.view.image.masked_fill(hole, 0.0),
                depth=view.view.depth.masked_fill(hole, torch.nan),
                hole=hole,
                label=view.label,
                confidence=view.confidence,
                step=torch.full_like(layers.layer, view.step).masked_fill(hole, -1),
                camera=view.view.camera,
            )
            yield seen, behind

    def layers(self, depth: Float[Tensor, "h w"]) -> Layers:
        return split_layers(
            depth,
            depth_ratio=self.depth_ratio,
            least=max(round(self.least * depth.numel()), 1),
            most=self.most,
            reach=max(round(self.reach * min(depth.shape)), 1),
        )
