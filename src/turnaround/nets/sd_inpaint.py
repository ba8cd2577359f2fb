"""Stable Diffusion's inpainting networks from their published folders, with a depth channel where it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from turnaround.nets.architecture import STEM, announce, dtype_of, named, on_meta, target
from turnaround.nets.inpaint import ImageDenoiser, ImageUNet, LatentInpaintNetwork, NoTokens
from turnaround.nets.model_card import notice_of
from turnaround.nets.vae_picture_codec import KlPictureCodec, KlVae
from turnaround.nets.weights import Part, load_part, published_folder, read_json
from turnaround.nets.widen import repeat_output, widen_input
from turnaround.types import InputError

PIPELINES = ("StableDiffusionInpaintPipeline", "StableDiffusionPipeline")
# Entries of the scheduler and what they are where they are left out; None: they must be there.
SCHEDULER = {
    "prediction_type": ("epsilon", ("epsilon", "v_prediction")),
    "beta_schedule": (None, ("scaled_linear",)),
    "num_train_timesteps": (1000, (1000,)),
    "trained_betas": (None, (None,)),
    "rescale_betas_zero_snr": (False, (False,)),
}
PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "velocity"}
# As attention layers of VAEs were called until diffusers 0.13.
OLD_ATTENTION = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What `ImageDenoiser` needs of the scheduler."""

    prediction: str
    beta_start: float
    beta_end: float


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
    names = [f"{part}/{name}" for part in ("unet", "vae", "text_encoder") for name in ("*.json", "*.safetensors*")]
    folder = published_folder(path, ["*.json", "README.md", *names, "tokenizer/*", "scheduler/*.json"])
    _require_pipeline(folder / "model_index.json")
    schedule = _schedule(folder / "scheduler" / "scheduler_config.json")
    unet, vae = (load_part(part, dtype_of(dtype)) for part in _parts(folder))
    prompt = _empty_text(folder)
    unet, vae = cast(ImageUNet, unet), cast(KlVae, vae)
    if unet.config["cross_attention_dim"] != prompt.shape[1]:
        expected, found = f"tokens of {unet.config['cross_attention_dim']} numbers, for the UNet", str(prompt.shape[1])
        raise InputError(folder / "text_encoder", expected=expected, found=found, fix="use one release")
    codec = KlPictureCodec(vae=vae, chunk=chunk, channels=channels)
    _widen(unet, folder / "unet", codec)
    network = _assembled(unet, codec, prompt, schedule)
    network.weights = (notice_of(folder, path),)
    network.architecture = _architecture(network, schedule)
    announce(network.weights)
    return network.eval()


def _require_pipeline(path: Path) -> None:
    found = read_json(path).get("_class_name")
    if found not in PIPELINES:
        fix = "give a folder of Stable Diffusion 1.x or 2.x"
        raise InputError(f"{path}: _class_name", expected=" or ".join(PIPELINES), found=str(found), fix=fix)


def _schedule(path: Path) -> Schedule:
    entries, fix = read_json(path), "give the scheduler of Stable Diffusion"
    for key, (default, allowed) in SCHEDULER.items():
        found = entries.get(key, default)
        if found not in allowed:
            expected = " or ".join(repr(value) for value in allowed)
            raise InputError(f"{path}: {key}", expected=expected, found=repr(found), fix=fix)
    for key in ("beta_start", "beta_end"):
        found = entries.get(key)
        if not isinstance(found, float) or not 0 < found < 1:
            raise InputError(f"{path}: {key}", expected="a number between 0 and 1", found=repr(found), fix=fix)
    kind = PREDICTIONS[entries.get("prediction_type", "epsilon")]
    return Schedule(prediction=kind, beta_start=entries["beta_start"], beta_end=entries["beta_end"])


def _parts(folder: Path) -> tuple[Part, Part]:
    unet = Part(folder=folder / "unet", classes=["UNet2DConditionModel"], stem=STEM, build=on_meta(ImageUNet))
    vae = Part(
        folder=folder / "vae", classes=["AutoencoderKL"], stem=STEM, build=on_meta(KlVae), renamed=_attention_today
    )
    return unet, vae


def _attention_today(key: str) -> str:
    for old, new in OLD_ATTENTION.items():
        if ".attentions." in key:
            key = key.replace(old, new)
    return key


def _empty_text(folder: Path) -> Float[Tensor, "n k"]:
    """The text encoder's tokens of "", as many as it takes at most, in full precision."""

    def build(entries: Mapping[str, Any]) -> nn.Module:
        model = CLIPTextModel(CLIPTextConfig.from_dict(dict(entries)))
        return getattr(model, "text_model", model)  # transformers 5 left this level out, files have it still

    part = Part(
        folder=folder / "text_encoder",
        classes=["CLIPTextModel"],
        stem="model",
        build=build,
        renamed=lambda key: key.removeprefix("text_model."),
    )
    encoder = cast(Any, load_part(part, torch.float32))
    words = _empty_words(folder / "tokenizer", encoder.config.max_position_embeddings, encoder.config.vocab_size)
    with torch.no_grad():
        return encoder(input_ids=words).last_hidden_state[0]


def _empty_words(folder: Path, length: int, vocabulary: int) -> Int[Tensor, "1 n"]:
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        size = len(tokenizer)
        words = tokenizer("", padding="max_length", max_length=length, truncation=True, return_tensors="pt").input_ids
    except Exception as error:  # the tokenizers raise what the bytes at hand happen to trip
        said = str(error).strip().partition("\n")[0]
        raise InputError(folder, expected="a tokenizer of CLIP", found=said, fix="complete the folder") from error
    if size != vocabulary:  # transformers makes an empty one where files are missing
        expected, found = f"a tokenizer of {vocabulary} words, for the text encoder", str(size)
        raise InputError(folder, expected=expected, found=found, fix="complete the folder")
    return words


def _widen(unet: ImageUNet, folder: Path, codec: KlPictureCodec) -> None:
    """To noisy latents, hole, seen latents; of which each is that of the picture, then that of disparity."""
    each, found = codec.vae.config["latent_channels"], unet.config["in_channels"]
    if found not in (each, 2 * each + 1) or unet.config["out_channels"] != each:
        expected = f"{each} or {2 * each + 1} input and {each} output channels, for the VAE"
        seen = f"{found} and {unet.config['out_channels']}"
        raise InputError(folder / "config.json", expected=expected, found=seen, fix="use one release")
    hole = codec.latent_channels
    places = [*range(each), *range(hole, hole + 1 + each)][:found]
    channels = 2 * codec.latent_channels + 1
    if channels != found:
        widen_input(unet, places, channels)
    if codec.latent_channels != each:
        repeat_output(unet, codec.latent_channels // each)


def _assembled(
    unet: ImageUNet, codec: KlPictureCodec, prompt: Float[Tensor, "n k"], schedule: Schedule
) -> LatentInpaintNetwork:
    denoiser = ImageDenoiser(
        unet=unet,
        prediction=schedule.prediction,
        prompt_tokens=len(prompt),
        beta_start=schedule.beta_start,
        beta_end=schedule.beta_end,
    )
    denoiser.prompt.data.copy_(prompt)
    return LatentInpaintNetwork(unet=denoiser, codec=codec, tokens=NoTokens())


def _architecture(network: LatentInpaintNetwork, schedule: Schedule) -> Mapping[str, Any]:
    """The config that builds this network without the folder, for the `net.yaml` of what is trained from it."""
    denoiser, codec = cast(ImageDenoiser, network.unet), cast(KlPictureCodec, network.codec)
    vae = target(KlVae, **named(KlVae, codec.vae.config))
    return target(
        LatentInpaintNetwork,
        codec=target(KlPictureCodec, vae=vae, chunk=codec.chunk, channels=codec.picture_channels),
        tokens=target(NoTokens),
        unet=target(
            ImageDenoiser,
            unet=target(ImageUNet, **named(ImageUNet, denoiser.unet.config)),
            prediction=schedule.prediction,
            prompt_tokens=len(denoiser.prompt),
            beta_start=schedule.beta_start,
            beta_end=schedule.beta_end,
        ),
    )
