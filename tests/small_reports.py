"""A report as an orbit would give it, of a procedural world that is filmed all the way around."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from turnaround.io.video import write_video
from turnaround.scenes.observe import film, surface
from turnaround.scenes.sample import WorldSampler
from turnaround.types import WeightsNotice
from turnaround.viz.circle import AroundTheCircle, percent
from turnaround.viz.color import colorize
from turnaround.viz.provenance import around, provenance_colors
from turnaround.viz.report import CardLine, Figure, Film, Report, StageAccount, Verdict, figure_png
from turnaround.viz.report_sources import ORBIT_SOURCES

FRAMES = 12
FIGURES = 9  # of the stages of `small_report`


@cache
def orbit(height, width):
    """Video [t 3 h w], inverse depth of the first frame in [0, 1] [h w], the MP4's bytes."""
    sampler = WorldSampler(height=height, width=width, frames=FRAMES, moving=0.0, paths={"closed_orbit": 1.0})
    scene = sampler(11)
    video, inverse = film(scene), 1 / surface(scene, 0).depth
    with TemporaryDirectory() as folder:
        write_video(Path(folder) / "orbit.mp4", video, fps=6.0)
        return video, inverse / inverse.max(), (Path(folder) / "orbit.mp4").read_bytes()


def labels(height, width):
    """The further around, the larger the share of columns that are generated, then propagated."""
    turned = torch.arange(FRAMES) * (360 / FRAMES)
    away = torch.minimum(turned, 360 - turned) / 180
    column = torch.linspace(0, 1, width).expand(FRAMES, height, width)
    generated, propagated = (0.9 * away)[:, None, None], (1.1 * away).clamp(max=1)[:, None, None]
    return ((column < propagated).to(torch.uint8) + (column < generated).to(torch.uint8)) * (away > 0)[:, None, None]


def figure(caption, image):
    return Figure(caption=caption, picture=figure_png(image))


def small_report(*, photo="photo.jpg", licence="Apache-2.0", height=48, width=64):
    video, inverse, mp4 = orbit(height, width)
    label = labels(height, width).byte()
    turn = AroundTheCircle(degrees=torch.arange(FRAMES) * (360 / FRAMES), shares=around(label))
    stages = [
        StageAccount(
            name="Look at the photo",
            does=f"Reads {photo}, keeps its shape and guesses the angle of its lens.",
            model="no network",
            seconds=0.04,
            gives=[figure("The photo", video[0])],
        ),
        StageAccount(
            name="Tell near from far",
            does="Estimates for every pixel how far away it is, so that the flat photo becomes a relief in space.",
            model="video_depth_small",
            seconds=2.31,
            takes=[figure("The photo", video[0])],
            gives=[figure("Depth: bright is near, dark is far", colorize(inverse))],
        ),
        StageAccount(
            name="Walk around it",
            does="Moves the relief to where a camera further around would see it. What nobody has seen stays empty.",
            model="renderer, no network",
            seconds=8.6,
            takes=[figure("Depth", colorize(inverse))],
            gives=[
                figure(f"{30 * k} degrees around: empty is white", torch.where(label[k] > 0, 1.0, video[k]))
                for k in (1, 6)
            ],
        ),
        StageAccount(
            name="Fill what is missing",
            does="Paints the empty places so that they go on from what is known, and adds them to the scene for good.",
            model="inpaint_small",
            seconds=97.2,
            takes=[figure("Empty places, 30 degrees around", torch.where(label[1] > 0, 1.0, video[1]))],
            gives=[
                figure("Filled; amber is stretched, magenta invented", provenance_colors(video[k], label[k]))
                for k in (1, 6)
            ],
        ),
    ]
    assert sum(len(stage.takes) + len(stage.gives) for stage in stages) == FIGURES
    card = [
        CardLine(
            name="Neighbouring frames agree",
            value="0.021",
            meaning="Carried into the next frame, the colours of one differ by 2 % of full range on average.",
            verdict=Verdict.GOOD,
        ),
        CardLine(
            name="The loop closes",
            value="31.4 dB",
            meaning="The first frame and the one after a full turn are hard to tell apart.",
            verdict=Verdict.FAIR,
        ),
        CardLine(
            name="Seen pixels all around",
            value=percent(float(turn.whole()[0])),
            meaning="More than half of all pixels are not from the photo.",
            verdict=Verdict.POOR,
        ),
        CardLine(
            name="Perceived change between frames",
            value="n/a",
            meaning="LPIPS needs a file of weights that is not here.",
            verdict=Verdict.UNMEASURED,
        ),
    ]
    return Report(
        title=f"Orbit of {photo}",
        question="How does it figure out what it looks like from all sides?",
        answer="It was asked to turn this one photo into a smooth video whose camera goes once around the scene: it "
        "measures what the photo shows, and invents the rest.",
        film=Film(name="orbit.mp4", mp4=mp4, poster=figure_png(video[0])),
        stages=stages,
        around=turn,
        card=card,
        verdict="Within about 40 degrees of the photo you may trust shapes and colours. Do not trust the back: it is "
        "one of many that would fit. Never use it as evidence of what was there.",
        sources=ORBIT_SOURCES,
        weights=[
            WeightsNotice(name="video_depth_small", source="data/checkpoints/video_depth_small", licence=licence),
            WeightsNotice(name="inpaint_small", source="data/checkpoints/inpaint_small", licence=licence),
        ],
        notes=["2 of 12 key views were filled from classical inpainting, for the network's filling was too blurred."],
    )
