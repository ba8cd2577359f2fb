"""How fast a path may go: by how much of each frame is new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.geometry.camera_path import RigPath
from turnaround.geometry.easing import Curve
from turnaround.geometry.pacing import frames_for, paced
from turnaround.geometry.surroundings import Surroundings, surroundings_of
from turnaround.geometry.visibility import seen_from
from turnaround.pipelines.orbit.stops import COARSE, coarse
from turnaround.render.cache import Surfaces, render
from turnaround.types import InputError, KeyView, Pinhole, SceneCache

SLACK = 1.01  # of a share that was asked for, since shares are counted in pixels
SPACING = slice(COARSE // 2, None, COARSE)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """share: the most of a frame that the one before it may not show. fastest, gentle: as of `paced`."""

    share: float
    fastest: float
    gentle: float

    def __post_init__(self):
        for name, sound, expected in (
            ("share", 0 < self.share <= 1, "more than 0, at most 1"),
            ("fastest", self.fastest >= 1, "1 or more"),
            ("gentle", 0 <= self.gentle <= 0.25, "0 to 0.25"),
        ):
            if not sound:
                raise InputError(name, expected=expected, found=f"{getattr(self, name):g}", fix="correct it")

    def spread(
        self,
        path: RigPath,
        first: KeyView,
        ahead: Float[Tensor, "3"],
        pivot: Float[Tensor, "3"],
        surfaces: Surfaces,
    ) -> Mapping[str, Tensor]:
        """`times` [t] in float64 of the path's frames, and `most`: of what is new in any of them.

        ahead, pivot: the point that the path turns about, in the first camera's axes and in the world's.
        """
        start, times = first.view.camera, path.times()
        if len(times) < 2 or self.share == 1:
            return {"times": times, "most": torch.zeros(())}
        around = surroundings_of(first.view.depth, start, path.cameras(start, ahead), pivot)

        def new(times: Curve) -> Float[Tensor, "n"]:
            return new_shares(path.cameras_at(times, start, ahead), first, around, surfaces, closed=path.closed)

        found = new(times)
        slowed = paced(times, found, closed=path.closed, share=self.share, fastest=self.fastest, gentle=self.gentle)
        return {"times": slowed, "most": (found if slowed is times else new(slowed)).amax()}

    def warnings(self, frames: int, most: float) -> Sequence[str]:
        """What a person should know of a path of so many frames of which up to the share `most` is new."""
        if most <= SLACK * self.share:
            return ()
        return (
            f"up to {most:.1%} of a frame is new to the one before, more than {self.share:.1%}; about "
            f"path.frames={frames_for(frames, most, self.share)} would keep to it",
        )


def new_shares(
    cameras: Pinhole, first: KeyView, around: Surroundings, surfaces: Surfaces, *, closed: bool
) -> Float[Tensor, "n"]:
    """Of each camera's picture that the one before does not show, from the second camera on, and of the first after the
    last of a closed path; by pictures `COARSE` times smaller, before anything is inpainted: where the first view tells
    nothing, what lies around it."""
    shown = first.view
    view = replace(
        first,
        view=replace(
            shown,
            image=shown.image[:, SPACING, SPACING],
            depth=shown.depth[SPACING, SPACING],
            camera=coarse(shown.camera),
        ),
        label=first.label[SPACING, SPACING],
        confidence=first.confidence[SPACING, SPACING],
    )
    cache = SceneCache(views=(view,))

    def seen(frame: int) -> tuple[Float[Tensor, "h w"], Pinhole]:
        camera = coarse(cameras.at(frame))
        rendered = render(cache, camera, surfaces)
        return torch.where(rendered.hole, 1 / around.inverse_depth(camera).float(), rendered.depth), camera

    order = [*range(len(cameras)), *([0] if closed else [])]
    shares, before = [], seen(order[0])
    for frame in order[1:]:
        now = seen(frame)
        _, known, _ = seen_from(*now, *before, tolerance=surfaces.tolerance)
        shares.append((~known).double().mean())
        before = now
    return torch.stack(shares)
