"""A small random folder in the official layout of Zero123++."""

import json
from pathlib import Path

import torch
from diffusers import EulerAncestralDiscreteScheduler
from published_folders import CLIP, stable_diffusion
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

TOKENS, WIDTH = 77, 24
SCHEDULER = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "linear", "prediction_type": "v_prediction"}


def write_zero123plus(folder: Path, *, seed: int = 6, **sizes) -> Path:
    """sudo-ai/zero123plus-v1.2. sizes: of the UNet, where they differ."""
    parts = stable_diffusion(release="2", seed=seed, **{"in_channels": 4} | sizes)
    for name in ("unet", "vae", "text_encoder", "tokenizer"):
        getattr(parts, name).save_pretrained(folder / name)
    EulerAncestralDiscreteScheduler(**SCHEDULER).save_pretrained(folder / "scheduler")
    torch.manual_seed(seed)
    vision = CLIPVisionConfig(**CLIP | {"projection_dim": WIDTH})
    CLIPVisionModelWithProjection(vision).save_pretrained(folder / "vision_encoder")
    CLIPImageProcessor().save_pretrained(folder / "feature_extractor_clip")
    small = {"height": 32, "width": 32}
    CLIPImageProcessor(
        size=small, crop_size=small, image_mean=[0.5] * 3, image_std=[0.8] * 3, do_center_crop=False
    ).save_pretrained(folder / "feature_extractor_vae")
    ramp = [token / TOKENS for token in range(TOKENS)]
    index = {"_class_name": "Zero123PlusPipeline", "ramping_coefficients": ramp}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder
