"""How a scene cache grows: views along the path, each inpainted where the cache knows nothing, and merged into it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from turnaround.geometry.holes import distance_into, fill_holes, grown
from turnaround.geometry.inflation import inflated_back
from turnaround.geometry.merging import Fitted, fit_to_known, join_surroundings, out_of_free_space
from turnaround.geometry.surroundings import Surroundings
from turnaround.nets.object_prior import NoPrior
from turnaround.pipelines.orbit.layering import Layering
from turnaround.pipelines.orbit.relief import Relief, disparity_of, estimated
from turnaround.pipelines.orbit.stops import coarse
from turnaround.render.cache import Surfaces, render
from turnaround.types import (
    Inpainter,
    KeyView,
    MultiViewPrior,
    ObjectViews,
    PartialVideo,
    PicturedObject,
    Pinhole,
    Provenance,
    Rendering,
    ResumableDepthEstimator,
    SceneCache,
    View,
    WeightsNotice,
)

BACK = 0.1  # confidence in the back of an object
RING = 2  # known pixels around a hole that a key view keeps, so that its surfaces join those of others


@dataclass(frozen=True, kw_only=True)
class Merging:
    """How new depth is fitted to what is known. residual: above this median relative error of the fit, what is known
    goes on and joins the surroundings instead. factors, reach: as of `out_of_free_space`. smooth: pixels around each
    over which new inverse depth is averaged. fade: how far into a hole, as a share of the picture's shorter side,
    confidence halves, and what is known gives way to what lies around."""

    residual: float
    factors: Sequence[float]
    reach: int
    smooth: int
    fade: float


@dataclass(frozen=True, kw_only=True)
class Grower:
    """Makes key views. prior: of the sides of a picture's subject; the inpainter fills what it is not sure of. relief:
    as for the first view. roundness: of a subject's back (`inflated_back`)."""

    estimator: ResumableDepthEstimator
    inpainter: Inpainter
    prior: MultiViewPrior
    relief: Relief
    layering: Layering
    surfaces: Surfaces
    merging: Merging
    roundness: float
    seed: int

    @property
    def settings(self) -> str:
        """All that decides what it makes, as text."""
        plain = (self.relief, self.layering, self.surfaces, self.merging, self.roundness, self.seed)
        return repr((*plain, *(part.fingerprint() for part in (self.estimator, self.inpainter, self.prior))))

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return [notice for part in (self.estimator, self.inpainter, self.prior) for notice in part.weights]

    @property
    def painters(self) -> str:
        """Names of what paints."""
        return self.inpainter.name if isinstance(self.prior, NoPrior) else f"{self.inpainter.name}, {self.prior.name}"

    def seen(self, cache: SceneCache, camera: Pinhole) -> Rendering:
        return render(cache, camera, self.surfaces)

    def unknown(self, cache: SceneCache, camera: Pinhole) -> float:
        """The share of a camera's picture of which the cache knows nothing, by a picture `COARSE` times smaller."""
        return float(self.seen(cache, coarse(camera)).hole.float().mean())

    def behind(self, first: KeyView, around: Surroundings, subject: PicturedObject | None) -> Sequence[KeyView]:
        """What the objects of a view hide from its own camera, so that it is there when another looks past them; at
        last the back of its subject, unless a prior knows it better."""
        views = []
        for seen, wanted in self.layering.hidden_parts(first):
            image = self._filled(seen, first, None)
            depth = 1 / self._joined(seen, around)
            views.append(
                KeyView(
                    view=View(image=image, depth=depth.masked_fill(~wanted, torch.nan), camera=seen.camera),
                    label=torch.full_like(first.label, int(Provenance.GENERATED)),
                    confidence=self._confidence(seen),
                    step=first.step + 1 + len(views),
                )
            )
        if subject is not None and isinstance(self.prior, NoPrior):
            back = inflated_back(first.view, subject.mask, roundness=self.roundness)
            views.append(
                KeyView(
                    view=back,
                    label=torch.full_like(first.label, int(Provenance.GENERATED)),
                    confidence=torch.full_like(first.confidence, BACK),
                    step=first.step + 1 + len(views),
                )
            )
        return views

    def key_view(
        self,
        cache: SceneCache,
        camera: Pinhole,
        step: int,
        around: Surroundings,
        subject: PicturedObject | None,
    ) -> tuple[KeyView, Mapping[str, float]]:
        """What a camera adds to the cache, and its figures: `hole` (share that was unknown), `residual` of the fitted
        depth, `moved` (share of new points that stood in free space) and `left` (of which some still do: left out)."""
        seen = self.seen(cache, camera)
        image = self._filled(seen, cache.views[0], self._sides(subject, camera))
        fitted = self._depth(image, seen, around)
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

    def _sides(self, subject: PicturedObject | None, camera: Pinhole) -> ObjectViews | None:
        return None if subject is None else self.prior.views(subject, camera, seed=self.seed)

    def _filled(self, seen: Rendering, first: KeyView, sides: ObjectViews | None) -> Float[Tensor, "3 h w"]:
        """sides: of the subject, which fill what is not known as far as they are sure. Where nothing at all is known,
        which no inpainter goes on from, the mean colour of the first view."""
        partial = partial_of(seen)
        if sides is not None:
            sure = sides.sure & partial.hole
            video = torch.where(sure[:, None], sides.video, partial.video)
            partial = replace(partial, video=video, hole=partial.hole & ~sure)
        if partial.hole.all():
            return first.view.image.mean(dim=(1, 2), keepdim=True).expand_as(seen.image).clone()
        return self.inpainter.fill(partial, seed=self.seed).video[0]

    def _depth(self, image: Float[Tensor, "3 h w"], seen: Rendering, around: Surroundings) -> Fitted:
        """Inverse depth of the whole picture."""
        mask = ~seen.hole
        known = torch.where(mask, 1 / seen.depth, 0.0)
        least = float(known[mask].amin()) if mask.any() else 1 / (self.relief.near * self.relief.ratio)
        disparity = disparity_of(estimated(self.estimator, image, self.seed), self.estimator.kind)
        fitted = fit_to_known(disparity, known, mask, least=least)
        inverse = fitted.inverse_depth
        if fitted.residual > self.merging.residual:
            inverse = self._joined(seen, around)
        return Fitted(inverse_depth=self._smooth(inverse, mask), residual=fitted.residual)

    def _joined(self, seen: Rendering, around: Surroundings) -> Float[Tensor, "h w"]:
        known = torch.where(seen.hole, 0.0, 1 / seen.depth)
        return join_surroundings(known, ~seen.hole, around.inverse_depth(seen.camera).to(known), self._fade(seen))

    def _fade(self, seen: Rendering) -> float:
        """In pixels."""
        return self.merging.fade * min(seen.hole.shape)

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
        return 0.5 * around * 0.5 ** (distance_into(seen.hole) / self._fade(seen))


def observed(view: View) -> KeyView:
    """The first key view: all of it is what the input picture shows."""
    size = view.depth.shape
    label = torch.full(size, int(Provenance.OBSERVED), dtype=torch.uint8)
    return KeyView(view=view, label=label, confidence=torch.ones(size), step=0)


def partial_of(seen: Rendering) -> PartialVideo:
    return PartialVideo(
        video=seen.image[None], hole=seen.hole[None], depth=seen.depth[None].float(), cameras=seen.camera
    )
