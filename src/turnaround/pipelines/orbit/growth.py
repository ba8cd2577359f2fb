"""How a scene cache grows: views along the path, each inpainted where the cache knows nothing, and merged into it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from turnaround.geometry.holes import fill_holes, fill_view, grown
from turnaround.geometry.merging import Fitted, fit_to_known, out_of_free_space
from turnaround.pipelines.orbit.relief import Relief, disparity_of, estimated
from turnaround.render.cache import Surfaces, render
from turnaround.types import (
    Inpainter,
    KeyView,
    PartialVideo,
    Pinhole,
    Rendering,
    ResumableDepthEstimator,
    SceneCache,
    View,
)

RING = 2  # known pixels around a hole that a key view keeps, so that its surfaces join those of others


@dataclass(frozen=True, kw_only=True)
class Merging:
    """How new depth is fitted to the known. residual: above this median relative error of the fit, the inpainter's own
    depth is taken. factors, reach: as of `out_of_free_space`. smooth: pixels around each over which new inverse
    depth is averaged. fade: pixels into a hole over which confidence halves."""

    residual: float
    factors: Sequence[float]
    reach: int
    smooth: int
    fade: float


@dataclass(frozen=True, kw_only=True)
class Grower:
    """Makes key views. relief: as for the first view."""

    estimator: ResumableDepthEstimator
    inpainter: Inpainter
    relief: Relief
    surfaces: Surfaces
    merging: Merging
    seed: int

    @property
    def settings(self) -> str:
        """All that decides what it makes, as text."""
        plain = (self.relief, self.surfaces, self.merging, self.seed)
        return repr((*plain, self.estimator.fingerprint(), self.inpainter.fingerprint()))

    def seen(self, cache: SceneCache, camera: Pinhole) -> Rendering:
        return render(cache, camera, self.surfaces)

    def key_view(self, cache: SceneCache, camera: Pinhole, step: int) -> tuple[KeyView, Mapping[str, float]]:
        """What a camera adds to the cache, and its figures: `hole` (share that was unknown), `residual` of the fitted
        depth, `moved` (share of new points that stood in free space) and `left` (of which some still do: left out)."""
        seen = self.seen(cache, camera)
        filled = self.inpainter.fill(partial_of(seen), seed=self.seed)
        image = filled.video[0]
        fitted = self._depth(image, seen, None if filled.depth is None else filled.depth[0])
        found = torch.where(seen.hole, 1 / fitted.inverse_depth, torch.nan)
        moved, stuck = out_of_free_space(
            found,
            camera,
            [view.view for view in cache.views],
            tolerance=self.surfaces.tolerance,
            factors=self.merging.factors,
            reach=self.merging.reach,
        )
        new = seen.hole & ~stuck
        kept = new | (grown(new, RING) & ~seen.hole)
        depth = torch.where(new, moved, seen.depth).masked_fill(~kept, torch.nan)
        view = KeyView(
            view=View(image=image, depth=depth, camera=camera),
            label=seen.label,
            confidence=torch.where(seen.hole, self._confidence(seen), seen.confidence),
            step=step,
        )
        unknown = max(int(seen.hole.sum()), 1)
        return view, {
            "hole": float(seen.hole.float().mean()),
            "residual": fitted.residual,
            "moved": float((moved > found).sum()) / unknown,
            "left": float(stuck.sum()) / unknown,
        }

    def _depth(self, image: Float[Tensor, "3 h w"], seen: Rendering, completed: Float[Tensor, "h w"] | None) -> Fitted:
        """Inverse depth of the whole picture."""
        mask = ~seen.hole
        known = torch.where(mask, 1 / seen.depth, 0.0)
        least = float(known[mask].amin()) if mask.any() else 1 / (self.relief.near * self.relief.ratio)
        disparity = disparity_of(estimated(self.estimator, image, self.seed), self.estimator.kind)
        fitted = fit_to_known(disparity, known, mask, least=least)
        if fitted.residual <= self.merging.residual:
            return Fitted(inverse_depth=self._smooth(fitted.inverse_depth, mask), residual=fitted.residual)
        if completed is not None and (completed > 0).all():
            inverse = (1 / completed).clamp(min=least)
        else:
            inverse = 1 / fill_view(image, seen.depth, seen.hole)[1]
        whole = torch.where(mask, known, inverse.clamp(min=least))
        return Fitted(inverse_depth=self._smooth(whole, mask), residual=fitted.residual)

    def _smooth(self, inverse: Float[Tensor, "h w"], mask: Bool[Tensor, "h w"]) -> Float[Tensor, "h w"]:
        """New surfaces in one piece: averaged over squares, of which nothing is known to be better."""
        reach = self.merging.smooth
        wide = pad(inverse[None, None], (reach,) * 4, mode="replicate")
        return torch.where(mask, inverse, avg_pool2d(wide, 2 * reach + 1, stride=1)[0, 0])

    def _confidence(self, seen: Rendering) -> Float[Tensor, "h w"]:
        """Half of that of what is around, and less with each pixel into a hole."""
        if seen.hole.all():
            return torch.zeros_like(seen.confidence)
        around = fill_holes(seen.confidence[None, None], ~seen.hole[None, None])[0, 0]
        return 0.5 * around * 0.5 ** (distance_into(seen.hole) / self.merging.fade)


def partial_of(seen: Rendering) -> PartialVideo:
    return PartialVideo(
        video=seen.image[None], hole=seen.hole[None], depth=seen.depth[None].float(), cameras=seen.camera
    )


def distance_into(hole: Bool[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Pixels to the nearest known one."""
    return torch.from_numpy(cv2.distanceTransform(hole.byte().numpy(), cv2.DIST_L2, 5))
