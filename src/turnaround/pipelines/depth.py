"""Depth of a whole video: from any file a person has to depth maps and pictures of them, in constant memory.

Two passes over the input. The first estimates: raw maps go to a temporary file, a sample of their values stays in
memory. The second turns raw maps into every output at once. All frames share one scale and shift.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from jaxtyping import Float
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from turnaround.io.depth import DepthNpzWriter, DepthPngWriter
from turnaround.io.image import write_image
from turnaround.io.video import FrameSource, VideoWriter, open_frames
from turnaround.types import DepthEstimator, DepthKind, InputError
from turnaround.viz.color import colorize
from turnaround.viz.layout import hcat

PERCENTILES = (0.1, 99.9)
SAMPLE_LIMIT = 2**20
OUTPUTS = ("depth.npz", "depth", "depth_vis.mp4", "depth_vis.png", "side_by_side.mp4")


class ValueSample:
    """The extremes of a stream of maps, and a uniform sample of its values that never exceeds `limit`.

    Every value gets a random key in [0, 1); the sample holds the values whose key lies below `bound`, which halves
    whenever they become too many. So each value is in with the same chance, and a short stream is held whole.
    """

    def __init__(self, *, limit: int = SAMPLE_LIMIT):
        self.limit, self.bound = limit, 1.0
        self.minimum, self.maximum = float("inf"), float("-inf")
        self.keys, self.values = torch.empty(0), torch.empty(0)
        self.generator = torch.Generator().manual_seed(0)

    def add(self, values: Float[Tensor, "h w"]) -> None:
        self.minimum = min(self.minimum, values.min().item())
        self.maximum = max(self.maximum, values.max().item())
        keys = torch.rand(values.numel(), generator=self.generator)
        self.keys = torch.cat([self.keys, keys])
        self.values = torch.cat([self.values, values.flatten()])
        self._keep_below(self.bound)
        while self.keys.numel() > self.limit:
            self.bound /= 2
            self._keep_below(self.bound)

    def _keep_below(self, bound: float) -> None:
        kept = self.keys < bound
        self.keys, self.values = self.keys[kept], self.values[kept]

    def robust_range(self) -> tuple[float, float]:
        """The stated percentiles, or the extremes where nearly all values are one and the same."""
        low, high = torch.quantile(self.values, torch.tensor(PERCENTILES) / 100).tolist()
        return (low, high) if low < high else (self.minimum, self.maximum)


@dataclass(frozen=True, kw_only=True)
class Normalised:
    """`clip(raw * scale + shift, 0, 1)`."""

    scale: float
    shift: float

    @classmethod
    def spanning(cls, low: float, high: float) -> "Normalised":
        """The map that takes low to 0 and high to 1; a constant to 0."""
        scale = 1 / (high - low) if low < high else 1.0
        return cls(scale=scale, shift=-low * scale)

    def __call__(self, raw: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
        # In double: a small range on a large offset would lose its digits.
        return (raw.double() * self.scale + self.shift).clamp(0, 1).float()


@dataclass(frozen=True, kw_only=True)
class Unchanged:
    """Raw values as they are."""

    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, raw: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
        return raw


def stored_as(kind: DepthKind, pictured: Normalised) -> Normalised | Unchanged:
    """What `depth.npz` holds: values like the pictures' where scale and shift mean nothing, else the estimate itself."""
    match kind:
        case DepthKind.AFFINE_DISPARITY | DepthKind.AFFINE_DEPTH:
            return pictured
        case DepthKind.METRIC | DepthKind.SCALE_INVARIANT:
            return Unchanged()


@dataclass(frozen=True, kw_only=True)
class RawMaps:
    """Estimated maps in a plain file of float32, read back one at a time."""

    path: Path
    frames: int
    height: int
    width: int
    sample: ValueSample

    def __iter__(self) -> Iterator[Float[Tensor, "h w"]]:
        with self.path.open("rb") as file:
            for _ in range(self.frames):
                data = bytearray(file.read(4 * self.height * self.width))
                yield torch.frombuffer(data, dtype=torch.float32).view(self.height, self.width)


class DepthPipeline:
    """A video file, a folder of images or one image to its depth, everything at the input's size.

    Writes into `out`, all or nothing:

    * `depth.npz`: `depth` [t h w] float32, `kind`, `scale`, `shift`. The affine kinds hold
      `depth = clip(raw * scale + shift, 0, 1)`, where raw is what the estimator gave and scale and shift, one pair for
      all frames, take its 0.1 and 99.9 percentiles to 0 and 1 (of all values, or of a uniform, repeatable sample of
      2**19 to 2**20 when there are more). Metric and scale-invariant depth is held raw, with scale 1 and shift 0.
    * `depth/00000.png` and so on: 16 bit, `clip(raw * scale + shift, 0, 1)` for every kind.
    * `depth_vis.mp4`, and `depth_vis.png` when there is one frame: the same in colour; bright is near.
    * `side_by_side.mp4`: the input, and its depth in colour to the right of it.

    fps: of the videos written; by default the input's. max_frames: stop after so many.
    """

    def __init__(
        self,
        *,
        estimator: DepthEstimator,
        input: str,
        fps: float | None = None,
        max_frames: int | None = None,
        seed: int,
    ):
        if fps is not None and not 0 < fps < float("inf"):
            raise InputError("fps", expected="a positive number or null", found=str(fps), fix="set fps=24, say")
        if max_frames is not None and max_frames < 1:
            raise InputError("max_frames", expected="at least 1, or null", found=str(max_frames), fix="leave it out")
        self.estimator, self.input, self.fps, self.max_frames, self.seed = estimator, input, fps, max_frames, seed

    def run(self, out: Path) -> dict[str, float]:
        """The size, the seconds per frame (reading and estimating), and the scale and shift of the pictures.

        Raises InputError for an input that cannot be read or is empty, and for an estimate that is not one finite map
        of the frame's size per frame; nothing is left in `out` then.
        """
        source = open_frames(Path(self.input))
        _refuse_input_among_outputs(source.path, out)
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out, prefix=".depth_") as folder, _progress_bar() as progress:
            staging, raw_path = Path(folder), Path(folder) / "raw.float32"
            start = perf_counter()
            raw = self._estimate(source, raw_path, progress)
            seconds = perf_counter() - start
            pictured = Normalised.spanning(*raw.sample.robust_range())
            self._write(source, raw, pictured, staging, progress)
            raw_path.unlink()
            _publish(staging, out)
        return {
            "frames": float(raw.frames),
            "seconds_per_frame": seconds / raw.frames,
            "height": float(raw.height),
            "width": float(raw.width),
            "scale": pictured.scale,
            "shift": pictured.shift,
        }

    def _frames(self, source: FrameSource) -> Iterator[Float[Tensor, "3 h w"]]:
        return islice(iter(source), self.max_frames)

    def _estimate(self, source: FrameSource, path: Path, progress: Progress) -> RawMaps:
        known = source.frames is not None
        task = progress.add_task("depth", total=min(source.frames, self.max_frames or source.frames) if known else None)
        sample, written, given = ValueSample(), 0, _Counted(self._frames(source))
        with path.open("wb") as file:
            for raw in self.estimator.stream(given, seed=self.seed):
                raw = raw.detach().to("cpu", torch.float32).contiguous()
                self._check(raw, source, written)
                file.write(raw.numpy().tobytes())
                sample.add(raw)
                written += 1
                progress.advance(task)
        return None
