"""What is told of an orbit: `report.html`, for the person who asks how it knows the other sides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.pipelines.orbit.card import Card, degrees_of
from turnaround.pipelines.orbit.exports.export import Finished
from turnaround.types import KeyView, OrbitVideo, SceneCache, WeightsNotice
from turnaround.viz.circle import AroundTheCircle
from turnaround.viz.color import colorize
from turnaround.viz.provenance import around, provenance_colors
from turnaround.viz.report import Figure, Film, Report, StageAccount, figure_jpeg
from turnaround.viz.report_sources import ORBIT_SOURCES

QUESTION = "How does it figure out what it looks like from all sides?"
ANSWER = (
    "It does not know: it measures how far away everything in the photo is, moves the photo's pixels to their places "
    "in space, lets a camera walk around them, and paints what no pixel covers so that it fits what is there."
)
SHOWN, GREY = 4, 0.5  # pictures of a stage, and what those with parts are shown before


@dataclass(frozen=True, kw_only=True)
class Account:
    """What happened on the way to a video. figures: of each key view (`Grower.key_view`), with its `frame` of the path.
    seconds: by stage. models: names of the depth estimator and of the inpainter. warnings: what a person should know.
    """

    name: str
    figures: Sequence[Mapping[str, float]]
    seconds: Mapping[str, float]
    models: tuple[str, str]
    weights: Sequence[WeightsNotice]
    warnings: Sequence[str]


def report_of(finished: Finished, account: Account, film: Film, card: Card) -> Report:
    shares = around(finished.orbit.label)
    return Report(
        title=account.name,
        question=QUESTION,
        answer=ANSWER,
        film=film,
        stages=_stages(finished.orbit, finished.cache, account),
        around=AroundTheCircle(degrees=degrees_of(finished.orbit), shares=shares),
        card=card.lines(finished, account.figures),
        verdict=verdict_of(shares, card.trusted),
        sources=ORBIT_SOURCES,
        weights=account.weights,
        notes=account.warnings,
    )


def verdict_of(shares: Float[Tensor, "t 3"], trusted: float) -> str:
    """In plain words, by what was measured. trusted: share invented below which a frame can be trusted."""
    invented = shares[:, 2]
    most, mean = float(invented.max()), float(invented.mean())
    count = int((invented < trusted).sum())
    return (
        f"Over the whole way, {mean:.0%} of what you see was invented, and {most:.0%} in the frame with the most. "
        f"Trust the {count} of {len(shares)} frames in which less than {trusted:.0%} was invented: those near the "
        "photo's own view. Do not trust the others as a picture of what is really there: the sides and the back are "
        "something that would fit, not something that anybody has seen."
    )


def _stages(orbit: OrbitVideo, cache: SceneCache, account: Account) -> Sequence[StageAccount]:
    photo = cache.views[0].view
    inverse = 1 / photo.depth
    seconds = {"depth": 0.0, "layers": 0.0, "pace": 0.0, "view": 0.0, "frames": 0.0}
    for name, spent in account.seconds.items():
        seconds[name.partition("_")[0]] = seconds.get(name.partition("_")[0], 0.0) + spent
    grown = cache.views[1 :: max((len(cache.views) - 1) // SHOWN, 1)][:SHOWN]
    shown = sorted({index * len(orbit.video) // SHOWN for index in range(SHOWN)})
    depth, inpainter = account.models
    return [
        StageAccount(
            name="Depth",
            does="Tells for each pixel of the photo how far away it is.",
            model=depth,
            seconds=seconds["depth"],
            takes=[Figure(caption="Your photo", picture=figure_jpeg(photo.image))],
            gives=[Figure(caption="Bright is near", picture=figure_jpeg(colorize(inverse / inverse.amax())))],
        ),
        StageAccount(
            name="Behind the objects",
            does=(
                f"Cuts the photo where one thing hides another, and paints what is behind: {len(cache.behind)} layers."
                if cache.behind
                else "Nothing in this photo hides enough of anything else to be worth a layer."
            ),
            model=inpainter,
            seconds=seconds["layers"],
            gives=[
                Figure(caption=f"Layer {number + 1}, all of it invented", picture=figure_jpeg(_alone(layer)))
                for number, layer in enumerate(cache.behind[:SHOWN])
            ],
        ),
        StageAccount(
            name="Growing the scene",
            does=(
                "Walks along the path from both ends and stops "
                f"{len(cache.views) - 1} times where too much is unknown; there the holes are painted, the depth of "
                "what was painted is fitted to what was known, and moved out of space that another view has seen to "
                "be empty."
            ),
            model=inpainter,
            seconds=seconds["pace"] + seconds["view"],
            gives=[
                Figure(
                    caption=f"View {view.step}: invented parts are tinted",
                    picture=figure_jpeg(provenance_colors(view.view.image, view.label)),
                )
                for view in grown
            ],
        ),
        StageAccount(
            name="Filming it",
            does="Renders every frame of the path from the photo and all painted views together.",
            model="no network",
            seconds=seconds["frames"],
            gives=[
                Figure(
                    caption=f"Frame {frame}: stretched and invented parts are tinted",
                    picture=figure_jpeg(provenance_colors(orbit.video[frame], orbit.label[frame])),
                )
                for frame in shown
            ],
        ),
    ]


def _alone(layer: KeyView) -> Float[Tensor, "3 h w"]:
    """What a layer holds, before grey."""
    return torch.where(layer.view.depth.isfinite(), layer.view.image, GREY)
