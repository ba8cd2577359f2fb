"""Small random folders in the official layouts of DepthCrafter and Stable Video Diffusion."""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

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
