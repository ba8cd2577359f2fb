"""The orbit to look at: frames, a video, a GIF, and the video with what was invented in colour."""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from turnaround.geometry.projection import unproject
from turnaround.io.atomic import atomic_file
from turnaround.io.image import quantise, write_cutout, write_image
from turnaround.io.video import VideoWriter, write_video
from turnaround.pipelines.orbit.exports.export import Export, Finished
from turnaround.types import InputError
from turnaround.viz.provenance import provenance_colors

PALETTE_PIXELS = 2**20  # of all frames together, from which a GIF's colours are chosen


class Frames(Export):
    """`frames/00000.png` and so on, 8 bits."""

    names = ("frames/",)

    def write(self, out: Path, finished: Finished) -> None:
        for number, frame in enumerate(finished.orbit.video):
            write_image(out / "frames" / f"{number:05d}.png", frame)


class Cutout(Export):
    """`cutout/00000.png` and so on: the frames, transparent and black but for the ball that holds the subject."""

    names = ("cutout/",)

    def write(self, out: Path, finished: Finished) -> None:
        orbit, setting = finished.orbit, finished.setting
        away = unproject(orbit.depth, orbit.cameras) - setting.pivot.to(orbit.depth)
        opaque = (away.norm(dim=-1) <= setting.radius).to(orbit.video)
        for number, frame in enumerate(orbit.video):
            write_cutout(out / "cutout" / f"{number:05d}.png", frame * opaque[number], opaque[number])


class Mp4(Export):
    """`orbit.mp4`."""

    names = ("orbit.mp4",)

    def write(self, out: Path, finished: Finished) -> None:
        write_video(out / "orbit.mp4", finished.orbit.video, fps=finished.setting.fps)


class Gif(Export):
    """`orbit.gif`, which loops for ever, with one palette for all frames.

    side: most pixels of the longer side; larger frames are made smaller.
    """

    names = ("orbit.gif",)

    def __init__(self, *, side: int):
        if side < 1:
            raise InputError("side", expected="at least 1 pixel", found=str(side), fix="leave it at its default")
        self.side = side

    def write(self, out: Path, finished: Finished) -> None:
        frames = [self._pixels(frame) for frame in finished.orbit.video]
        palette = _palette(frames)
        pictures = [Image.fromarray(frame).quantize(palette=palette) for frame in frames]
        # Hundredths of a second are the format's clock; browsers take less than two for ten.
        duration = max(round(100 / finished.setting.fps), 2) * 10
        with atomic_file(out / "orbit.gif") as temporary:
            pictures[0].save(
                temporary,
                format="GIF",
                save_all=True,
                append_images=pictures[1:],
                duration=duration,
                loop=0,
                optimize=False,
                palette=bytes(palette.getpalette() or []),  # else each frame carries its own copy
            )

    def _pixels(self, frame: Float[Tensor, "3 h w"]) -> np.ndarray:
        """[y x 3] uint8."""
        share = min(self.side / max(frame.shape[1:]), 1.0)
        size = [max(round(share * side), 1) for side in frame.shape[1:]]
        small = interpolate(frame[None], size, mode="bilinear", antialias=True)[0] if share < 1 else frame
        return np.ascontiguousarray(quantise("orbit.gif", small.clamp(0, 1), 255).transpose(1, 2, 0))


class ProvenanceMp4(Export):
    """`provenance.mp4`: observed pixels as they are, propagated ones in amber, generated ones in magenta."""

    names = ("provenance.mp4",)

    def write(self, out: Path, finished: Finished) -> None:
        with VideoWriter(out / "provenance.mp4", fps=finished.setting.fps) as writer:
            for frame, label in zip(finished.orbit.video, finished.orbit.label, strict=True):
                writer.write(provenance_colors(frame, label))


def _palette(frames: list[np.ndarray]) -> Image.Image:
    """The 256 colours that fit a sample of the pixels of all frames best."""
    pixels = sum(frame.shape[0] * frame.shape[1] for frame in frames)
    stride = max(pixels // PALETTE_PIXELS, 1)
    sample = np.concatenate([frame.reshape(-1, 3)[::stride] for frame in frames])
    return Image.fromarray(sample[None]).quantize(256, method=Image.Quantize.MEDIANCUT)
