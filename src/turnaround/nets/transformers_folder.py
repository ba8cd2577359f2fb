"""Models of transformers from their published folders, of which no code is run and nothing else is fetched."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoImageProcessor

from turnaround.nets.weights import read_json, weight_files
from turnaround.types import InputError

STEM, PROCESSOR = "model", "preprocessor_config.json"
FILES = ("*.json", "README.md", f"{STEM}*.safetensors*")  # what is needed of a repository of the hub
IGNORED = {"auto_map", "attn_implementation", "_attn_implementation", "_attn_implementation_autoset"}
REFUSED = ("quantization_config", "use_pretrained_backbone")  # they fetch or need more than the folder


def read_entries(path: Path, classes: Mapping[Any, Any], *, what: str) -> dict[str, Any]:
    """Of `config.json`, without what says where code or kernels come from. classes: by model type, those that will do;
    what: such a model, in words."""
    entries = read_json(path)
    names = [name for name in entries.get("architectures") or () if isinstance(name, str)]
    if not set(names) & set(classes.values()) or entries.get("model_type") not in classes:
        found = ", ".join(names) or "no architecture"
        raise InputError(path, expected=what, found=found, fix="give the folder of one of these models")
    return _plain(path, entries)


def _plain(path: Path, entries: Mapping[str, Any]) -> dict[str, Any]:
    for key in REFUSED:
        if entries.get(key):
            fix = "give a release that is whole"
            raise InputError(f"{path}: {key}", expected="none", found=repr(entries[key])[:80], fix=fix)
    return {
        key: _plain(path, value) if isinstance(value, dict) else value
        for key, value in entries.items()
        if key not in IGNORED
    }


def read_model(folder: Path, entries: Mapping[str, Any], auto: Any) -> nn.Module:
    """auto: the class of transformers that knows such models. InputError: weights that are missing, of another size or
    not finite, or not safetensors."""
    files = weight_files(folder, STEM, half=False)  # names what is missing, and pickles
    try:
        config = type(AutoConfig.for_model(entries["model_type"])).from_dict(dict(entries))
        model, told = auto.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            variant="fp16" if ".fp16." in files[0].name else None,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # to name them below
        )
    except Exception as error:  # transformers raises what the bytes at hand happen to trip
        said = str(error).strip().partition("\n")[0]
        expected, fix = "a config and weights of one release", "download it again"
        raise InputError(folder, expected=expected, found=said, fix=fix) from error
    for part in model.modules():
        if hasattr(part, "name_or_path"):
            part.name_or_path = ""  # where it was read from decides nothing
    for key in sorted(told["missing_keys"]):
        raise InputError(f"{folder}: {key}", expected="this key", found="none", fix="give weights of this model")
    for key, found, wanted in sorted(told["mismatched_keys"]):
        expected, fix = f"the shape {tuple(wanted)}", "give weights of this model"
        raise InputError(f"{folder}: {key}", expected=expected, found=f"{tuple(found)}", fix=fix)
    for key, tensor in model.named_parameters():
        if not torch.isfinite(tensor).all():
            raise InputError(f"{folder}: {key}", expected="finite weights", found="NaN or inf", fix="download it again")
    return model


def read_processor(folder: Path, *, needs: str) -> Any:
    """The image processor. needs: its method that turns outputs into what is wanted."""
    read_json(folder / PROCESSOR)
    try:
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # as above
        said = str(error).strip().partition("\n")[0]
        fix = "complete the folder"
        raise InputError(folder / PROCESSOR, expected="an image processor", found=said, fix=fix) from error
    if not hasattr(processor, needs):
        expected, fix = "the image processor of such a model", "give that of this release"
        raise InputError(folder / PROCESSOR, expected=expected, found=type(processor).__name__, fix=fix)
    return processor
