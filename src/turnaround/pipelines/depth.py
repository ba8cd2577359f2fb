"""Depth of a whole video: from any file a person has to depth maps and pictures of them, in constant memory.

Two passes over the input. The first estimates: raw maps go to a temporary file, a sample of their values stays in
memory. The second turns raw maps into every output at once. All frames share one scale and shift.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter
from typing import IO

import torch
from jaxtyping import Float
from rich.progress import Progress
from torch import Tensor

from turnaround.io.atomic import atomic_file, atomic_folder, remove_leftovers
from turnaround.io.depth import DepthNpzWriter, DepthPngWriter
from turnaround.io.image import write_image
from turnaround.io.video import FrameSource, VideoWriter, open_frames
from turnaround.pipelines.progress import progress_bar
from turnaround.pipelines.work import content_hash, refuse_to_overwrite, work_folder
from turnaround.types import DepthEstimator, DepthKind, InputError, ResumableDepthEstimator, WeightsNotice
from turnaround.viz.color import colorize
from turnaround.viz.layout import hcat

Estimate = Callable[[Iterable[Tensor]], Iterator[Tensor]]

PERCENTILES = (0.1, 99.9)
SAMPLE_LIMIT = 2**20
FILES, FOLDER, STILL = ("depth.npz", "depth_vis.mp4", "side_by_side.mp4"), "depth", "depth_vis.png"


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
        chosen = keys < self.bound
        self.keys = torch.cat([self.keys, keys[chosen]])
        self.values = torch.cat([self.values, values.flatten()[chosen]])
        while self.keys.numel() > self.limit:
            self.bound /= 2
            chosen = self.keys < self.bound
            self.keys, self.values = self.keys[chosen], self.values[chosen]

    def robust_range(self) -> tuple[float, float]:
        """The stated percentiles, or the extremes where nearly all values are one and the same."""
        low, high = torch.quantile(self.values, torch.tensor(PERCENTILES) / 100).tolist()
        return (low, high) if low < high else (self.minimum, self.maximum)


class RawMaps:
    """Maps as estimated: appended to an open file as plain float32, and read back one at a time."""

    def __init__(self, file: IO[bytes], *, height: int, width: int):
        self.file, self.height, self.width = file, height, width
        self.count, self.sample = 0, ValueSample()

    def append(self, values: Float[Tensor, "h w"]) -> None:
        self.file.write(values.numpy().tobytes())
        self.sample.add(values)
        self.count += 1

    def __iter__(self) -> Iterator[Float[Tensor, "h w"]]:
        self.file.seek(0)
        for _ in range(self.count):
            data = bytearray(self.file.read(4 * self.height * self.width))
            yield torch.frombuffer(data, dtype=torch.float32).view(self.height, self.width)


@dataclass(frozen=True, kw_only=True)
class Normalised:
    """`clip(raw * scale + shift, 0, 1)`."""

    scale: float
    shift: float

    @classmethod
    def spanning(cls, low: float, high: float) -> "Normalised":
        """Takes low to 0 and high to 1; a constant to 0."""
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
    """What `depth.npz` holds: the pictures' values where scale and shift mean nothing, else the estimate itself."""
    match kind:
        case DepthKind.AFFINE_DISPARITY | DepthKind.AFFINE_DEPTH:
            return pictured
        case DepthKind.METRIC | DepthKind.SCALE_INVARIANT:
            return Unchanged()


class Counted:
    """Frames passed on, and how many were asked for so far. told: called for each."""

    def __init__(self, frames: Iterable[Float[Tensor, "3 h w"]], told: Callable[[], None]):
        self.frames, self.count, self.told = iter(frames), 0, told

    def __iter__(self) -> Iterator[Float[Tensor, "3 h w"]]:
        for frame in self.frames:
            self.count += 1
            self.told()
            yield frame


class DepthPipeline:
    """A video file, a folder of images or one image to its depth, everything at the input's size.

    Writes into `out`, all or nothing:

    * `depth.npz`: `depth` [t h w] float32, `kind`, `scale`, `shift`. The affine kinds hold
      `depth = clip(raw * scale + shift, 0, 1)`, where raw is what the estimator gave, and scale and shift, one pair
      for all frames, take its 0.1 and 99.9 percentiles to 0 and 1 (of all values, or of a uniform, repeatable sample
      of about 2**19 to 2**20 when there are more). Metric and scale-invariant depth stays raw: scale 1, shift 0.
    * `depth/00000.png` and so on: 16 bit, `clip(raw * scale + shift, 0, 1)` for every kind.
    * `depth_vis.mp4`, and `depth_vis.png` when there is one frame: the same in colour; bright is near.
    * `side_by_side.mp4`: the input, and its depth in colour to the right of it.

    With a `ResumableDepthEstimator`, a run that was killed goes on where it stopped when it is started again with the
    same `out`, and ends with the same `depth.npz`; what it needs for that lies in `work` until then.

    fps: of the videos written; by default the input's. max_frames: only so many from the start.
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
            raise InputError("fps", expected="a positive number", found=str(fps), fix="or leave it at the input's")
        if max_frames is not None and max_frames < 1:
            raise InputError("max_frames", expected="at least 1", found=str(max_frames), fix="or take all")
        self.estimator, self.input, self.fps, self.max_frames, self.seed = estimator, input, fps, max_frames, seed

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self.estimator.weights

    def run(self, out: Path) -> dict[str, float]:
        """Returns frames, seconds_per_frame (reading and estimating), height, width, and the pictures' scale and shift.

        Raises InputError, and leaves no file in `out`, for an input that cannot be read to its end and for estimates
        that are not one finite map per frame, of its size.
        """
        source = open_frames(Path(self.input))
        refuse_to_overwrite(source.path, out, (*FILES, FOLDER))
        for name in (*FILES, FOLDER, STILL):
            remove_leftovers(out / name)
        with progress_bar() as progress, ExitStack() as stack:
            estimate = stack.enter_context(self._estimating(source, out))  # first, so that its work goes last
            # Under temporary names from here on: a place that cannot be written to is refused before the work,
            # and all of them get their names only when the last one is complete.
            places = {name: stack.enter_context(atomic_file(out / name)) for name in FILES}
            places[FOLDER] = stack.enter_context(atomic_folder(out / FOLDER, pattern="*.png"))
            maps = RawMaps(stack.enter_context(TemporaryFile(dir=out)), height=source.height, width=source.width)
            started = perf_counter()
            self._estimate(source, maps, estimate, progress)
            seconds = perf_counter() - started
            pictured = Normalised.spanning(*maps.sample.robust_range())
            color = self._write(source, maps, pictured, places, progress)
            if maps.count == 1:
                write_image(stack.enter_context(atomic_file(out / STILL)), color)
            else:
                (out / STILL).unlink(missing_ok=True)  # of an earlier run on one image
        return {
            "frames": float(maps.count),
            "seconds_per_frame": seconds / maps.count,
            "height": float(maps.height),
            "width": float(maps.width),
            "scale": pictured.scale,
            "shift": pictured.shift,
        }

    def _frames(self, source: FrameSource) -> Iterator[Float[Tensor, "3 h w"]]:
        return islice(source, self.max_frames)

    @contextmanager
    def _estimating(self, source: FrameSource, out: Path) -> Iterator[Estimate]:
        """The estimator's way from frames to maps, with a folder to go on from where it knows how to."""
        estimator = self.estimator
        if not isinstance(estimator, ResumableDepthEstimator):
            yield partial(estimator.stream, seed=self.seed)
            return
        decisive = (content_hash(source.path), estimator.fingerprint(), str(self.seed), str(self.max_frames))
        with work_folder(out, *decisive) as work:
            yield partial(estimator.resume, seed=self.seed, work=work)

    def _estimate(self, source: FrameSource, maps: RawMaps, estimate: Estimate, progress: Progress) -> None:
        limits = [limit for limit in (source.frames, self.max_frames) if limit is not None]
        total = min(limits) if source.frames is not None else None
        read, task = (progress.add_task(name, total=total) for name in ("reading", "estimating"))
        frames = Counted(self._frames(source), lambda: progress.advance(read))
        for raw in estimate(frames):
            raw = raw.detach().float().cpu()
            self._require_sound(raw, source, maps.count)
            maps.append(raw)
            progress.advance(task)
        next(iter(frames), None)  # one that the estimator left over counts as asked for
        if maps.count != frames.count:
            raise self._unsound(maps.count, "one map per frame", f"{maps.count} for the {frames.count} frames read")

    def _require_sound(self, raw: Tensor, source: FrameSource, index: int) -> None:
        size = (source.height, source.width)
        if tuple(raw.shape) != size:
            raise self._unsound(index, f"a map of {size}", f"{tuple(raw.shape)}")
        if unknown := int((~raw.isfinite()).sum()):
            raise self._unsound(index, "finite depth", f"{unknown} pixels that are NaN or infinite")

    def _unsound(self, index: int, expected: str, found: str) -> InputError:
        return InputError(
            f"{self.input}, frame {index}",
            expected=f"{expected} from {self.estimator.name}",
            found=found,
            fix="try other weights or a higher precision",
        )

    def _write(
        self, source: FrameSource, maps: RawMaps, pictured: Normalised, places: Mapping[str, Path], progress: Progress
    ) -> Float[Tensor, "3 h w"]:
        """The second pass; returns the last picture in colour."""
        kind, fps = self.estimator.kind, self.fps or source.fps
        stored = stored_as(kind, pictured)
        task = progress.add_task("writing", total=maps.count)
        with (
            DepthNpzWriter(
                places["depth.npz"], frames=maps.count, height=maps.height, width=maps.width, kind=kind
            ) as npz,
            DepthPngWriter(places[FOLDER]) as pngs,
            VideoWriter(places["depth_vis.mp4"], fps=fps) as colors,
            VideoWriter(places["side_by_side.mp4"], fps=fps) as pairs,
        ):
            npz.calibrate(scale=stored.scale, shift=stored.shift)
            for frame, raw in zip(self._frames(source), maps, strict=True):
                picture = pictured(raw)
                color = colorize(picture if kind.is_disparity else 1 - picture)
                npz.write(stored(raw))
                pngs.write(picture)
                colors.write(color)
                pairs.write(hcat([frame, color]))
                progress.advance(task)
        return color
