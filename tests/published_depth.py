"""Small random depth models in the layouts of transformers, and of Marigold."""

from pathlib import Path

import torch
from diffusers import DDIMScheduler, LCMScheduler, MarigoldDepthPipeline
from published_folders import stable_diffusion
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    DepthProConfig,
    DepthProForDepthEstimation,
    DepthProImageProcessor,
    Dinov2Config,
    DPTImageProcessor,
    GLPNConfig,
    GLPNForDepthEstimation,
    GLPNImageProcessor,
    ZoeDepthConfig,
    ZoeDepthForDepthEstimation,
    ZoeDepthImageProcessor,
)
from transformers.models.beit.configuration_beit import BeitConfig

STAGES = ["stage1", "stage2", "stage3", "stage4"]
VIT = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "out_features": STAGES}
NORMAL = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def write_depth_anything(folder: Path, *, seed: int = 0, metric: bool = False) -> Path:
    """depth-anything/Depth-Anything-V2-Small-hf: DINOv2 under a DPT head."""
    torch.manual_seed(seed)
    config = DepthAnythingConfig(
        backbone_config=Dinov2Config(**VIT, image_size=56, reshape_hidden_states=False),
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
        depth_estimation_type="metric" if metric else "relative",
        max_depth=20 if metric else 1,
    )
    model = DepthAnythingForDepthEstimation(config)
    _spread(model)
    model.save_pretrained(folder)
    size = {"height": 56, "width": 56}
    DPTImageProcessor(size=size, ensure_multiple_of=14, keep_aspect_ratio=True, **NORMAL).save_pretrained(folder)
    return folder


def write_glpn(folder: Path, *, seed: int = 0) -> Path:
    """vinvino02/glpn-nyu: metres up to `max_depth`."""
    torch.manual_seed(seed)
    config = GLPNConfig(
        hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=8
    )
    GLPNForDepthEstimation(config).save_pretrained(folder)
    GLPNImageProcessor().save_pretrained(folder)
    return folder


def write_zoedepth(folder: Path, *, seed: int = 0) -> Path:
    """Intel/zoedepth-nyu: its processor pads pictures and wants their size back to take that off."""
    torch.manual_seed(seed)
    config = ZoeDepthConfig(
        backbone_config=BeitConfig(
            **VIT, intermediate_size=64, image_size=32, patch_size=16, reshape_hidden_states=False
        ),
        reassemble_factors=[4, 2, 1, 0.5],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        bottleneck_features=8,
        num_relative_features=8,
        bin_embedding_dim=8,
        num_attractors=[2, 2, 2, 2],
        bin_configurations=[{"n_bins": 8, "min_depth": 0.001, "max_depth": 10.0, "name": "nyu"}],
    )
    model = ZoeDepthForDepthEstimation(config)
    _spread(model)
    model.save_pretrained(folder)
    ZoeDepthImageProcessor(size={"height": 64, "width": 96}, ensure_multiple_of=32).save_pretrained(folder)
    return folder


def write_depth_pro(folder: Path, *, seed: int = 0) -> Path:
    """apple/DepthPro-hf: inverse depth and the field of view, which its processor makes metres of."""
    torch.manual_seed(seed)
    vit = {"model_type": "dinov2", "num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 1, "patch_size": 4}
    config = DepthProConfig(
        patch_size=8,
        fusion_hidden_size=16,
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[10, 8],
        scaled_images_ratios=[0.5, 1.0],
        scaled_images_overlap_ratios=[0.0, 0.2],
        scaled_images_feature_dims=[12, 12],
        image_model_config=vit,
        patch_model_config=vit,
        fov_model_config=vit,
        use_fov_model=True,
    )
    model = DepthProForDepthEstimation(config)
    with torch.no_grad():
        model.fov_model.head.layers[-1].bias.fill_(50.0)  # degrees
        convolutions = [part for part in model.head.modules() if isinstance(part, torch.nn.Conv2d)]
        convolutions[-1].bias.fill_(1.0)
        convolutions[-1].weight.mul_(0.002)  # so that inverse depth stays away from 0
    model.save_pretrained(folder)
    DepthProImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


def _spread(model: torch.nn.Module) -> None:
    """Small random weights make maps that are nearly flat, or that end in a ReLU as 0 everywhere."""
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.startswith(("neck", "head", "relative_head", "metric_head")):
                tensor.normal_(0.02, 0.2)


MARIGOLD_SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "prediction_type": "v_prediction",
}
# What tells releases apart: 1.0, 1.1, and the one of few steps.
MARIGOLD_RELEASES = {
    "1.0": (DDIMScheduler, {"timestep_spacing": "leading"}),
    "1.1": (DDIMScheduler, {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True}),
    "lcm": (LCMScheduler, {"original_inference_steps": 50}),
}


def marigold(*, release: str = "1.1", seed: int = 4, **sizes) -> MarigoldDepthPipeline:
    """A small random `MarigoldDepthPipeline`. sizes: of the UNet, where they differ."""
    parts = stable_diffusion(release="2", seed=seed, **{"in_channels": 8} | sizes)
    scheduler, more = MARIGOLD_RELEASES[release]
    return MarigoldDepthPipeline(
        unet=parts.unet,
        vae=parts.vae,
        scheduler=scheduler(**MARIGOLD_SCHEDULER | more),
        text_encoder=parts.text_encoder,
        tokenizer=parts.tokenizer,
        prediction_type="depth",
        default_denoising_steps=4,
        default_processing_resolution=768,
    )


def write_marigold(folder: Path, **settings) -> Path:
    """prs-eth/marigold-depth-v1-1."""
    marigold(**settings).save_pretrained(folder)
    return folder
