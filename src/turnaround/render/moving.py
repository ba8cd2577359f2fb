"""A scene in motion: what flows in its first view, carried along in a loop, over surfaces that stay where they are."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.eulerian import Followed, distance_to_rest, followed, pixel_centres, sampled
from turnaround.types import InputError, KeyView, MotionField, Provenance, SceneCache


@dataclass(frozen=True, kw_only=True)
class Loop:
    """frames: after so many the picture is as it was. feather: pixels from the border of what moves over which what
    comes from there fades in, so that its edge does not show where it moves away from what stands still."""

    frames: int
    feather: float

    def __post_init__(self):
        if not (self.frames >= 2 and self.feather > 0):
            found = f"{self.frames} frames, feather {self.feather:g}"
            raise InputError("loop", expected="2 frames or more, feather > 0", found=found, fix="correct motion.loop")


@dataclass(frozen=True, kw_only=True)
class MovingScene:
    """field: of the picture that a cache's first view shows.

    Frame t of N blends the first view as it flows on for t frames with the same as it flows back for N - t, weighted
    1 - t / N and t / N (Holynski et al. 2021; Make-It-4D, arXiv 2308.10257): frame 0 is the picture, and so is N. What
    one of them uncovers, the other covers; where neither is sure, the picture as it is takes what is left.

    Depth belongs to the place: water flows over its bed, clouds along their height, and what a camera sees of the
    surfaces is the same in every frame. As the field is steady, what a place shows after t frames is looked up where
    the flow came from, t frames back along it; so nothing tears where the flow spreads.
    """

    field: MotionField
    loop: Loop

    def at(self, cache: SceneCache, frame: int) -> SceneCache:
        """A cache as it is in a frame, counted from 0 and on past the end of the loop.

        Frame 0 is the cache itself. In others flowing pixels of the first view are PROPAGATED, if they were OBSERVED;
        all else is as it was, bit for bit.
        """
        time = frame % self.loop.frames
        if time == 0:
            return cache
        first, *others = cache.views
        return replace(cache, views=(self._displaced(first, time), *others))

    def _displaced(self, first: KeyView, time: int) -> KeyView:
        flows = self.field.moving & (self.field.velocity != 0).any(dim=0)
        start = pixel_centres(flows)
        onward, back = (followed(self.field, start, -frames) for frames in (time, time - self.loop.frames))
        image = first.view.image.clone()
        colors = [flowing(image, self.field.moving, each.at) for each in (onward, back)]
        shares = self._shares(onward, back, time / self.loop.frames)
        image[:, flows] = (torch.stack([*colors, image[:, flows]]) * shares[:, None]).sum(dim=0)
        label = torch.where(flows, first.label.clamp(min=int(Provenance.PROPAGATED)), first.label)
        return replace(first, view=replace(first.view, image=image), label=label)

    def _shares(self, onward: Followed, back: Followed, late: float) -> Float[Tensor, "3 n"]:
        """Of both and of the still picture in the blend. late: how far in the loop, as a share."""
        near = (distance_to_rest(self.field.moving) / self.loop.feather).clamp(max=1)
        sure = torch.stack([near[tuple(each.at.floor().long().flip(0))] * each.inside for each in (onward, back)])
        by_time = near.new_tensor([1 - late, late])[:, None]
        weights = torch.cat([by_time * sure, 1 - sure.amax(dim=0, keepdim=True)])
        return weights / weights.sum(dim=0)


def flowing(
    image: Float[Tensor, "c h w"], moving: Bool[Tensor, "h w"], at: Float[Tensor, "2 n"]
) -> Float[Tensor, "c n"]:
    """Colours at places in moving pixels, of such pixels alone: nothing of what stands still flows along."""
    mask = moving.to(image)
    *colors, weight = sampled(torch.cat([image * mask, mask[None]]), at)
    return torch.stack(colors) / weight
