"""Stable Diffusion XL for inpainting (arXiv 2307.01952) from its published folder."""

from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from turnaround.nets.architecture import announce, dtype_of
from turnaround.nets.inpaint import ImageDenoiser, ImageUNet, LatentInpaintNetwork, NoTokens
from turnaround.nets.model_card import notice_of
from turnaround.nets.sd_inpaint import architecture, widen
from turnaround.nets.sd_parts import (
    load_text_encoder,
    load_unet,
    load_vae,
    patterns,
    read_schedule,
    require_pipeline,
    require_tokens,
    words_of_nothing,
)
from turnaround.nets.vae_picture_codec import KlPictureCodec
from turnaround.nets.weights import Part, load_part, published_folder
from turnaround.types import InputError

PIPELINES = ("StableDiffusionXLInpaintPipeline", "StableDiffusionXLPipeline")
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")


class SizedDenoiser(ImageDenoiser):
    """A UNet that is also told one vector of a text and the size of its pictures.

    pooled_channels: of that vector, the empty text's where it was published, else trained. side: pixels, height and
    width of the picture before and after it was cut, which it was not: the published UNet knows small ones as blurred.
    """

    def __init__(
        self,
        *,
        unet: ImageUNet,
        prediction: str,
        prompt_tokens: int,
        beta_start: float,
        beta_end: float,
        pooled_channels: int,
        side: int,
    ):
        super().__init__(
            unet=unet, prediction=prediction, prompt_tokens=prompt_tokens, beta_start=beta_start, beta_end=beta_end
        )
        self.side = side
        self.pooled = nn.Parameter(0.02 * torch.randn(pooled_channels))

    def told(self, frames):
        # height and width of the original, top and left of the cut, height and width of the cut
        sizes = self.pooled.new_tensor([self.side, self.side, 0, 0, self.side, self.side])
        pooled = self.pooled.to(self.unet.dtype)
        return {"text_embeds": pooled.expand(frames, -1), "time_ids": sizes.expand(frames, -1)}


def load_sdxl_inpaint(*, path: str, dtype: str, chunk: int, channels: int, side: int) -> LatentInpaintNetwork:
    """path: a folder in the layout of `StableDiffusionXLInpaintPipeline`, or a repository of the hub. dtype, chunk,
    channels: as of `load_sd_inpaint`. side: as of `SizedDenoiser`.

    Both text encoders give the tokens of the empty text and are not kept. A VAE that overflows in float16 stays in
    float32. InputError as of `load_sd_inpaint`.
    """
    kind = dtype_of(dtype)
    folder = published_folder(path, patterns(*PARTS))
    require_pipeline(folder, PIPELINES, "give a folder of Stable Diffusion XL")
    schedule = read_schedule(folder)
    unet, vae = load_unet(folder, kind), load_vae(folder, kind)
    if kind is torch.float16 and vae.config["force_upcast"]:
        vae = load_vae(folder, torch.float32)
    tokens, pooled = _empty_texts(folder)
    require_tokens(folder / "text_encoder_2", unet, tokens)
    _require_told(folder, unet, len(pooled))
    codec = KlPictureCodec(vae=vae, chunk=chunk, channels=channels)
    widen(unet, folder, codec)
    denoiser = SizedDenoiser(
        unet=unet,
        prediction=schedule.prediction,
        prompt_tokens=len(tokens),
        beta_start=schedule.beta_start,
        beta_end=schedule.beta_end,
        pooled_channels=len(pooled),
        side=side,
    )
    denoiser.prompt.data.copy_(tokens)
    denoiser.pooled.data.copy_(pooled)
    network = LatentInpaintNetwork(unet=denoiser, codec=codec, tokens=NoTokens())
    network.weights = (notice_of(folder, path),)
    network.architecture = architecture(network, schedule, pooled_channels=len(pooled), side=side)
    announce(network.weights)
    return network.eval()


def _empty_texts(folder: Path) -> tuple[Float[Tensor, "n k"], Float[Tensor, " p"]]:
    """Of "": the tokens of both encoders before their last layers, side by side, and the second one's projection."""
    part = Part(
        folder=folder / "text_encoder_2",
        classes=["CLIPTextModelWithProjection"],
        stem="model",
        build=lambda entries: CLIPTextModelWithProjection(CLIPTextConfig.from_dict(dict(entries))),
    )
    encoders = load_text_encoder(folder), cast(Any, load_part(part, torch.float32))
    tokens, pooled = [], None
    for encoder, place in zip(encoders, ("tokenizer", "tokenizer_2"), strict=True):
        words = words_of_nothing(folder / place, encoder.config, "max_length")
        with torch.no_grad():
            said = encoder(input_ids=words, output_hidden_states=True)
        tokens.append(said.hidden_states[-2][0])
        pooled = said["text_embeds"][0] if "text_embeds" in said else pooled
    assert pooled is not None
    if len(tokens[0]) != len(tokens[1]):
        found = f"{len(tokens[0])} and {len(tokens[1])}"
        fix = "use one release"
        raise InputError(folder / "text_encoder_2", expected="texts as long as the first's", found=found, fix=fix)
    return torch.cat(tokens, dim=1), pooled


def _require_told(folder: Path, unet: ImageUNet, pooled: int) -> None:
    """That the UNet is told a vector of this size and six numbers."""
    path, config = folder / "unet" / "config.json", unet.config
    if config["addition_embed_type"] != "text_time":
        found, fix = repr(config["addition_embed_type"]), "give a folder of Stable Diffusion XL"
        raise InputError(f"{path}: addition_embed_type", expected="'text_time'", found=found, fix=fix)
    wanted, found = config["projection_class_embeddings_input_dim"], pooled + 6 * config["addition_time_embed_dim"]
    if found != wanted:
        expected = f"{wanted} numbers of text and sizes, for the UNet"
        raise InputError(folder / "text_encoder_2", expected=expected, found=str(found), fix="use one release")
