"""Light on surfaces: ambient, Lambert and Blinn-Phong terms with cast shadows; [3, rays] layout as in `shapes`."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from turnaround.render.raycast import Solid, sees
from turnaround.render.shapes import NEAR


@dataclass(frozen=True, kw_only=True)
class Light:
    """A point light without falloff; the sun is one that is far away. position: world metres. color: RGB."""

    position: Float[Tensor, "3"]
    color: Float[Tensor, "3"]


def shade(
    *,
    points: Float[Tensor, "3 r"],
    normals: Float[Tensor, "3 r"],
    towards_eye: Float[Tensor, "3 r"],
    albedo: Float[Tensor, "3 r"],
    gloss: Float[Tensor, " r"],
    lights: Sequence[Light],
    ambient: Float[Tensor, "3"],
    occluders: Sequence[Solid],
) -> Float[Tensor, "3 r"]:
    """Linear radiance. Ambient light is half as strong from below (y points down) as from above."""
    total = albedo * ambient.to(points)[:, None] * (0.75 - 0.25 * normals[1])
    eye = _unit(towards_eye)
    lifted = points + normals * (10 * NEAR)
    for light in lights:
        source = light.position.to(points)[:, None]
        towards_light = _unit(source - points)
        cosine = (normals * towards_light).sum(dim=0)
        lit = (cosine > 0).nonzero().squeeze(1)
        lit = lit[sees(occluders, lifted[:, lit], source.expand(-1, len(lit)), margin=0.0)]
        half = _unit(towards_light[:, lit] + eye[:, lit])
        highlight = (normals[:, lit] * half).sum(dim=0).clamp_min(0)
        for _ in range(5):  # to the power 32, by squaring: pow would not round the same everywhere
            highlight = highlight * highlight
        color = light.color.to(points)[:, None]
        total[:, lit] += color * (albedo[:, lit] * cosine[lit] + gloss[lit] * highlight)
    return total


def _unit(vectors: Float[Tensor, "3 r"]) -> Float[Tensor, "3 r"]:
    return vectors / (vectors * vectors).sum(dim=0).sqrt()
