"""What is told of an orbit: `report.html`, for the person who asks how it knows the other sides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.metrics.consistency import WarpedError, WarpedLpips
from turnaround.types import OrbitVideo, SceneCache, WeightsNotice
from turnaround.viz.circle import AroundTheCircle
from turnaround.viz.color import colorize
from turnaround.viz.provenance import around, provenance_colors
from turnaround.viz.report import CardLine, Figure, Film, Report, StageAccount, Verdict, figure_png
from turnaround.viz.report_sources import ORBIT_SOURCES

QUESTION = "How does it figure out what it looks like from all sides?"
ANSWER = (
    "It does not know: it measures how far away everything in the photo is, moves the photo's pixels to their places "
    "in space, lets a camera walk around them, and paints what no pixel covers so that it fits what is there."
)
SHOWN = 4  # pictures of a stage
JUMP = 3.0  # times the usual change between frames, above which it shows as a jump


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


def report_of(
    orbit: OrbitVideo,
    cache: SceneCache,
    account: Account,
    film: bytes,
    metrics: Sequence[WarpedError | WarpedLpips],
) -> Report:
    """metrics: of neighbouring frames, first a `WarpedError`. film: `orbit.mp4`."""
    shares = around(orbit.label)
    card = card_of(orbit, cache, account, metrics)
    return Report(
        title=account.name,
        question=QUESTION,
        answer=ANSWER,
        film=Film(name="orbit.mp4", mp4=film, poster=figure_png(orbit.video[0])),
        stages=_stages(orbit, cache, account),
        around=AroundTheCircle(degrees=degrees_of(orbit), shares=shares),
        card=card,
        verdict=verdict_of(shares),
        sources=ORBIT_SOURCES,
        weights=account.weights,
        notes=account.warnings,
    )


def degrees_of(orbit: OrbitVideo) -> Float[Tensor, "t"]:
    """How far each camera has turned about the vertical from the first, to the picture's right where positive."""
    forward = orbit.cameras.world_from_cam[:, :3, 2].double()
    heading = torch.atan2(forward[:, 0], forward[:, 2])
    return torch.rad2deg(heading[0] - heading)


def card_of(
    orbit: OrbitVideo, cache: SceneCache, account: Account, metrics: Sequence[WarpedError | WarpedLpips]
) -> Sequence[CardLine]:
    """Every figure is measured on this run's frames."""
    first = cache.views[0].view.image
    error = float((orbit.video[0] - (255 * first).round() / 255).abs().max())
    changes = (orbit.video - orbit.video.roll(1, 0)).abs().mean(dim=(1, 2, 3))
    steps = changes[1:] if len(changes) > 1 else changes  # of one frame, to itself
    usual = float(steps.median().clamp(min=1e-6))
    residuals = sorted(figure["residual"] for figure in account.figures)
    lines = [
        CardLine(
            name="Your photo in the first frame",
            value=f"largest difference {error:g}",
            meaning="The video starts with your photo, unchanged."
            if error == 0
            else "The first frame is not the photo.",
            verdict=Verdict.GOOD if error == 0 else Verdict.POOR,
        ),
        CardLine(
            name="Loop",
            value=f"last to first frame {float(changes[0]):.4f}, usual step {usual:.4f}",
            meaning="The change from the last frame back to the first, against that between neighbours.",
            verdict=_graded(float(changes[0]) / usual, 1.5, JUMP),
        ),
        CardLine(
            name="Jumps",
            value=f"largest step {float(steps.max()) / usual:.1f} times the usual",
            meaning="A sudden jump would show where one painted view takes over from another.",
            verdict=_graded(float(steps.max()) / usual, 2.0, JUMP),
        ),
        CardLine(
            name="Depth of what was painted",
            value=f"median error {residuals[len(residuals) // 2]:.1%} where known" if residuals else "nothing painted",
            meaning="How well the depth of each new view fits the part of it that was known already.",
            verdict=_graded(residuals[len(residuals) // 2], 0.05, 0.15) if residuals else Verdict.GOOD,
        ),
    ]
    return [*lines, *(_warped(metric, orbit) for metric in metrics)]


def _warped(metric: WarpedError | WarpedLpips, orbit: OrbitVideo) -> CardLine:
    found = metric(orbit.video, orbit.label > 0, orbit.depth, orbit.cameras)
    limits = (0.02, 0.05) if isinstance(metric, WarpedError) else (0.05, 0.15)
    return CardLine(
        name="Neighbouring frames" if isinstance(metric, WarpedError) else "Neighbouring frames, as they are perceived",
        value="not measured" if found.value is None else f"{metric.name} {found.value:.4f}",
        meaning="What one frame shows, carried into the next by the scene's own depth, against what the next shows.",
        verdict=Verdict.UNMEASURED if found.value is None else _graded(found.value, *limits),
    )


def _graded(value: float, good: float, fair: float) -> Verdict:
    return Verdict.GOOD if value <= good else Verdict.FAIR if value <= fair else Verdict.POOR


def verdict_of(shares: Float[Tensor, "t 3"]) -> str:
    """In plain words, by what was measured."""
    invented = shares[:, 2]
    most, mean = float(invented.max()), float(invented.mean())
    trusted = int((invented < 0.2).sum())
    return (
        f"Over the whole way, {mean:.0%} of what you see was invented, and {most:.0%} in the frame with the most. "
        f"Trust the {trusted} of {len(shares)} frames in which less than a fifth was invented: those near the photo's "
        "own view. Do not trust the others as a picture of what is really there: the sides and the back are something "
        "that would fit, not something that anybody has seen."
    )


def _stages(orbit: OrbitVideo, cache: SceneCache, account: Account) -> Sequence[StageAccount]:
    photo = cache.views[0].view
    inverse = 1 / photo.depth
    seconds = {"depth": 0.0, "view": 0.0, "frames": 0.0}
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
            takes=[Figure(caption="Your photo", png=figure_png(photo.image))],
            gives=[Figure(caption="Bright is near", png=figure_png(colorize(inverse / inverse.amax())))],
        ),
        StageAccount(
            name="Growing the scene",
            does=(
                f"Walks along the path from both ends and stops {len(cache.views) - 1} times where too much is "
                "unknown; there the holes are painted, the depth of what was painted is fitted to what was known, and "
                "moved out of space that another view has seen to be empty."
            ),
            model=inpainter,
            seconds=seconds["view"],
            gives=[
                Figure(
                    caption=f"View {view.step}: invented parts are tinted",
                    png=figure_png(provenance_colors(view.view.image, view.label)),
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
                    png=figure_png(provenance_colors(orbit.video[frame], orbit.label[frame])),
                )
                for frame in shown
            ],
        ),
    ]
