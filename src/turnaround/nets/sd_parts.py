"""What folders in the layouts of Stable Diffusion share: the UNet, the VAE, the scheduler and the tokens of no text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from turnaround.nets.architecture import STEM, on_meta
from turnaround.nets.inpaint import ImageUNet
from turnaround.nets.vae_picture_codec import KlVae
from turnaround.nets.weights import Part, load_part, read_json
from turnaround.types import InputError

MODEL_INDEX, SCHEDULER_CONFIG = "model_index.json", "scheduler/scheduler_config.json"
MAX_TIME_STEPS = 10_000
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


def patterns(*parts: str) -> list[str]:
    """Of the files that these parts need, with the index, the model card and the scheduler."""
    names = [f"{part}/{name}" for part in parts for name in ("*.json", "*.safetensors*", "*.txt")]
    return ["*.json", "README.md", "scheduler/*.json", *names]


def require_pipeline(folder: Path, classes: Sequence[str], fix: str) -> Mapping[str, Any]:
    """The entries of `model_index.json`. InputError: another pipeline's."""
    entries = read_json(folder / MODEL_INDEX)
    found = entries.get("_class_name")
    if found not in classes:
        subject = f"{folder / MODEL_INDEX}: _class_name"
        raise InputError(subject, expected=" or ".join(classes), found=str(found), fix=fix)
    return entries


def read_schedule(folder: Path) -> Schedule:
    """InputError: one that `ImageDenoiser` does not know."""
    path, fix = folder / SCHEDULER_CONFIG, "give the scheduler of Stable Diffusion"
    entries = read_json(path)
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


def read_scheduler(folder: Path, classes: Sequence[type[SchedulerMixin]]) -> Any:
    """A scheduler of diffusers as the folder describes it. InputError: one of another class."""
    path, fix = folder / SCHEDULER_CONFIG, "give the scheduler of the same release"
    entries, known = read_json(path), {each.__name__: each for each in classes}
    name, steps = entries.get("_class_name"), entries.get("num_train_timesteps", 1000)
    if name not in known:
        raise InputError(f"{path}: _class_name", expected=" or ".join(known), found=str(name), fix=fix)
    if not isinstance(steps, int) or not 1 <= steps <= MAX_TIME_STEPS:
        expected = f"1 to {MAX_TIME_STEPS}"
        raise InputError(f"{path}: num_train_timesteps", expected=expected, found=repr(steps), fix=fix)
    try:
        return cast(Any, known[name]).from_config(entries)
    except (TypeError, ValueError, KeyError, NotImplementedError, RuntimeError) as error:
        said = str(error).partition("\n")[0]
        raise InputError(path, expected=f"the settings of {name}", found=said, fix=fix) from error


def load_unet(folder: Path, dtype: torch.dtype) -> ImageUNet:
    part = Part(folder=folder / "unet", classes=["UNet2DConditionModel"], stem=STEM, build=on_meta(ImageUNet))
    return cast(ImageUNet, load_part(part, dtype))


def load_vae(folder: Path, dtype: torch.dtype) -> KlVae:
    part = Part(
        folder=folder / "vae", classes=["AutoencoderKL"], stem=STEM, build=on_meta(KlVae), renamed=_attention_today
    )
    return cast(KlVae, load_part(part, dtype))


def _attention_today(key: str) -> str:
    for old, new in OLD_ATTENTION.items():
        if ".attentions." in key:
            key = key.replace(old, new)
    return key


def empty_text(folder: Path, unet: ImageUNet, padding: str = "max_length") -> Float[Tensor, "n k"]:
    """The text encoder's tokens of "", in full precision: as many as it takes at most, or with the padding `do_not_pad`
    as few as there are. InputError: tokens that the UNet does not attend to."""
    encoder = load_text_encoder(folder)
    with torch.no_grad():
        tokens = encoder(input_ids=words_of_nothing(folder / "tokenizer", encoder.config, padding)).last_hidden_state[0]
    require_tokens(folder / "text_encoder", unet, tokens)
    return tokens


def load_text_encoder(folder: Path) -> Any:
    """Of `text_encoder/`, in full precision."""

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
    return load_part(part, torch.float32)


def require_tokens(folder: Path, unet: ImageUNet, tokens: Float[Tensor, "n k"]) -> None:
    """folder: what they came from."""
    width = unet.config["cross_attention_dim"]
    if width != tokens.shape[1]:
        expected, found = f"tokens of {width} numbers, for the UNet", str(tokens.shape[1])
        raise InputError(folder, expected=expected, found=found, fix="use one release")


def words_of_nothing(folder: Path, text: CLIPTextConfig, padding: str) -> Int[Tensor, "1 n"]:
    """The numbers of the words of "". folder: the tokenizer's."""
    length = text.max_position_embeddings
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        size = len(tokenizer)
        words = tokenizer("", padding=padding, max_length=length, truncation=True, return_tensors="pt").input_ids
    except Exception as error:  # the tokenizers raise what the bytes at hand happen to trip
        said = str(error).strip().partition("\n")[0]
        raise InputError(folder, expected="a tokenizer of CLIP", found=said, fix="complete the folder") from error
    if size != text.vocab_size:  # transformers makes an empty one where files are missing
        expected, found = f"a tokenizer of {text.vocab_size} words, for the text encoder", str(size)
        raise InputError(folder, expected=expected, found=found, fix="complete the folder")
    return words


def require_channels(folder: Path, unet: ImageUNet, inputs: Sequence[int], output: int) -> None:
    """Of the UNet, for the VAE of the folder."""
    seen = (unet.config["in_channels"], unet.config["out_channels"])
    if seen[0] not in inputs or seen[1] != output:
        expected = f"{' or '.join(map(str, inputs))} input and {output} output channels, for the VAE"
        found, path = f"{seen[0]} and {seen[1]}", folder / "unet" / "config.json"
        raise InputError(path, expected=expected, found=found, fix="use one release")
