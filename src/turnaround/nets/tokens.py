"""One image token per frame: what the frame shows, for the network's cross-attention."""

from abc import ABC, abstractmethod
from typing import cast

import torch
from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import _resize_with_antialiasing
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.transforms.functional import normalize
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


class FrameTokens(nn.Module, ABC):
    """Frames, or their latents, to one vector of `channels` numbers each."""

    channels: int

    @abstractmethod
    def forward(
        self, video: Float[Tensor, "b t 3 h w"], latents: Float[Tensor, "b t c y x"]
    ) -> Float[Tensor, "b t k"]: ...


class PooledTokens(FrameTokens):
    """A learned projection of the mean and the spread of a frame's latent."""

    def __init__(self, *, latent_channels: int, channels: int):
        super().__init__()
        self.channels = channels
        self.project = nn.Linear(2 * latent_channels, channels)

    def forward(self, video, latents):
        return self.project(torch.cat([latents.mean(dim=(-2, -1)), latents.std(dim=(-2, -1))], dim=-1))


def clip_encoder(
    *,
    hidden_size: int,
    intermediate_size: int,
    layers: int,
    heads: int,
    patch_size: int,
    image_size: int,
    projection_dim: int,
    hidden_act: str,
    layer_norm_eps: float,
) -> CLIPVisionModelWithProjection:
    """A CLIP vision tower with first weights of its own."""
    config = CLIPVisionConfig(
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        patch_size=patch_size,
        image_size=image_size,
        projection_dim=projection_dim,
        hidden_act=hidden_act,
        layer_norm_eps=layer_norm_eps,
    )
    return CLIPVisionModelWithProjection(config)


class ClipTokens(FrameTokens):
    """CLIP image embeddings, frozen, of frames resized to the encoder's size.

    The resize is that of SVD's pipeline, a Gaussian blur and bicubic interpolation, which the published weights saw.
    """

    def __init__(self, *, encoder: CLIPVisionModelWithProjection, chunk: int):
        super().__init__()
        self.encoder = encoder.requires_grad_(False)
        self.chunk = chunk
        self.size = (cast(int, encoder.config.image_size),) * 2
        self.channels = encoder.config.projection_dim

    def forward(self, video, latents):
        images = normalize(_resize_with_antialiasing(video.flatten(0, 1), self.size), CLIP_MEAN, CLIP_STD)
        parts = images.to(self.encoder.dtype).split(self.chunk)
        tokens = torch.cat([self.encoder(pixel_values=part).image_embeds for part in parts])
        return tokens.unflatten(0, video.shape[:2]).to(video.dtype)
