"""A scene as far as it is known: key views with depth, and where each of their pixels came from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from turnaround.types.camera import Pinhole
from turnaround.types.video import Video
from turnaround.types.views import View


class Provenance(IntEnum):
    """Where a pixel came from: the input picture, what lies between its pixels, or a network."""

    OBSERVED = 0
    PROPAGATED = 1
    GENERATED = 2


@dataclass(frozen=True, kw_only=True)
class KeyView:
    """A view that others are rendered from.

    view: RGB, and depth in metres, NaN where it holds nothing. label: a `Provenance` per pixel. confidence: in [0, 1].
    step: 0 for the input picture, then the order in which views were added.
    """

    view: View
    label: UInt8[Tensor, "h w"]
    confidence: Float[Tensor, "h w"]
    step: int


@dataclass(frozen=True, kw_only=True)
class SceneCache:
    """views: each shows the nearest surface at every pixel it holds, so all before it is free space; the first is the
    input picture. behind: what lies behind the surfaces of a view, with that view's camera. Nothing is ever
    overwritten: where several show one surface, the one of the lowest step does."""

    views: Sequence[KeyView]
    behind: Sequence[KeyView] = ()

    def with_view(self, view: KeyView) -> "SceneCache":
        return replace(self, views=(*self.views, view))

    def with_behind(self, view: KeyView) -> "SceneCache":
        return replace(self, behind=(*self.behind, view))

    @property
    def ordered(self) -> Sequence[KeyView]:
        """All of them, the lowest step first."""
        return sorted((*self.views, *self.behind), key=lambda view: view.step)


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """A cache as a camera sees it.

    image: 0 in holes. depth: along z, NaN in holes. hole: of which the cache knows nothing. label, confidence: of the
    pixel that is shown, in holes GENERATED and 0. step: of its key view, -1 in holes. camera: of one frame.
    """

    image: Float[Tensor, "3 h w"]
    depth: Float[Tensor, "h w"]
    hole: Bool[Tensor, "h w"]
    label: UInt8[Tensor, "h w"]
    confidence: Float[Tensor, "h w"]
    step: Int[Tensor, "h w"]
    camera: Pinhole


@dataclass(frozen=True, kw_only=True)
class OrbitVideo:
    """What a person gets, with its account. Fields as of `Rendering`, of t frames, without holes."""

    video: Video
    depth: Float[Tensor, "t h w"]
    label: UInt8[Tensor, "t h w"]
    confidence: Float[Tensor, "t h w"]
    step: Int[Tensor, "t h w"]
    cameras: Pinhole
