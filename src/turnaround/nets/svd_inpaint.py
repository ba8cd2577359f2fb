"""Stable Video Diffusion as a video inpainting network, from its published folder or with StereoCrafter's UNet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from torch import nn

from turnaround.nets.architecture import announce, dtype_of, target
from turnaround.nets.codec import TemporalVae
from turnaround.nets.inpaint import LatentInpaintNetwork, VideoDenoiser
from turnaround.nets.published import SVD_LICENCE, svd_architecture, svd_folder, svd_parts
from turnaround.nets.svd import ADDED_TIME_IDS, PerFrameUNet
from turnaround.nets.tokens import ClipTokens
from turnaround.nets.vae_picture_codec import TemporalVaePictureCodec
from turnaround.nets.weights import load_part, published_folder
from turnaround.nets.widen import widen_input
from turnaround.types import InputError, WeightsNotice

STEREOCRAFTER_LICENCE = "Tencent StereoCrafter licence: academic, research and education only, no commercial use"
STEREOCRAFTER_TIME_IDS = (6.0, 127.0, 0.0)  # its pipeline tells 7 frames per second as 6, as SVD's does


def load_svd_inpaint(*, path: str, dtype: str, chunk: int, context: int) -> LatentInpaintNetwork:
    """Stable Video Diffusion whose UNet is widened by a channel for holes, which changes nothing at first.

    path: a folder in the layout of SVD's pipeline, or a repository of the hub. dtype: float16, bfloat16 or float32.
    chunk, context: as of `TemporalVaePictureCodec`; as many frames pass the image encoder at once.

    InputError as of `load_part`; parts of other sizes; another scheduler.
    """
    notices = (WeightsNotice(name="Stable Video Diffusion", source=str(path), licence=SVD_LICENCE),)
    folder = svd_folder(path, "unet/*.json", "unet/*.safetensors*")
    return _assembled(folder / "unet", folder, dtype, (chunk, context), ADDED_TIME_IDS, notices)


def load_stereocrafter(*, path: str, svd_path: str, dtype: str, chunk: int, context: int) -> LatentInpaintNetwork:
    """StereoCrafter's UNet, of 9 input channels, with the VAE and the image encoder of Stable Video Diffusion.

    path: a folder with the UNet under `unet_diffusers/`. svd_path: as the path of `load_svd_inpaint`; its own UNet is
    not read. The released code gives all frames the image token of the first one; here each has its own.
    """
    notices = (
        WeightsNotice(name="StereoCrafter", source=str(path), licence=STEREOCRAFTER_LICENCE),
        WeightsNotice(name="Stable Video Diffusion", source=str(svd_path), licence=SVD_LICENCE),
    )
    folder = published_folder(path, ["unet_diffusers/*.json", "unet_diffusers/*.safetensors*"]) / "unet_diffusers"
    return _assembled(folder, svd_folder(svd_path), dtype, (chunk, context), STEREOCRAFTER_TIME_IDS, notices)


def _assembled(
    unet_folder: Path,
    svd: Path,
    dtype: str,
    chunk_and_context: tuple[int, int],
    added_time_ids: Sequence[float],
    notices: tuple[WeightsNotice, ...],
) -> LatentInpaintNetwork:
    kind = dtype_of(dtype)
    built = {name: load_part(part, kind) for name, part in svd_parts(unet_folder, svd).items()}
    unet, (chunk, context) = cast(PerFrameUNet, built["unet"]), chunk_and_context
    codec = TemporalVaePictureCodec(vae=cast(TemporalVae, built["vae"]), chunk=chunk, context=context)
    if unet.config["in_channels"] == 2 * codec.latent_channels:
        widen_input(unet, range(2 * codec.latent_channels), 2 * codec.latent_channels + 1)
    try:
        network = LatentInpaintNetwork(
            unet=VideoDenoiser(unet=unet, added_time_ids=added_time_ids),
            codec=codec,
            tokens=ClipTokens(encoder=cast(Any, built["encoder"]), chunk=chunk),
        )
    except ValueError as error:
        expected = f"a UNet that fits {svd}"
        raise InputError(unet_folder, expected=expected, found=str(error), fix="use one release") from error
    network.architecture = _architecture(built, codec, added_time_ids)
    network.weights = notices
    announce(notices)
    return network.eval()


def _architecture(
    built: Mapping[str, nn.Module], codec: TemporalVaePictureCodec, added_time_ids: Sequence[float]
) -> Mapping[str, Any]:
    """The config that builds this network without the folders, for the `net.yaml` of what is trained from it."""
    configs = svd_architecture(built)
    return target(
        LatentInpaintNetwork,
        codec=target(TemporalVaePictureCodec, vae=configs["vae"], chunk=codec.chunk, context=codec.context),
        tokens=target(ClipTokens, encoder=configs["encoder"], chunk=codec.chunk),
        unet=target(VideoDenoiser, unet=configs["unet"], added_time_ids=list(added_time_ids)),
    )
