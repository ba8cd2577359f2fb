"""How a frame is made of the cache: colours as they are splatted, or features that are decoded."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import torch

from turnaround.nets.feature_cloud import FeatureCloud
from turnaround.pipelines.orbit.frames import without_holes
from turnaround.render.cache import Surfaces, in_sight, render, same_camera
from turnaround.types import KeyView, Pinhole, Provenance, Rendering, SceneCache, View, WeightsNotice


class Splats(ABC):
    """What makes frames."""

    weights: Sequence[WeightsNotice] = ()

    @property
    @abstractmethod
    def settings(self) -> str:
        """All that decides what it makes, as text."""

    @abstractmethod
    def filmed(self, cache: SceneCache, camera: Pinhole, surfaces: Surfaces) -> Rendering:
        """What a camera sees, without holes."""


class Colors(Splats):
    """The colours of the key views; holes filled from around and behind."""

    @property
    def settings(self) -> str:
        return "colors"

    def filmed(self, cache: SceneCache, camera: Pinhole, surfaces: Surfaces) -> Rendering:
        return without_holes(render(cache, camera, surfaces))


class Features(Splats):
    """A network's picture of all key views as a cloud of features; all but the picture is as of `Colors`.

    The picture's own camera sees it as it is, so known pixels stay exact there; elsewhere OBSERVED pixels become
    PROPAGATED, for a network had its hand in them.
    """

    def __init__(self, *, network: FeatureCloud):
        self.network = network.eval()
        self._encoded: Sequence[tuple[KeyView, View]] = ()  # of the cache of the frame before, which is mostly the same

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self.network.weights

    @property
    def settings(self) -> str:
        return self.network.fingerprint()

    @torch.no_grad()
    def filmed(self, cache: SceneCache, camera: Pinhole, surfaces: Surfaces) -> Rendering:
        plain = Colors().filmed(cache, camera, surfaces)
        if same_camera(cache.views[0].view.camera, camera):
            return plain
        known = {id(view): points for view, points in self._encoded}
        self._encoded = [(view, known.get(id(view)) or self.network.points(view.view)) for view in cache.ordered]
        encoded = {id(view): points for view, points in self._encoded}
        seen = in_sight(cache, camera, surfaces.edges)
        image = self.network([encoded[id(view)] for view in seen], [view.confidence for view in seen], camera)
        return replace(plain, image=image, label=plain.label.clamp(min=int(Provenance.PROPAGATED)))
