"""Pictures with holes to the latents of published VAEs and back. [-1, 1] exists only here and in `codec.py`."""

from functools import partial
from typing import cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_kl_temporal_decoder import AutoencoderKLTemporalDecoder
from einops import repeat
from jaxtyping import Float
from torch import Tensor

from turnaround.nets.codec import decode_images, encode_modes, in_chunks
from turnaround.nets.picture_codec import PictureCodec, grown_cells
from turnaround.types import InputError


class KlVae(AutoencoderKL):
    """diffusers' VAE of Stable Diffusion, under a name of this package: a net's config builds what it defines."""


class KlPictureCodec(PictureCodec):
    """Stable Diffusion's VAE, frozen, as `StableDiffusionInpaintPipeline` uses it.

    Latents, what is seen included, are the mode of the encoder times the scaling factor. What is seen has holes in the
    middle of the VAE's range, which is grey. One difference: a cell counts as a hole if any of its pixels is in one, or
    if a cell beside it is (`grown_cells`); the pipeline asks the first pixel of the cell alone, and loses thin holes.

    channels: 3, or 4 with disparity, which is encoded as a grey picture into further latent channels, and decoded as
    the mean of its three channels. chunk: frames encoded or decoded at once.
    """

    hole_channels = 1

    def __init__(self, *, vae: AutoencoderKL, chunk: int, channels: int):
        super().__init__()
        if channels not in (3, 4):
            fix = "4 completes depth too"
            raise InputError("net.channels", expected="3 (RGB) or 4 (with disparity)", found=str(channels), fix=fix)
        self.vae, self.chunk = vae.requires_grad_(False), chunk
        self.picture_channels = channels
        self.latent_channels = (channels - 2) * vae.config["latent_channels"]
        self.color_channels = vae.config["latent_channels"]
        self.factor = 2 ** (len(vae.config["block_out_channels"]) - 1)

    def encode(self, pictures):
        parts = [encode_modes(self.vae, images, self.chunk) for images in self._images(pictures)]
        return torch.cat(parts, dim=2) * self.vae.config["scaling_factor"]

    def encode_seen(self, seen, hole):
        return self.encode(seen.masked_fill(hole[:, :, None], 0.5))

    def encode_hole(self, hole):
        return grown_cells(hole, self.factor)

    def decode(self, latents):
        video, *disparity = (self._decode(part) for part in latents.split(self.vae.config["latent_channels"], dim=2))
        return torch.cat([video, *(images.mean(dim=2, keepdim=True) for images in disparity)], dim=2)

    def _images(self, pictures: Float[Tensor, "b t p h w"]) -> list[Float[Tensor, "b t 3 h w"]]:
        disparity = [repeat(pictures[:, :, 3], "b t h w -> b t 3 h w")] if pictures.shape[2] == 4 else []
        return [pictures[:, :, :3], *disparity]

    def _decode(self, latents: Float[Tensor, "b t c y x"]) -> Float[Tensor, "b t 3 h w"]:
        flat = (latents / self.vae.config["scaling_factor"]).flatten(0, 1).to(self.vae.dtype)
        images = torch.cat(
            [cast(Tensor, self.vae.decode(part, return_dict=False)[0]) for part in flat.split(self.chunk)]
        )
        return (images.to(latents.dtype) / 2 + 0.5).unflatten(0, latents.shape[:2])


class TemporalVaePictureCodec(PictureCodec):
    """Stable Video Diffusion's VAE, frozen, as StereoCrafter uses it (arXiv 2409.07447 and its released code).

    Latents are the mode of the encoder; those of what is seen, whose holes stay black, are not multiplied by the
    scaling factor, those that are denoised are. A hole takes in the cells beside it (`grown_cells`), which the released
    code leaves out.

    chunk: frames encoded or decoded at once. context: frames before and after a chunk that are decoded with it.
    """

    hole_channels = 1
    picture_channels = 3

    def __init__(self, *, vae: AutoencoderKLTemporalDecoder, chunk: int, context: int):
        super().__init__()
        self.vae, self.chunk, self.context = vae.requires_grad_(False), chunk, context
        self.latent_channels = self.color_channels = vae.config["latent_channels"]
        self.factor = 2 ** (len(vae.config["block_out_channels"]) - 1)

    def encode(self, pictures):
        return encode_modes(self.vae, pictures, self.chunk) * self.vae.config["scaling_factor"]

    def encode_seen(self, seen, hole):
        return encode_modes(self.vae, seen, self.chunk)

    def encode_hole(self, hole):
        return grown_cells(hole, self.factor)

    def decode(self, latents):
        return in_chunks(partial(decode_images, self.vae), latents, self.chunk, self.context)
