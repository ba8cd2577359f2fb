"""Stable Video Diffusion's UNet as a video depth network (DepthCrafter, arXiv 2409.02095, section 3.2)."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from diffusers.models.resnet import SpatioTemporalResBlock
from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel
from diffusers.models.unets.unet_spatio_temporal_condition import UNetSpatioTemporalConditionModel
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from turnaround.nets.codec import Codec
from turnaround.nets.fingerprint import fingerprint
from turnaround.nets.tokens import FrameTokens
from turnaround.types import Condition, WeightsNotice

VIDEO_BLOCKS = (SpatioTemporalResBlock, TransformerSpatioTemporalModel)  # neither holds another
ADDED_TIME_IDS = (7.0, 127.0, 0.02)  # frames per second, motion bucket, noise augmentation: constants of DepthCrafter


class PerFrameUNet(UNetSpatioTemporalConditionModel):
    """The same modules and weights as its parent; only, each frame attends to an image token of its own
    and has a noise level of its own."""

    def forward(
        self,
        sample: Float[Tensor, "b t c y x"],
        timestep: Float[Tensor, "b t"],
        tokens: Float[Tensor, "b t k"],
        added_time_ids: Float[Tensor, "b i"],
    ) -> Float[Tensor, "b t d y x"]:
        batch, frames = sample.shape[:2]
        embedding = self._embed_time(timestep, added_time_ids, sample.dtype).flatten(0, 1)
        common = {
            "temb": embedding,
            "image_only_indicator": sample.new_zeros(batch, frames),
        }
        attended = common | {"encoder_hidden_states": tokens.flatten(0, 1).unsqueeze(1)}
        hidden = self.conv_in(sample.flatten(0, 1))
        skips = [hidden]
        for block in self.down_blocks:
            hidden, residuals = block(hidden, **(attended if _attends(block) else common))
            skips.extend(residuals)
        hidden = self.mid_block(hidden, **attended)
        for block in self.up_blocks:
            count = len(cast(nn.ModuleList, block.resnets))
            residuals, skips = tuple(skips[-count:]), skips[:-count]
            inputs = attended if _attends(block) else common
            hidden = block(hidden, res_hidden_states_tuple=residuals, **inputs)
        output = self.conv_out(self.conv_act(self.conv_norm_out(hidden)))
        return output.unflatten(0, (batch, frames))

    def _embed_time(
        self, timestep: Float[Tensor, "b t"], added_time_ids: Float[Tensor, "b i"], dtype: torch.dtype
    ) -> Float[Tensor, "b t e"]:
        added = self.add_time_proj(added_time_ids.flatten()).unflatten(0, added_time_ids.shape).flatten(1)
        level = self.time_proj(timestep.flatten()).unflatten(0, timestep.shape)
        return self.time_embedding(level.to(dtype)) + self.add_embedding(added.to(dtype))[:, None]


def checkpoint_blocks(network: nn.Module, kinds: tuple[type[nn.Module], ...]) -> None:
    """In training, modules of these kinds keep their inputs and compute what is in them again."""
    for part in network.modules():
        if isinstance(part, kinds):
            # Nothing in them is random, so there is no random state to bring back.
            again = partial(checkpoint, part.forward, use_reentrant=False, preserve_rng_state=False)
            setattr(part, "forward", again)  # noqa: B010


def _attends(block: nn.Module) -> bool:
    return getattr(block, "has_cross_attention", False)


class SvdDepthNetwork(nn.Module):
    """The UNet with its codec and its image tokens: a `DepthNetwork`.

    The noisy disparity latent and the RGB latent of each frame are concatenated, in this order. Latents go in and come
    out in the type of what is given; the parts compute in their own.

    weights: whose they are, where they were published. architecture: the config that builds the network, where it was
    loaded from a published folder.
    """

    weights: Sequence[WeightsNotice]
    architecture: Mapping[str, Any] | None = None

    def __init__(self, *, unet: PerFrameUNet, codec: Codec, tokens: FrameTokens):
        super().__init__()
        self.weights = ()
        self.unet, self.codec, self.tokens = unet, codec, tokens
        expected = {
            "in_channels": codec.depth_channels + codec.video_channels,
            "out_channels": codec.depth_channels,
            "cross_attention_dim": tokens.channels,
        }
        wrong = {k: (unet.config[k], v) for k, v in expected.items() if unet.config[k] != v}
        if wrong:
            raise ValueError(f"net.unet does not fit net.codec and net.tokens (is, should be): {wrong}")
        self.depth_channels = codec.depth_channels
        self.size_multiple = codec.factor * 2 ** (len(unet.config["block_out_channels"]) - 1)

    def encoders(self) -> Mapping[str, nn.Module]:
        """What `condition` and `encode_disparity` use."""
        return {"codec": self.codec, "tokens": self.tokens}

    def encoder_fingerprint(self) -> str:
        return fingerprint(self.encoders())

    def enable_gradient_checkpointing(self) -> None:
        """In training, keeps the inputs of residual blocks and transformers and computes what is in them again.

        Of the decoder's blocks too. diffusers' own switch leaves out the temporal transformers, which hold most.
        """
        checkpoint_blocks(self, VIDEO_BLOCKS)

    def shards(self) -> Sequence[nn.Module]:
        """The UNet's residual blocks and transformers, the UNet, the image tokens. Codecs are never trained."""
        return [*(part for part in self.unet.modules() if isinstance(part, VIDEO_BLOCKS)), self.unet, self.tokens]

    def condition(
        self, video: Float[Tensor, "b t 3 h w"], noisy: Float[Tensor, "b t 3 h w"] | None = None
    ) -> Condition:
        """RGB in [0, 1] to latents (of `noisy`, where it is given) and tokens."""
        latents = self.codec.encode_video(video if noisy is None else noisy)
        return Condition(latents=latents, tokens=self.tokens(video, latents))

    def encode_disparity(self, disparity: Float[Tensor, "b t h w"]) -> Float[Tensor, "b t d y x"]:
        return self.codec.encode_disparity(disparity)

    def decode_disparity(self, latents: Float[Tensor, "b t d y x"]) -> Float[Tensor, "b t h w"]:
        return self.codec.decode_disparity(latents)

    def decode_published(self, latents: Float[Tensor, "b t d y x"]) -> Float[Tensor, "b t h w"]:
        return self.codec.decode_published(latents)

    def velocity(
        self, scaled: Float[Tensor, "b t d y x"], c_noise: Float[Tensor, "b t"], condition: Condition
    ) -> Float[Tensor, "b t d y x"]:
        """The raw output of the UNet (EDM v-prediction)."""
        dtype = self.unet.dtype
        added = scaled.new_tensor(ADDED_TIME_IDS, dtype=dtype).expand(len(scaled), 3)
        inputs = torch.cat([scaled, condition.latents.to(scaled)], dim=2).to(dtype)
        return self.unet(inputs, c_noise, condition.tokens.to(dtype), added).to(scaled)
