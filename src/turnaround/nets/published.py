"""DepthCrafter and Stable Video Diffusion from their published folders, as one `SvdDepthNetwork`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from turnaround.nets.architecture import STEM, announce, dtype_of, named, on_meta, target
from turnaround.nets.codec import DepthDecoder, TemporalVae, TemporalVaeCodec
from turnaround.nets.svd import PerFrameUNet, SvdDepthNetwork
from turnaround.nets.tokens import ClipTokens, clip_encoder
from turnaround.nets.weights import Part, load_part, published_folder, read_json
from turnaround.types import InputError, WeightsNotice

UNET_CLASSES = ("DiffusersUNetSpatioTemporalConditionModelDepthCrafter", "UNetSpatioTemporalConditionModel")
# What the noise levels of DepthCrafter and SVD are made from, see `diffusion.schedule.KarrasLevels`.
SCHEDULER = {"prediction_type": "v_prediction", "sigma_min": 0.002, "sigma_max": 700.0, "use_karras_sigmas": True}
CLIP_NAMES = {"num_hidden_layers": "layers", "num_attention_heads": "heads"}
DEPTHCRAFTER_LICENCE = "Tencent DepthCrafter licence: academic, research and education only, no commercial use"
SVD_LICENCE = "Stability AI Community Licence"


def load_depthcrafter(*, path: str, svd_path: str, dtype: str, chunk: int, decoder: nn.Module) -> SvdDepthNetwork:
    """DepthCrafter's UNet with the VAE and the image encoder of Stable Video Diffusion.

    path: a folder with the UNet at its root or under `unet/`. svd_path: a folder in the layout of SVD's pipeline; its
    own UNet is not read. Both may name a repository of the hub. dtype: float16, bfloat16 or float32. chunk: frames that
    pass the VAE and the image encoder at once. decoder: a `DepthDecoder`, the VAE's own or a light one.

    InputError as of `load_part`; parts of other sizes; another scheduler; another module as decoder.
    """
    folder = published_folder(path, ["config.json", "*.safetensors*", "unet/*.json", "unet/*.safetensors*"])
    notices = (
        WeightsNotice(name="DepthCrafter", source=str(path), licence=DEPTHCRAFTER_LICENCE),
        WeightsNotice(name="Stable Video Diffusion", source=str(svd_path), licence=SVD_LICENCE),
    )
    unet = folder if (folder / "config.json").is_file() else folder / "unet"
    return _assemble(unet, svd_folder(svd_path), dtype_of(dtype), chunk, decoder, notices)


def load_svd(*, path: str, dtype: str, chunk: int, decoder: nn.Module) -> SvdDepthNetwork:
    """Stable Video Diffusion whole, its own UNet included: where DepthCrafter's training starts."""
    notices = (WeightsNotice(name="Stable Video Diffusion", source=str(path), licence=SVD_LICENCE),)
    folder = svd_folder(path, "unet/*.json", "unet/*.safetensors*")
    return _assemble(folder / "unet", folder, dtype_of(dtype), chunk, decoder, notices)


def svd_folder(path: str, *more: str) -> Path:
    parts = [f"{part}/{name}" for part in ("vae", "image_encoder") for name in ("*.json", "*.safetensors*")]
    return published_folder(path, [*parts, "scheduler/*.json", *more])


def _assemble(
    unet: Path,
    svd: Path,
    dtype: torch.dtype,
    chunk: int,
    decoder: nn.Module,
    notices: tuple[WeightsNotice, ...],
) -> SvdDepthNetwork:
    if not isinstance(decoder, DepthDecoder):
        fix = "give the folder that experiment=depth_decoder wrote"
        raise InputError("net.decoder", expected="a depth decoder", found=type(decoder).__name__, fix=fix)
    built = {name: load_part(part, dtype) for name, part in svd_parts(unet, svd).items()}
    try:
        network = SvdDepthNetwork(
            unet=cast(PerFrameUNet, built["unet"]),
            codec=TemporalVaeCodec(vae=cast(TemporalVae, built["vae"]), chunk=chunk, decoder=decoder.to(dtype)),
            tokens=ClipTokens(encoder=cast(Any, built["encoder"]), chunk=chunk),
        )
    except ValueError as error:
        raise InputError(unet, expected=f"a UNet that fits {svd}", found=str(error), fix="use one release") from error
    network.architecture = _architecture(built, chunk, decoder)
    network.weights = tuple(dict.fromkeys((*notices, *decoder.weights)))
    announce(network.weights)
    return network.eval()


def svd_parts(unet: Path, svd: Path) -> Mapping[str, Part]:
    """unet: the folder of a UNet of this kind. svd: that of the pipeline. InputError: another scheduler."""
    _require_scheduler(svd / "scheduler" / "scheduler_config.json")
    return {
        "unet": Part(folder=unet, classes=UNET_CLASSES, stem=STEM, build=on_meta(PerFrameUNet)),
        "vae": Part(
            folder=svd / "vae", classes=["AutoencoderKLTemporalDecoder"], stem=STEM, build=on_meta(TemporalVae)
        ),
        "encoder": Part(
            folder=svd / "image_encoder",
            classes=["CLIPVisionModelWithProjection"],
            stem="model",
            build=lambda entries: CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(dict(entries))),
        ),
    }


def svd_architecture(built: Mapping[str, nn.Module]) -> Mapping[str, Any]:
    """The configs of the built parts, without the folders they came from."""
    entries = cast(dict[str, Any], cast(Any, built["encoder"]).config.to_dict())
    sizes = {CLIP_NAMES.get(key, key): value for key, value in entries.items()}
    return {
        "unet": target(PerFrameUNet, **named(PerFrameUNet, cast(Any, built["unet"]).config)),
        "vae": target(TemporalVae, **named(TemporalVae, cast(Any, built["vae"]).config)),
        "encoder": target(clip_encoder, **named(clip_encoder, sizes)),
    }


def _require_scheduler(path: Path) -> None:
    found = read_json(path)
    for key, value in SCHEDULER.items():
        if found.get(key) != value:
            seen = repr(found[key]) if key in found else "none"
            fix = "give the scheduler of stable-video-diffusion-img2vid-xt"
            raise InputError(f"{path}: {key}", expected=repr(value), found=seen, fix=fix)


def _architecture(built: Mapping[str, nn.Module], chunk: int, decoder: DepthDecoder) -> Mapping[str, Any]:
    """The config that builds this network without the folders, for the `net.yaml` of what is trained from it."""
    configs = svd_architecture(built)
    return target(
        SvdDepthNetwork,
        codec=target(TemporalVaeCodec, vae=configs["vae"], chunk=chunk, decoder=decoder.architecture),
        tokens=target(ClipTokens, encoder=configs["encoder"], chunk=chunk),
        unet=configs["unet"],
    )
