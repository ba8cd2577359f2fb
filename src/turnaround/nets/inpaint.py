"""Inpainting networks: a denoiser of latents that also sees the known part and where the holes are."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Float
from torch import Tensor, nn

from turnaround.geometry.holes import FILLINGS
from turnaround.nets.picture_codec import PictureCodec
from turnaround.nets.svd import VIDEO_BLOCKS, PerFrameUNet, checkpoint_blocks
from turnaround.nets.tokens import FrameTokens
from turnaround.types import Condition, InputError, WeightsNotice

# Logarithms of weights before anything is learned: mostly the mean of what comes smoothly from behind and the far side
# of a row, which is ahead of either on clips of seeds 50000 on, and a little of the others, so that they are tried.
PRIOR = (0.0, 0.0, -3.0, -3.0, -3.0)


class Denoiser(nn.Module, ABC):
    """A UNet, whatever it was trained to predict, as a velocity network of frames."""

    in_channels: int
    out_channels: int
    token_channels: int  # of one token per frame; 0: it attends to none
    size_multiple: int  # of its latents
    blocks: tuple[type[nn.Module], ...]  # what holds most of the activations of it and of its codec's decoder

    @abstractmethod
    def arrange(self, seen: Float[Tensor, "b t c y x"], hole: Float[Tensor, "b t m y x"]) -> Float[Tensor, "b t k y x"]:
        """The channels that follow the noisy latents, in the order its weights expect."""

    @abstractmethod
    def forward(
        self, inputs: Float[Tensor, "b t c y x"], c_noise: Float[Tensor, "b t"], tokens: Float[Tensor, "b t k"]
    ) -> Float[Tensor, "b t d y x"]:
        """The velocity. inputs: scaled noisy latents and what `arrange` gave. c_noise: ln(sigma) / 4."""


class ImageUNet(UNet2DConditionModel):
    """diffusers' UNet of Stable Diffusion, under a name of this package: a net's config builds what it defines."""


class ImageDenoiser(Denoiser):
    """Stable Diffusion's inpainting UNet on each frame by itself: noisy latents, holes, then what is seen.

    It attends to the same `prompt` tokens everywhere, those of an empty text where they were published, else trained.
    Its time steps are those of a variance preserving schedule with sigma = sqrt(1 / alphas_cumprod - 1).

    prediction: "velocity" or "epsilon". schedule: `beta_start`, `beta_end` of 1000 steps, linear in the square root.
    """

    token_channels = 0
    blocks = (ResnetBlock2D, Transformer2DModel)

    def __init__(self, *, unet: ImageUNet, prediction: str, prompt_tokens: int, beta_start: float, beta_end: float):
        super().__init__()
        if prediction not in ("velocity", "epsilon"):
            expected, fix = "velocity or epsilon", "see the scheduler of the weights"
            raise InputError("net.unet.prediction", expected=expected, found=prediction, fix=fix)
        self.unet, self.prediction = unet, prediction
        self.in_channels, self.out_channels = unet.config["in_channels"], unet.config["out_channels"]
        self.size_multiple = 2 ** (len(unet.config["block_out_channels"]) - 1)
        self.prompt = nn.Parameter(0.02 * torch.randn(prompt_tokens, unet.config["cross_attention_dim"]))
        betas = torch.linspace(beta_start**0.5, beta_end**0.5, 1000, dtype=torch.float64) ** 2
        kept = (1 - betas).cumprod(0)
        self.register_buffer("log_sigmas", ((1 - kept) / kept).sqrt().log().float(), persistent=False)

    def arrange(self, seen, hole):
        return torch.cat([hole, seen], dim=2)

    def forward(self, inputs, c_noise, tokens):
        dtype = self.unet.dtype
        steps = self.time_steps(c_noise).flatten()
        prompt = self.prompt.to(dtype).expand(len(steps), *self.prompt.shape)
        told = self.told(len(steps))
        raw = self.unet(
            inputs.flatten(0, 1).to(dtype), steps, prompt, added_cond_kwargs=told or None, return_dict=False
        )[0]
        raw = raw.to(inputs.dtype).unflatten(0, inputs.shape[:2])
        if self.prediction == "velocity":
            return raw
        sigma = (4 * c_noise.to(raw)).exp()[:, :, None, None, None]
        scaled = inputs[:, :, : self.out_channels]
        # x = alpha (x0 + sigma eps), v = alpha (eps - sigma x0), alpha = 1 / sqrt(1 + sigma^2): v in x and eps
        return (1 + sigma**2).sqrt() * raw - sigma * scaled

    def told(self, frames: int) -> Mapping[str, Tensor]:
        """What the UNet is told of its frames beside the tokens."""
        return {}

    def time_steps(self, c_noise: Float[Tensor, "b t"]) -> Float[Tensor, "b t"]:
        """Between the steps whose sigmas lie around that of each frame, linear in its logarithm."""
        table = self.get_buffer("log_sigmas")
        wanted = (4 * c_noise).to(table).clamp(table[0], table[-1]).contiguous()
        after = torch.searchsorted(table, wanted).clamp(1, len(table) - 1)
        low, high = table[after - 1], table[after]
        return after - 1 + (wanted - low) / (high - low)


class BlendingDenoiser(ImageDenoiser):
    """One that gives weights of the fillings that its codec made of what is seen, and what has to be added.

    It starts with the weights of PRIOR and nothing to be added. cell: pixels of a latent cell, each of which has
    weights of its own.
    """

    def __init__(self, *, unet: ImageUNet, cell: int, prompt_tokens: int, beta_start: float, beta_end: float):
        super().__init__(
            unet=unet, prediction="velocity", prompt_tokens=prompt_tokens, beta_start=beta_start, beta_end=beta_end
        )
        self.cell = cell
        self.out_channels -= FILLINGS * cell
        _silence(unet.conv_out)

    def forward(self, inputs, c_noise, tokens):
        seen = inputs[:, :, -FILLINGS * self.out_channels :]
        return blended(super().forward(inputs, c_noise, tokens), seen, c_noise, self.cell)


class VideoDenoiser(Denoiser):
    """Stable Video Diffusion's UNet: noisy latents, what is seen, then holes (StereoCrafter, arXiv 2409.07447).

    added_time_ids: frames per second, motion bucket and noise augmentation that it is told.
    """

    blocks = VIDEO_BLOCKS

    def __init__(self, *, unet: PerFrameUNet, added_time_ids: Sequence[float]):
        super().__init__()
        self.unet, self.added_time_ids = unet, tuple(added_time_ids)
        self.in_channels, self.out_channels = unet.config["in_channels"], unet.config["out_channels"]
        self.token_channels = unet.config["cross_attention_dim"]
        self.size_multiple = 2 ** (len(unet.config["block_out_channels"]) - 1)

    def arrange(self, seen, hole):
        return torch.cat([seen, hole], dim=2)

    def forward(self, inputs, c_noise, tokens):
        dtype = self.unet.dtype
        added = inputs.new_tensor(self.added_time_ids, dtype=dtype).expand(len(inputs), -1)
        return self.unet(inputs.to(dtype), c_noise, tokens.to(dtype), added).to(inputs.dtype)


class BlendingVideoDenoiser(VideoDenoiser):
    """One that gives weights of fillings and what has to be added, as `BlendingDenoiser`."""

    def __init__(self, *, unet: PerFrameUNet, cell: int, added_time_ids: Sequence[float]):
        super().__init__(unet=unet, added_time_ids=added_time_ids)
        self.cell = cell
        self.out_channels -= FILLINGS * cell
        _silence(unet.conv_out)

    def forward(self, inputs, c_noise, tokens):
        seen = inputs[:, :, self.out_channels : (FILLINGS + 1) * self.out_channels]
        return blended(super().forward(inputs, c_noise, tokens), seen, c_noise, self.cell)


def blended(
    raw: Float[Tensor, "b t r y x"], seen: Float[Tensor, "b t s y x"], c_noise: Float[Tensor, "b t"], cell: int
) -> Float[Tensor, "b t d y x"]:
    """The velocity to x0 = r + sum_n w_n seen_n.

    raw: the velocity to r, then for each filling and pixel of a cell the logarithm of a weight, less that of `PRIOR`.
    """
    added, votes = raw.split([raw.shape[2] - FILLINGS * cell, FILLINGS * cell], dim=2)
    votes = votes.unflatten(2, (FILLINGS, 1, cell))
    weights = (votes + votes.new_tensor(PRIOR)[:, None, None, None, None]).softmax(dim=2)
    mixed = (weights * seen.unflatten(2, (FILLINGS, -1, cell))).sum(dim=2).flatten(2, 3)
    return added - _share_of_seen(c_noise, added) * mixed


def _silence(convolution: nn.Conv2d) -> None:
    """It gives zero."""
    assert convolution.bias is not None
    nn.init.zeros_(convolution.weight)
    nn.init.zeros_(convolution.bias)


def _share_of_seen(c_noise: Float[Tensor, "b t"], like: Tensor) -> Float[Tensor, "b t 1 1 1"]:
    """Of x0 = seen + r the velocity is that of r less this times seen: sigma / sqrt(1 + sigma^2)."""
    sigma = (4 * c_noise.to(like)).exp()[:, :, None, None, None]
    return sigma * (1 + sigma**2) ** -0.5


class NoTokens(FrameTokens):
    """For denoisers that attend to no frame."""

    channels = 0

    def forward(self, video, latents):
        return video.new_zeros(*video.shape[:2], 0)


class LatentInpaintNetwork(nn.Module):
    """A denoiser with its codec and image tokens: an `InpaintNetwork`.

    weights: whose they are, where they were published. architecture: the config that builds the network, where it was
    loaded from a published folder.
    """

    weights: Sequence[WeightsNotice]
    architecture: Mapping[str, Any] | None = None

    def __init__(self, *, unet: Denoiser, codec: PictureCodec, tokens: FrameTokens):
        super().__init__()
        self.weights = ()
        self.unet, self.codec, self.tokens = unet, codec, tokens
        expected = {
            "in_channels": (1 + codec.fillings) * codec.latent_channels + codec.hole_channels,
            "out_channels": codec.latent_channels,
            "token_channels": tokens.channels,
        }
        wrong = {key: (getattr(unet, key), value) for key, value in expected.items() if getattr(unet, key) != value}
        if wrong:
            raise ValueError(f"net.unet does not fit net.codec and net.tokens (is, should be): {wrong}")
        self.picture_channels, self.latent_channels = codec.picture_channels, codec.latent_channels
        self.color_channels = codec.color_channels
        self.factor, self.size_multiple = codec.factor, codec.factor * unet.size_multiple

    def enable_gradient_checkpointing(self) -> None:
        """In training, keeps the inputs of residual blocks and transformers and computes what is in them again."""
        checkpoint_blocks(self, self.unet.blocks)

    def condition(self, seen, hole):
        latents = self.codec.encode_seen(seen, hole)
        tokens = self.tokens(seen[:, :, :3], latents[:, :, : self.latent_channels])
        return Condition(latents=self.unet.arrange(latents, self.codec.encode_hole(hole).to(latents)), tokens=tokens)

    def encode(self, pictures):
        return self.codec.encode(pictures)

    def decode(self, latents):
        return self.codec.decode(latents)

    def velocity(self, scaled, c_noise, condition):
        return self.unet(torch.cat([scaled, condition.latents.to(scaled)], dim=2), c_noise, condition.tokens)
