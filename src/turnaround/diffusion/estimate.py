"""A `DepthEstimator` from any depth network and sampler."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.diffusion.placing import fingerprint, frame_noise, place, require_overlap, resize, scaled_size
from turnaround.diffusion.sample import Sampler
from turnaround.diffusion.store import EstimatedWindow, WindowStore
from turnaround.diffusion.windows import join, synchronize, windows
from turnaround.io.shots import OneShot, ShotCuts
from turnaround.types import DepthKind, DepthNetwork, WeightsNotice

Frame = Float[Tensor, "3 h w"]


class DepthDiffusion:
    """Estimates disparity in windows of `window` frames that overlap by `overlap`, in constant memory.

    Frames are resized to about `pixels` pixels, keeping their aspect, for the network, and its maps are resized back.
    No window reaches across a cut that `shots` finds. The noise of a frame depends on the seed and the frame's number
    alone, so an overlapped frame keeps it; a window that continues another one starts as the sampler has it. Estimated
    windows lie on disk until the last one is there; then one solve over all overlaps brings them to one
    scale and shift. Shots share nothing, so each has its own.

    With window 1 and overlap 0 the network runs frame by frame, and each frame keeps a scale and shift of its own.
    device: where the network runs, "auto" for a GPU where there is one.
    """

    kind = DepthKind.AFFINE_DISPARITY

    def __init__(
        self,
        *,
        network: DepthNetwork,
        sampler: Sampler,
        shots: ShotCuts | OneShot,
        window: int,
        overlap: int,
        pixels: int,
        device: str,
        name: str,
    ):
        require_overlap(window, overlap)
        self.network, self.sampler, self.shots = network, sampler, shots
        self.window, self.overlap = window, overlap
        self.pixels, self.name = pixels, name
        self.device = place(network, device)

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self.network.weights

    def stream(self, frames: Iterable[Frame], *, seed: int) -> Iterator[Float[Tensor, "h w"]]:
        with TemporaryDirectory(prefix="turnaround_") as folder:
            yield from self.resume(frames, seed=seed, work=Path(folder))

    def resume(self, frames: Iterable[Frame], *, seed: int, work: Path) -> Iterator[Float[Tensor, "h w"]]:
        """As `stream`; windows go to the folder `work`, and those that lie there are not estimated again."""
        store, size = WindowStore(work), (0, 0)

        def small() -> Iterator[Tensor]:
            nonlocal size
            for frame in frames:
                size = (frame.shape[1], frame.shape[2])
                yield resize(frame[None], self.working_size(*size))[0]

        for number, (items, start, seen) in enumerate(self._windows(small())):
            if number >= store.count:
                known = store[number - 1].latents[-seen:] if seen else None
                store.append(self._window(torch.stack(items), start, known, seed))
        for values in join(store, synchronize(store), overlap=self.overlap):
            yield resize(values[None, None], size)[0, 0]

    def fingerprint(self) -> str:
        """Changes with whatever decides the maps: settings and weights."""
        return fingerprint((self.sampler, self.shots, self.window, self.overlap, self.pixels), self.network)

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of about `pixels` in all, multiples of what the network needs."""
        ratio = (self.pixels / (height * width)) ** 0.5
        return scaled_size(height, width, ratio=ratio, multiple=self.network.size_multiple)

    def _windows(self, frames: Iterable[Frame]) -> Iterator[tuple[list[Frame], int, int]]:
        """Frames of each window, the number of the first, and how many were in the window before."""
        start = 0
        for _, shot in groupby(self.shots.label(frames), key=itemgetter(1)):
            for items, seen in windows((frame for frame, _ in shot), self.window, self.overlap):
                yield items, start - seen, seen
                start += len(items) - seen

    @torch.inference_mode()
    def _window(
        self, video: Float[Tensor, "n 3 h w"], start: int, known: Float[Tensor, "k d y x"] | None, seed: int
    ) -> EstimatedWindow:
        condition = self.network.condition(video[None].to(self.device))
        shape = (self.network.depth_channels, *condition.latents.shape[-2:])
        noise = torch.stack([frame_noise(shape, seed, start + i) for i in range(len(video))])
        before = None if known is None else known[None].to(self.device)
        latents = self.sampler.sample(self.network, condition, noise[None].to(self.device), before)
        # Networks learn disparity in [0, 1]: what lies outside is error, and would move the alignment most.
        maps = self.network.decode_disparity(latents)[0].float().clamp(0, 1).cpu()
        return EstimatedWindow(
            start=start, seen=0 if known is None else len(known), maps=maps, latents=latents[0].cpu()
        )
