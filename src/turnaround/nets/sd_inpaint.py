"""Stable Diffusion's inpainting networks from their published folders, with a depth channel where it is asked for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from turnaround.nets.architecture import announce, dtype_of, named, target
from turnaround.nets.inpaint import ImageDenoiser, ImageUNet, LatentInpaintNetwork, NoTokens
from turnaround.nets.model_card import notice_of
from turnaround.nets.sd_parts import (
    Schedule,
    empty_text,
    load_unet,
    load_vae,
    patterns,
    read_schedule,
    require_channels,
    require_pipeline,
)
from turnaround.nets.vae_picture_codec import KlPictureCodec, KlVae
from turnaround.nets.weights import published_folder
from turnaround.nets.widen import repeat_output, widen_input

PIPELINES = ("StableDiffusionInpaintPipeline", "StableDiffusionPipeline")


def load_sd_inpaint(*, path: str, dtype: str, chunk: int, channels: int) -> LatentInpaintNetwork:
    """Stable Diffusion 1.x or 2.x for inpainting.

    path: a folder in the layout of `StableDiffusionInpaintPipeline`, or a repository of the hub. The UNet has 9 input
    channels; or 4, as one that is not for inpainting, and is then given the other 5, which change nothing at first.
    dtype: float16, bfloat16 or float32. chunk: frames that pass the VAE at once. channels: 3, or 4 with disparity: its
    noisy and its seen latents start without influence, and its output with the weights of the picture's, since the
    VAE's latents of grey pictures are what those weights know.

    The text encoder gives the tokens of the empty text and is not kept.

    InputError as of `load_part`; another pipeline or scheduler; parts of other sizes.
    """
    folder = published_folder(path, patterns("unet", "vae", "text_encoder", "tokenizer"))
    require_pipeline(folder, PIPELINES, "give a folder of Stable Diffusion 1.x or 2.x")
    schedule = read_schedule(folder)
    unet, vae = load_unet(folder, dtype_of(dtype)), load_vae(folder, dtype_of(dtype))
    prompt = empty_text(folder, unet)
    codec = KlPictureCodec(vae=vae, chunk=chunk, channels=channels)
    widen(unet, folder, codec)
    denoiser = ImageDenoiser(
        unet=unet,
        prediction=schedule.prediction,
        prompt_tokens=len(prompt),
        beta_start=schedule.beta_start,
        beta_end=schedule.beta_end,
    )
    denoiser.prompt.data.copy_(prompt)
    network = LatentInpaintNetwork(unet=denoiser, codec=codec, tokens=NoTokens())
    network.weights = (notice_of(folder, path),)
    network.architecture = architecture(network, schedule)
    announce(network.weights)
    return network.eval()


def widen(unet: ImageUNet, folder: Path, codec: KlPictureCodec) -> None:
    """To noisy latents, hole, seen latents; of which each is that of the picture, then that of disparity."""
    each, found = codec.vae.config["latent_channels"], unet.config["in_channels"]
    require_channels(folder, unet, (each, 2 * each + 1), each)
    hole = codec.latent_channels
    places = [*range(each), *range(hole, hole + 1 + each)][:found]
    channels = 2 * codec.latent_channels + 1
    if channels != found:
        widen_input(unet, places, channels)
    if codec.latent_channels != each:
        repeat_output(unet, codec.latent_channels // each)


def architecture(network: LatentInpaintNetwork, schedule: Schedule, **more: Any) -> Mapping[str, Any]:
    """The config that builds this network without the folder, for the `net.yaml` of what is trained from it.

    more: arguments of its denoiser that an `ImageDenoiser` does not have.
    """
    denoiser, codec = cast(ImageDenoiser, network.unet), cast(KlPictureCodec, network.codec)
    vae = target(KlVae, **named(KlVae, codec.vae.config))
    return target(
        LatentInpaintNetwork,
        codec=target(KlPictureCodec, vae=vae, chunk=codec.chunk, channels=codec.picture_channels),
        tokens=target(NoTokens),
        unet=target(
            type(denoiser),
            unet=target(ImageUNet, **named(ImageUNet, denoiser.unet.config)),
            prediction=schedule.prediction,
            prompt_tokens=len(denoiser.prompt),
            beta_start=schedule.beta_start,
            beta_end=schedule.beta_end,
            **more,
        ),
    )
