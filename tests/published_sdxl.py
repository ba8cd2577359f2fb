"""A small random pipeline in the official layout of Stable Diffusion XL for inpainting."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLInpaintPipeline, UNet2DConditionModel
from published_folders import SD_SCHEDULER, SD_TEXT, SD_UNET, SD_VAE, clip_tokenizer, write_older_tokenizer
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

FIRST, SECOND, POOLED, SIZES = 8, 16, 12, 4  # numbers of a token of either encoder, of a text, of a size
SDXL_UNET = {
    "cross_attention_dim": FIRST + SECOND,
    "attention_head_dim": [2, 4],
    "use_linear_projection": True,
    "transformer_layers_per_block": [1, 2],
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": SIZES,
    "projection_class_embeddings_input_dim": POOLED + 6 * SIZES,
}


def stable_diffusion_xl(*, seed: int = 5, **sizes) -> Any:
    """sizes: of the UNet, where they differ."""
    torch.manual_seed(seed)
    first = CLIPTextConfig(**SD_TEXT | {"hidden_size": FIRST, "num_attention_heads": 2})
    second = CLIPTextConfig(**SD_TEXT | {"hidden_size": SECOND, "projection_dim": POOLED, "hidden_act": "gelu"})
    return StableDiffusionXLInpaintPipeline(
        unet=UNet2DConditionModel(**SD_UNET | SDXL_UNET | sizes).eval(),
        vae=AutoencoderKL(**SD_VAE, scaling_factor=0.13025, force_upcast=True).eval(),
        text_encoder=CLIPTextModel(first).eval(),
        text_encoder_2=CLIPTextModelWithProjection(second).eval(),
        tokenizer=clip_tokenizer(),
        tokenizer_2=_second_tokenizer(),
        scheduler=EulerDiscreteScheduler(**SD_SCHEDULER),
        add_watermarker=False,
    )


def write_sdxl(folder: Path, **sizes) -> Path:
    """diffusers/stable-diffusion-xl-1.0-inpainting-0.1."""
    stable_diffusion_xl(**sizes).save_pretrained(folder)
    return folder


def _second_tokenizer() -> CLIPTokenizer:
    """It fills up with another word than the first."""
    with TemporaryDirectory() as folder:
        return CLIPTokenizer.from_pretrained(write_older_tokenizer(Path(folder)), pad_token="a</w>")
