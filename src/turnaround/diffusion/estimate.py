"""A `DepthEstimator` from any depth network and sampler."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from turnaround.diffusion.sample import Sampler
from turnaround.diffusion.windows import join, windows
from turnaround.types import DepthKind, DepthNetwork, WeightsNotice


class DepthDiffusion:
    """Estimates disparity in windows of `window` frames that overlap by `overlap`.

    Frames are resized to about `pixels` pixels, keeping their aspect, for the network, and its maps are resized back.
    The noise of a frame depends on the seed and the frame's number alone, so an overlapped frame keeps it. With
    window 1 and overlap 0 the network runs frame by frame, and each frame keeps a scale and shift of its own.
    device: where the network is, "auto" for a GPU where there is one.
    """

    kind = DepthKind.AFFINE_DISPARITY

    def __init__(
        self,
        *,
        network: DepthNetwork,
        sampler: Sampler,
        window: int,
        overlap: int,
        pixels: int,
        device: str,
        name: str,
    ):
        self.network, self.sampler, self.window, self.overlap = network, sampler, window, overlap
        self.pixels, self.name = pixels, name
        self.device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self.network.weights

    def stream(self, frames: Iterable[Float[Tensor, "3 h w"]], *, seed: int) -> Iterator[Float[Tensor, "h w"]]:
        size: tuple[int, int] | None = None

        def small() -> Iterator[Tensor]:
            nonlocal size
            for frame in frames:
                size = size or (frame.shape[1], frame.shape[2])
                yield resize(frame[None], self.working_size(*size))[0]

        def estimate(items: list[Tensor], number: int) -> Float[Tensor, "n h w"]:
            return self._window(torch.stack(items), number, seed)

        for values in join(windows(small(), self.window, self.overlap), estimate, overlap=self.overlap):
            assert size is not None
            yield resize(values[None, None], size)[0, 0]

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of about `pixels` in all, multiples of what the network needs."""
        multiple, ratio = self.network.size_multiple, (self.pixels / (height * width)) ** 0.5
        rows, columns = (max(round(side * ratio / multiple), 1) * multiple for side in (height, width))
        return rows, columns

    @torch.inference_mode()
    def _window(self, video: Float[Tensor, "n 3 h w"], number: int, seed: int) -> Float[Tensor, "n h w"]:
        condition = self.network.condition(video[None].to(self.device))
        shape = self.network.encode_disparity(video[None, :1, 0].to(self.device)).shape[2:]
        noise = torch.stack([frame_noise(shape, seed, number + i) for i in range(len(video))])
        latents = self.sampler.sample(self.network, condition, noise[None].to(self.device))
        return self.network.decode_disparity(latents)[0].float().cpu()


def frame_noise(shape: torch.Size, seed: int, number: int) -> Tensor:
    """Unit normal noise of one frame, a function of the seed and the frame's number."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)
    return torch.randn(shape, generator=generator)


def resize(images: Float[Tensor, "n c h w"], size: tuple[int, int]) -> Float[Tensor, "n c y x"]:
    """Bilinear, with antialiasing where it shrinks."""
    if images.shape[-2:] == size:
        return images
    return interpolate(images, size=size, mode="bilinear", antialias=True)
