"""Small random folders in the official layouts of DepthCrafter, StereoCrafter, Stable (Video) Diffusion."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLTemporalDecoder,
    EulerDiscreteScheduler,
    StableDiffusionInpaintPipeline,
    UNet2DConditionModel,
    UNetSpatioTemporalConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

DEPTHCRAFTER_CLASS = "DiffusersUNetSpatioTemporalConditionModelDepthCrafter"
UNET = {
    "in_channels": 8,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
    "up_block_types": ("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
    "block_out_channels": (32, 64),
    "layers_per_block": 1,
    "cross_attention_dim": 16,
    "num_attention_heads": (2, 4),
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 24,
    "num_frames": 25,
    "sample_size": 8,
}
VAE = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "block_out_channels": (32, 32, 32, 32),
    "layers_per_block": 1,
    "latent_channels": 4,
    "sample_size": 64,
}
CLIP = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "patch_size": 32,
    "image_size": 224,
    "projection_dim": 16,
    "hidden_act": "gelu",
}
SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "interpolation_type": "linear",
    "use_karras_sigmas": True,
    "sigma_min": 0.002,
    "sigma_max": 700.0,
    "timestep_spacing": "leading",
    "timestep_type": "continuous",
    "steps_offset": 1,
}


def write_svd(folder: Path, *, seed: int = 0, shard: str = "10GB", variant: str | None = None) -> Path:
    """stabilityai/stable-video-diffusion-img2vid-xt: `unet/`, `vae/`, `image_encoder/`, `scheduler/`."""
    torch.manual_seed(seed)
    UNetSpatioTemporalConditionModel(**UNET).save_pretrained(folder / "unet", max_shard_size=shard, variant=variant)
    AutoencoderKLTemporalDecoder(**VAE).save_pretrained(folder / "vae", variant=variant)
    CLIPVisionModelWithProjection(CLIPVisionConfig(**CLIP)).save_pretrained(folder / "image_encoder", variant=variant)
    EulerDiscreteScheduler(**SCHEDULER).save_pretrained(folder / "scheduler")
    return folder


def write_depthcrafter(folder: Path, *, seed: int = 1, under: str = "", shard: str = "10GB") -> Path:
    """tencent/DepthCrafter: the UNet alone, at the root or under `unet/`, with a class name of its own."""
    torch.manual_seed(seed)
    place = folder / under
    UNetSpatioTemporalConditionModel(**UNET).save_pretrained(place, max_shard_size=shard)
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps(config | {"_class_name": DEPTHCRAFTER_CLASS}))
    return folder


SD_UNET = {
    "in_channels": 9,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "block_out_channels": (32, 64),
    "layers_per_block": 1,
    "cross_attention_dim": 16,
    "sample_size": 8,
}
# What tells the UNets of the two releases apart, besides the text encoder.
SD_RELEASES = {
    "1.5": {"attention_head_dim": 2},
    "2": {"attention_head_dim": [2, 4], "use_linear_projection": True, "cross_attention_dim": 24},
}
SD_VAE = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (32, 32, 32, 32),
    "layers_per_block": 1,
    "latent_channels": 4,
    "sample_size": 64,
}
SD_TEXT = {
    "vocab_size": 3,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 77,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
SD_SCHEDULER = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def stable_diffusion(*, release: str, seed: int = 2, prediction: str = "epsilon", **sizes) -> Any:
    """A small random `StableDiffusionInpaintPipeline`. sizes: of the UNet, where they differ."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(**SD_UNET | SD_RELEASES[release] | sizes)
    text = SD_TEXT | {"hidden_size": unet.config["cross_attention_dim"]}
    return StableDiffusionInpaintPipeline(
        unet=unet.eval(),
        vae=AutoencoderKL(**SD_VAE).eval(),
        text_encoder=CLIPTextModel(CLIPTextConfig(**text)).eval(),
        tokenizer=clip_tokenizer(),
        scheduler=EulerDiscreteScheduler(**SD_SCHEDULER, prediction_type=prediction),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def clip_tokenizer() -> CLIPTokenizer:
    """With the words that every text has, and one more."""
    with TemporaryDirectory() as folder:
        return CLIPTokenizer.from_pretrained(write_older_tokenizer(Path(folder)))


def write_older_tokenizer(folder: Path) -> Path:
    """Its files as Stable Diffusion was published."""
    folder.mkdir(exist_ok=True)
    words = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2}
    (folder / "vocab.json").write_text(json.dumps(words))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 77}))
    return folder


def write_stereocrafter(folder: Path, *, seed: int = 3) -> Path:
    """TencentARC/StereoCrafter: a UNet of 9 input channels under `unet_diffusers/`."""
    torch.manual_seed(seed)
    UNetSpatioTemporalConditionModel(**UNET | {"in_channels": 9}).save_pretrained(folder / "unet_diffusers")
    return folder
