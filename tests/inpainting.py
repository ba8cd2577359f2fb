"""A small inpainting network, and pictures with holes for it."""

import torch

from turnaround.nets.inpaint import BlendingDenoiser, ImageUNet, LatentInpaintNetwork, NoTokens
from turnaround.nets.picture_codec import PatchPictureCodec
from turnaround.types import PartialVideo, Pinhole

SINGLE_STEP = 100.0  # sigma


def small_network(*, channels=4, seed=0):
    """Untrained, but for an output layer that is not 0, so that every input matters."""
    torch.manual_seed(seed)
    latent = channels * 4
    unet = ImageUNet(
        in_channels=6 * latent + 4,
        out_channels=latent + 5 * 4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DCrossAttn",
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(16, 16),
        layers_per_block=1,
        cross_attention_dim=8,
        attention_head_dim=2,
        norm_num_groups=8,
    )
    denoiser = BlendingDenoiser(unet=unet, cell=4, prompt_tokens=1, beta_start=0.00085, beta_end=0.012)
    network = LatentInpaintNetwork(
        unet=denoiser, codec=PatchPictureCodec(factor=2, channels=channels), tokens=NoTokens()
    )
    return network.eval()


def randomise_output(network, scale=0.1):
    torch.nn.init.normal_(network.unet.unet.conv_out.weight, std=scale)
    return network


def camera(height, width, frames=1):
    k = torch.tensor([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])
    return Pinhole(
        world_from_cam=torch.eye(4).expand(frames, 4, 4).clone(),
        intrinsics=k.expand(frames, 3, 3).clone(),
        height=height,
        width=width,
    )


def partial_video(*, height=24, width=40, frames=2, seed=0):
    """Noise with a hole of 6 x 9 pixels, in every frame elsewhere; two metres to the left, four to the right."""
    generator = torch.Generator().manual_seed(seed)
    video = torch.rand(frames, 3, height, width, generator=generator)
    hole = torch.zeros(frames, height, width, dtype=torch.bool)
    for frame in range(frames):
        hole[frame, 8:14, 10 + frame : 19 + frame] = True
    depth = torch.where(torch.arange(width) < width // 2, 2.0, 4.0).expand(frames, height, width)
    return PartialVideo(
        video=video.masked_fill(hole[:, None], 0.0),
        hole=hole,
        depth=depth.masked_fill(hole, torch.nan),
        cameras=camera(height, width, frames),
    )
