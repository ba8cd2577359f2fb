"""DepthCrafter and Stable Video Diffusion from their published folders, as one `SvdDepthNetwork`."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from rich.console import Console
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from turnaround.nets.codec import DepthDecoder, TemporalVae, TemporalVaeCodec
from turnaround.nets.svd import PerFrameUNet, SvdDepthNetwork
from turnaround.nets.tokens import ClipTokens, clip_encoder
from turnaround.nets.weights import Part, load_part, published_folder, read_json
from turnaround.types import InputError, WeightsNotice

UNET_CLASSES = ("DiffusersUNetSpatioTemporalConditionModelDepthCrafter", "UNetSpatioTemporalConditionModel")
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
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
    return _assemble(unet, _svd_folder(svd_path), _dtype(dtype), chunk, decoder, notices)


def load_svd(*, path: str, dtype: str, chunk: int, decoder: nn.Module) -> SvdDepthNetwork:
    """Stable Video Diffusion whole, its own UNet included: where DepthCrafter's training starts."""
    notices = (WeightsNotice(name="Stable Video Diffusion", source=str(path), licence=SVD_LICENCE),)
    folder = _svd_folder(path, "unet/*.json", "unet/*.safetensors*")
    return _assemble(folder / "unet", folder, _dtype(dtype), chunk, decoder, notices)


def _svd_folder(path: str, *more: str) -> Path:
    parts = [f"{part}/{name}" for part in ("vae", "image_encoder") for name in ("*.json", "*.safetensors*")]
    return published_folder(path, [*parts, "scheduler/*.json", *more])


def _dtype(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise InputError("net.dtype", expected=" or ".join(DTYPES), found=name, fix="choose one of them")
    return DTYPES[name]


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
    _require_scheduler(svd / "scheduler" / "scheduler_config.json")
    stem = "diffusion_pytorch_model"
    parts = {
        "unet": Part(folder=unet, classes=UNET_CLASSES, stem=stem, build=_on_meta(PerFrameUNet)),
        "vae": Part(
            folder=svd / "vae", classes=["AutoencoderKLTemporalDecoder"], stem=stem, build=_on_meta(TemporalVae)
        ),
        "encoder": Part(
            folder=svd / "image_encoder",
            classes=["CLIPVisionModelWithProjection"],
            stem="model",
            build=lambda entries: CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(dict(entries))),
        ),
    }
    built = {name: load_part(part, dtype) for name, part in parts.items()}
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
    for notice in network.weights:
        Console(stderr=True, soft_wrap=True).print(f"weights: {notice.name} ({notice.source}); {notice.licence}")
    return network.eval()


def _require_scheduler(path: Path) -> None:
    found = read_json(path)
    for key, value in SCHEDULER.items():
        if found.get(key) != value:
            seen = repr(found[key]) if key in found else "none"
            fix = "give the scheduler of stable-video-diffusion-img2vid-xt"
            raise InputError(f"{path}: {key}", expected=repr(value), found=seen, fix=fix)


def _on_meta(construct: Callable[..., nn.Module]) -> Callable[[Mapping[str, Any]], nn.Module]:
    """Built without memory of its own: all parameters come from the file."""

    def build(entries: Mapping[str, Any]) -> nn.Module:
        with torch.device("meta"):
            return construct(**_named(construct, entries))

    return build


def _named(construct: Callable, entries: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a config that the constructor knows: files carry others, on where and how they were saved."""
    known = inspect.signature(construct).parameters
    return {key: value for key, value in entries.items() if key in known}


def _architecture(built: Mapping[str, nn.Module], chunk: int, decoder: DepthDecoder) -> Mapping[str, Any]:
    """The config that builds this network without the folders, for the `net.yaml` of what is trained from it."""

    def target(construct: Callable, **values: Any) -> dict[str, Any]:
        return {"_target_": f"{construct.__module__}.{construct.__qualname__}", **values}

    entries = cast(dict[str, Any], cast(Any, built["encoder"]).config.to_dict())
    sizes = {CLIP_NAMES.get(key, key): value for key, value in entries.items()}
    encoder = target(clip_encoder, **_named(clip_encoder, sizes))
    vae = target(TemporalVae, **_named(TemporalVae, cast(Any, built["vae"]).config))
    return target(
        SvdDepthNetwork,
        codec=target(TemporalVaeCodec, vae=vae, chunk=chunk, decoder=decoder.architecture),
        tokens=target(ClipTokens, encoder=encoder, chunk=chunk),
        unet=target(PerFrameUNet, **_named(PerFrameUNet, cast(Any, built["unet"]).config)),
    )
