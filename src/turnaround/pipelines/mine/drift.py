"""Which tracks are left out since they slide over what they should stick to (Stereo4D's filter of drift)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.patches import texture
from turnaround.types import InputError, Segmenter, Tracks, Video, WeightsNotice

SKY, BOUNDARY, DRIFT = "on the sky", "across a boundary", "drifts"  # why a track is dropped


@runtime_checkable
class DriftFilter(Protocol):
    """Finds tracks to drop. motion: of `geometry.track_motion`."""

    weights: Sequence[WeightsNotice]

    def drops(self, video: Video, tracks: Tracks, motion: Float[Tensor, "t n"]) -> Mapping[str, Bool[Tensor, "n"]]:
        """Which tracks to drop, by reason; one may have several."""
        ...

    def fingerprint(self) -> str:
        """Changes with whatever decides what it gives, but for the code."""
        ...


def kept(drops: Mapping[str, Bool[Tensor, "n"]]) -> tuple[Bool[Tensor, "n"], Mapping[str, int]]:
    """Which tracks stay, and how many do not, each counted under its first reason."""
    stay = torch.stack([~dropped for dropped in drops.values()]).cumprod(0).bool()
    before = torch.cat([torch.ones_like(stay[:1]), stay[:-1]])
    return stay[-1], dict(zip(drops, (before & ~stay).sum(1).tolist(), strict=True))


class BySemantics:
    """As Stereo4D drops tracks: those that are on the sky in a frame in which they are visible; those that are on a
    static class in some of these frames and not in others; those that are on one while they move by more than `still`
    pixels. static, sky: names of the segmenter's classes, each one of the names its label lists ("road, route")."""

    def __init__(self, *, segmenter: Segmenter, static: Sequence[str], sky: Sequence[str], still: float):
        self.segmenter, self.still = segmenter, still
        self.static, self.sky = (_numbers(names, segmenter.classes) for names in (static, sky))

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self.segmenter.weights

    def fingerprint(self) -> str:
        return repr((self.segmenter.fingerprint(), self.static.tolist(), self.sky.tolist(), self.still))

    def drops(self, video: Video, tracks: Tracks, motion: Float[Tensor, "t n"]) -> Mapping[str, Bool[Tensor, "n"]]:
        places = torch.where(tracks.visible[..., None], tracks.pixels, 0).long()
        labels = torch.stack([_at(self.segmenter.labels(f), p) for f, p in zip(video, places, strict=True)])
        static, sky = (torch.isin(labels, classes) & tracks.visible for classes in (self.static, self.sky))
        return {
            SKY: sky.any(0),
            BOUNDARY: static.any(0) & (tracks.visible & ~static).any(0),
            DRIFT: (static & (motion > self.still)).any(0),  # NaN where not visible, which is not more
        }


@dataclass(frozen=True, kw_only=True)
class ByTexture:
    """Without labels: drops tracks that move by more than `still` pixels in a frame in which what is around them has
    no texture that could tell: it changes by less than `texture` grey levels of 255 per pixel in some direction, or by
    less than the share `roundness` of its change in the direction of most, over window x window pixels."""

    still: float
    window: int
    texture: float
    roundness: float
    weights = ()

    def fingerprint(self) -> str:
        return repr(self)

    def drops(self, video: Video, tracks: Tracks, motion: Float[Tensor, "t n"]) -> Mapping[str, Bool[Tensor, "n"]]:
        dropped = torch.zeros(motion.shape[1], dtype=torch.bool)
        for frame, places, moved in zip(video, tracks.pixels, motion, strict=True):
            moving = (moved > self.still).nonzero().squeeze(1)
            least, most = texture(frame * 255, places[moving], self.window)
            dropped[moving] |= (least < self.texture) | (least < self.roundness * most)
        return {DRIFT: dropped}


def _numbers(names: Sequence[str], classes: Sequence[str]) -> Tensor:
    """Of the classes whose labels list one of the names. InputError: a name that none lists."""
    listed = [{name.strip().casefold() for name in re.split("[,;]", label)} for label in classes]
    for name in names:
        if not any(name.casefold() in among for among in listed):
            found = ", ".join(classes)
            fix = "name classes of this segmenter in semantics.static and semantics.sky"
            raise InputError(f"class {name}", expected="one of the segmenter's", found=found[:200], fix=fix)
    wanted = {name.casefold() for name in names}
    return torch.tensor([number for number, among in enumerate(listed) if among & wanted], dtype=torch.long)


def _at(labels: Tensor, places: Tensor) -> Tensor:
    return labels[places[:, 1], places[:, 0]]
