"""DepthCrafter's released inference, step for step: the preset to compare with."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.diffusion.placing import place, require_overlap, resize, scaled_size
from turnaround.diffusion.sample import descend, first_latents
from turnaround.diffusion.schedule import KarrasLevels
from turnaround.types import Condition, DepthKind, DepthNetwork, InputError, VelocityNetwork, WeightsNotice

Latents = Float[Tensor, "1 _ d y x"]


@dataclass(frozen=True)
class Guided:
    """Classifier-free guidance: away from what the network says of zero tokens and zero RGB latents."""

    network: VelocityNetwork
    scale: float

    def velocity(self, scaled, c_noise, condition):
        blank = Condition(latents=torch.zeros_like(condition.latents), tokens=torch.zeros_like(condition.tokens))
        free = self.network.velocity(scaled, c_noise, blank)
        return free + self.scale * (self.network.velocity(scaled, c_noise, condition) - free)


class PublishedInference:
    """The loop of DepthCrafter's release (arXiv 2409.02095, section 3.4 and `depth_crafter_ppl.py`).

    All frames are encoded first, with noise of strength `augmentation` (in [-1, 1]) on what the VAE sees; windows of
    `window` frames share their noise and, as latents, blend linearly where they overlap; all is decoded at the end and
    brought to [0, 1] by its minimum and maximum. So memory grows with the length of the video, `stream` gives nothing
    before it has read all, and a video of at most `window` frames is one window. guidance: 1 for none. Frames are
    resized to multiples of `multiple` pixels, none above `longest_side`.
    """

    kind = DepthKind.AFFINE_DISPARITY

    def __init__(
        self,
        *,
        network: DepthNetwork,
        steps: int,
        sigma_min: float,
        sigma_max: float,
        rho: float,
        window: int,
        overlap: int,
        guidance: float,
        augmentation: float,
        multiple: int,
        longest_side: int,
        device: str,
        name: str,
    ):
        require_overlap(window, overlap)
        if multiple % network.size_multiple:
            expected = f"a multiple of {network.size_multiple}, which the network needs"
            raise InputError("multiple", expected=expected, found=str(multiple), fix="correct inference.multiple")
        self.levels = KarrasLevels(steps=steps, sigma_min=sigma_min, sigma_max=sigma_max, rho=rho)
        self.network, self.window, self.overlap = network, window, overlap
        self.guidance, self.augmentation = guidance, augmentation
        self.multiple, self.longest_side, self.name = multiple, longest_side, name
        self.device = place(network, device)

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self.network.weights

    def stream(self, frames: Iterable[Float[Tensor, "3 h w"]], *, seed: int) -> Iterator[Float[Tensor, "h w"]]:
        held: list[Tensor] = []
        size: tuple[int, int] | None = None
        for frame in frames:
            size = size or (frame.shape[1], frame.shape[2])
            held.append(resize(frame[None], self.working_size(*size))[0])
        if size is None:
            return
        for values in self._estimate(torch.stack(held), seed):
            yield resize(values[None, None], size)[0, 0]

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        ratio = min(1.0, self.longest_side / max(height, width))
        return scaled_size(height, width, ratio=ratio, multiple=self.multiple)

    @torch.inference_mode()
    def _estimate(self, video: Float[Tensor, "t 3 h w"], seed: int) -> Float[Tensor, "t h w"]:
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(video.shape, generator=generator)  # before that of the latents, from the same generator
        noisy = video + self.augmentation / 2 * noise  # / 2: the strength is meant in [-1, 1]
        condition = self.network.condition(video[None].to(self.device), noisy[None].to(self.device))
        latents = self._denoised(condition, generator)
        disparity = self.network.decode_published(latents)[0].float().cpu()
        low, high = disparity.aminmax()
        return (disparity - low) / (high - low) if high > low else torch.zeros_like(disparity)

    def _denoised(self, condition: Condition, generator: torch.Generator) -> Latents:
        """All windows, joined as they come."""
        frames = condition.latents.shape[1]
        window, overlap = (self.window, self.overlap) if frames > self.window else (frames, 0)
        noise = self._noise(condition, window, generator)
        joined: Tensor | None = None
        for start in range(0, max(frames - overlap, 1), window - overlap):
            end = min(start + window, frames)
            part = Condition(latents=condition.latents[:, start:end], tokens=condition.tokens[:, start:end])
            latents = self._window(part, noise[:, : end - start], joined, overlap)
            joined = latents if joined is None else _blend(joined, latents, overlap)
            # An overlapped frame keeps its noise: the last ones come first, the others follow.
            noise = torch.cat([noise[:, window - overlap :], noise[:, : window - overlap]], dim=1)
        assert joined is not None
        return joined

    def _window(self, condition: Condition, noise: Latents, before: Tensor | None, overlap: int) -> Latents:
        sigmas = self.levels.sigmas()
        latents = first_latents(noise, sigmas)
        if before is not None and overlap:  # at the first level only, where it is one part in a million of the noise
            latents = latents.clone()
            latents[:, :overlap] = before[:, -overlap:] + float(sigmas[0]) * noise[:, :overlap]
        network = self.network if self.guidance == 1 else Guided(self.network, self.guidance)
        return descend(network, latents, condition, sigmas)

    def _noise(self, condition: Condition, window: int, generator: torch.Generator) -> Latents:
        shape = (1, window, self.network.depth_channels, *condition.latents.shape[-2:])
        return torch.randn(shape, generator=generator).to(self.device)


def _blend(before: Latents, after: Latents, overlap: int) -> Latents:
    """The overlap falls linearly from the old to the new: weights 0 to 1, both ends included."""
    if not overlap:
        return torch.cat([before, after], dim=1)
    weight = torch.linspace(0, 1, overlap, device=after.device)[None, :, None, None, None]
    mixed = weight * after[:, :overlap] + (1 - weight) * before[:, -overlap:]
    return torch.cat([before[:, :-overlap], mixed, after[:, overlap:]], dim=1)
