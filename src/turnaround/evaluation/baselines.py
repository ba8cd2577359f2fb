"""What any network has to beat: methods that look at no picture, or at one picture at a time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.types import Clip, ClipSource, DepthEstimator, DepthKind, InputError, WeightsNotice


@dataclass(frozen=True, kw_only=True)
class ConstantDepth:
    """The same everywhere; the alignment turns it into the clip's best constant disparity."""

    name = "constant"
    kind = DepthKind.AFFINE_DISPARITY
    weights = ()

    def stream(self, frames: Iterable[Float[Tensor, "3 h w"]], *, seed: int) -> Iterator[Float[Tensor, "h w"]]:
        for frame in frames:
            yield torch.ones_like(frame[0])


class FrameByFrame:
    """An estimator that sees one frame at a time; each keeps a scale and shift of its own."""

    name = "frame_by_frame"

    def __init__(self, *, estimator: DepthEstimator):
        self.estimator, self.kind = estimator, estimator.kind

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self.estimator.weights

    def stream(self, frames: Iterable[Float[Tensor, "3 h w"]], *, seed: int) -> Iterator[Float[Tensor, "h w"]]:
        for frame in frames:
            yield from self.estimator.stream([frame], seed=seed)


class PlanePrior:
    """Disparity a + b u + c v, with u to the right and v down, both in [-1, 1] over the image: the ground plane.

    a, b, c are fitted to `source` when they are first needed: least squares over the true disparity of all its clips,
    brought to [0, 1] by each clip's minimum and maximum.
    """

    name = "plane"
    kind = DepthKind.AFFINE_DISPARITY
    weights = ()

    def __init__(self, *, source: ClipSource):
        self.source = source

    def stream(self, frames: Iterable[Float[Tensor, "3 h w"]], *, seed: int) -> Iterator[Float[Tensor, "h w"]]:
        for frame in frames:
            yield (_plane_terms(*frame.shape[1:]) @ self.coefficients).to(frame)

    @cached_property
    def coefficients(self) -> Float[Tensor, "3"]:
        """a, b, c. InputError: clips without depth, or all alike."""
        normal, moment = torch.zeros(3, 3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
        for item in self.source.ids():
            disparity, valid = _normalised_disparity(self.source.clip(item))
            terms = _plane_terms(*disparity.shape[1:]).expand(*disparity.shape, 3)[valid]
            normal += terms.T @ terms
            moment += terms.T @ disparity[valid]
        if torch.linalg.matrix_rank(normal) < 3:
            raise InputError(
                "plane prior",
                expected="training clips with known metric depth that varies",
                found=f"too little of it in {len(self.source.ids())} clips",
                fix="give a source whose clips have depth",
            )
        return torch.linalg.solve(normal, moment)


def _plane_terms(height: int, width: int) -> Float[Tensor, "h w 3"]:
    v, u = torch.meshgrid(_centres(height), _centres(width), indexing="ij")
    return torch.stack([torch.ones_like(u), u, v], dim=-1)


def _centres(size: int) -> Float[Tensor, "n"]:
    return (torch.arange(size, dtype=torch.float64) + 0.5) / size * 2 - 1


def _normalised_disparity(clip: Clip) -> tuple[Float[Tensor, "t h w"], Tensor]:
    """Min-max normalised true disparity, and where it counts: nowhere in a clip without depth or without variation."""
    if clip.depth is None or clip.depth.kind is not DepthKind.METRIC:
        return torch.zeros(clip.video[:, 0].shape, dtype=torch.float64), torch.zeros_like(clip.video[:, 0]).bool()
    depth = clip.depth.values.double()
    disparity, valid = 1 / depth, depth.isfinite() & (depth > 0)
    if not valid.any():
        return disparity, valid
    low, high = disparity[valid].aminmax()
    return (disparity - low) / (high - low), valid & (high > low)
