"""Frames to latents and back. [-1, 1] exists only here; outside, images and disparities are in [0, 1]."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_kl_temporal_decoder import AutoencoderKLTemporalDecoder
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from turnaround.types import InputError, WeightsNotice


class Codec(nn.Module, ABC):
    """Encodes each frame of RGB videos and of disparity videos.

    factor: pixels per latent cell and side; height and width of what is encoded are multiples of it.
    """

    video_channels: int
    depth_channels: int
    factor: int

    @abstractmethod
    def encode_video(self, video: Float[Tensor, "b t 3 h w"]) -> Float[Tensor, "b t c y x"]: ...

    @abstractmethod
    def encode_disparity(self, disparity: Float[Tensor, "b t h w"]) -> Float[Tensor, "b t d y x"]: ...

    @abstractmethod
    def decode_channels(self, latents: Float[Tensor, "b t d y x"]) -> Float[Tensor, "b t k h w"]:
        """Disparity as the decoder gives it: in one or more channels that all mean it, around [0, 1]."""

    def decode_disparity(self, latents: Float[Tensor, "b t d y x"]) -> Float[Tensor, "b t h w"]:
        """Not clamped: what lies outside [0, 1] is for the caller to judge."""
        return self.decode_channels(latents).mean(dim=2)

    def decode_published(self, latents: Float[Tensor, "b t d y x"]) -> Float[Tensor, "b t h w"]:
        """Each channel clamped before their mean, as DepthCrafter's release has it."""
        return self.decode_channels(latents).clamp(0, 1).mean(dim=2)


class PatchCodec(Codec):
    """Space to depth: a latent cell holds the pixels of its patch. Exact both ways, with nothing to train.

    A learned codec bounds the accuracy of what is decoded; this one does not, and costs nothing. It has
    `factor**2` channels for disparity and three times as many for RGB, so it suits small networks.
    """

    def __init__(self, *, factor: int):
        super().__init__()
        self.factor = factor
        self.video_channels = 3 * factor**2
        self.depth_channels = factor**2

    def encode_video(self, video):
        return rearrange(2 * video - 1, "b t c (y i) (x j) -> b t (c i j) y x", i=self.factor, j=self.factor)

    def encode_disparity(self, disparity):
        return rearrange(2 * disparity - 1, "b t (y i) (x j) -> b t (i j) y x", i=self.factor, j=self.factor)

    def decode_channels(self, latents):
        return rearrange(latents, "b t (i j) y x -> b t 1 (y i) (x j)", i=self.factor, j=self.factor) / 2 + 0.5


class TemporalVae(AutoencoderKLTemporalDecoder):
    """diffusers' temporal VAE, under a name of this package: a net's config builds what this package defines."""


class DepthDecoder(nn.Module, ABC):
    """Disparity latents to disparity, of as many frames as it is given.

    context: the frames on either side that a frame's disparity depends on; what lies farther off may be left out.
    weights: whose they are. architecture: the config that builds it.
    """

    context: int
    weights: Sequence[WeightsNotice] = ()
    architecture: Mapping[str, Any]

    @abstractmethod
    def decode(
        self, vae: AutoencoderKLTemporalDecoder, latents: Float[Tensor, "b t d y x"]
    ) -> Float[Tensor, "b t h w"]:
        """vae: whose latents they are."""

    @abstractmethod
    def require_fit(self, codec: Codec) -> None:
        """InputError where it reads latents of other sizes."""


class VaeDepthDecoder(DepthDecoder):
    """The VAE's own temporal decoder; disparity is the mean of its three channels.

    Its convolutions reach 29 frames to either side at the published sizes, and the means and variances of its norms,
    over all frames at hand, farther; but the influence falls fast, so `context` says how many frames are worth it.
    """

    def __init__(self, *, context: int):
        super().__init__()
        if context < 0:
            raise InputError("decoder.context", expected="at least 0", found=str(context), fix="0 gives none")
        self.context = context
        self.architecture = {"_target_": f"{__name__}.{type(self).__qualname__}", "context": context}

    def decode(self, vae, latents):
        return decode_images(vae, latents).mean(dim=2)

    def require_fit(self, codec):
        """It is the codec's own."""


class TemporalVaeCodec(Codec):
    """Stable Video Diffusion's VAE: a 2-D encoder and a temporal decoder, frozen.

    As DepthCrafter uses it (arXiv 2409.02095, section 3.2 and its released code): latents are the mode of the
    encoder; the RGB latent is not multiplied by the scaling factor (0.18215), the disparity latent is; disparity is
    repeated over three channels, and the three decoded channels are averaged.

    chunk: frames encoded or decoded at once; None: all. decoder: what `decode_disparity` uses, frozen too; each chunk
    is decoded with its context before and after, so memory is that of chunk + 2 * context frames. `decode_published`
    keeps to the VAE's own decoder and to chunks without context, and so to the seam between them.
    """

    def __init__(self, *, vae: AutoencoderKLTemporalDecoder, chunk: int | None, decoder: DepthDecoder):
        super().__init__()
        self.vae = vae.requires_grad_(False)
        self.chunk = chunk
        self.video_channels = self.depth_channels = vae.config["latent_channels"]
        self.factor = 2 ** (len(vae.config["block_out_channels"]) - 1)
        decoder.require_fit(self)
        self.decoder = decoder.requires_grad_(False)

    def encode_video(self, video):
        return encode_modes(self.vae, video, self.chunk)

    def encode_disparity(self, disparity):
        grey = repeat(disparity, "b t h w -> b t 3 h w")
        return encode_modes(self.vae, grey, self.chunk) * self.vae.config["scaling_factor"]

    def decode_disparity(self, latents):
        return in_chunks(partial(self.decoder.decode, self.vae), latents, self.chunk, self.decoder.context)

    def decode_channels(self, latents):
        return in_chunks(partial(decode_images, self.vae), latents, self.chunk, 0)


def encode_modes(
    vae: AutoencoderKLTemporalDecoder | AutoencoderKL, images: Float[Tensor, "b t 3 h w"], chunk: int | None
) -> Float[Tensor, "b t c y x"]:
    """Modes of the encoder for frames in [0, 1], `chunk` at a time. Not multiplied by the scaling factor."""
    with _upcast(vae):
        flat = (2 * images - 1).flatten(0, 1).to(vae.dtype)
        parts = flat.split(chunk or len(flat))
        latents = torch.cat([cast(Any, vae.encode(part, return_dict=False))[0].mode() for part in parts])
    return latents.unflatten(0, images.shape[:2]).to(images.dtype)


def in_chunks(
    decode: Callable[[Tensor], Tensor], latents: Float[Tensor, "b t d y x"], chunk: int | None, context: int
) -> Float[Tensor, "b t *rest"]:
    """`decode` of `chunk` frames at a time, each time with `context` frames before and after where there are any."""
    frames = latents.shape[1]
    parts = []
    for start in range(0, frames, chunk or frames):
        end, first = min(start + (chunk or frames), frames), max(start - context, 0)
        parts.append(decode(latents[:, first : end + context])[:, start - first : end - first])
    return torch.cat(parts, dim=1)


def decode_images(vae: AutoencoderKLTemporalDecoder, latents: Float[Tensor, "b t c y x"]) -> Float[Tensor, "b t 3 h w"]:
    """What the VAE's own decoder makes of all frames at once, around [0, 1]."""
    scaled = (latents / vae.config["scaling_factor"]).flatten(0, 1).to(vae.dtype)
    images = vae.decode(scaled, num_frames=latents.shape[1], return_dict=False)[0]
    return (images.to(latents.dtype) / 2 + 0.5).unflatten(0, latents.shape[:2])


@contextmanager
def _upcast(vae: AutoencoderKLTemporalDecoder | AutoencoderKL) -> Iterator[None]:
    """In float32 for a while, where the VAE's config says that its encoder overflows in float16."""
    if vae.dtype is not torch.float16 or not vae.config["force_upcast"]:
        yield
        return
    vae.float()
    try:
        yield
    finally:
        vae.half()
