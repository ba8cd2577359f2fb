"""Any depth model of transformers (Depth Anything, DPT, ZoeDepth, Depth Pro, GLPN) from its published folder."""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoImageProcessor, AutoModelForDepthEstimation
from transformers.models.auto.modeling_auto import MODEL_FOR_DEPTH_ESTIMATION_MAPPING_NAMES as CLASSES

from turnaround.nets.architecture import announce, dtype_of
from turnaround.nets.frame_by_frame import PictureDepth, depth_kind
from turnaround.nets.model_card import notice_of
from turnaround.nets.weights import published_folder, read_json, weight_files
from turnaround.types import DepthKind, InputError, WeightsNotice

STEM, PROCESSOR = "model", "preprocessor_config.json"
METRIC_MODELS = ("depth_pro", "glpn", "zoedepth")
IGNORED = {"auto_map", "attn_implementation", "_attn_implementation", "_attn_implementation_autoset"}
REFUSED = ("quantization_config", "use_pretrained_backbone")  # they fetch or need more than the folder


class TransformersDepth(PictureDepth):
    """A model between the two halves of its own image processor: what it expects, and back to the picture's size."""

    def __init__(self, *, model: nn.Module, processor: Any, kind: DepthKind, weights: tuple[WeightsNotice, ...]):
        super().__init__(kind=kind, weights=weights)
        self.model, self._processor = model, processor
        self.processing = json.dumps(processor.to_dict(), sort_keys=True, default=str)
        self._sizes = {"source_sizes", "target_sizes"} & set(
            inspect.signature(processor.post_process_depth_estimation).parameters
        )

    def depth(self, image, generator):
        size = (image.shape[1], image.shape[2])
        weight = next(self.model.parameters())
        inputs = self._processor(images=[image.cpu()], do_rescale=False, return_tensors="pt")["pixel_values"]
        outputs = self.model(pixel_values=inputs.to(weight.device, weight.dtype))
        for name in ("predicted_depth", "field_of_view"):  # what the processor reads, in full precision
            if outputs.get(name) is not None:
                outputs[name] = outputs[name].float()
        sizes = {name: [size] for name in self._sizes}
        return self._processor.post_process_depth_estimation(outputs, **sizes)[0]["predicted_depth"].reshape(size)


def load_transformers_depth(*, path: str, kind: str, dtype: str) -> TransformersDepth:
    """path: a folder with `config.json`, `preprocessor_config.json` and `model.safetensors`, or a repository of the
    hub. kind: what its numbers mean, a `DepthKind`. dtype: float16, bfloat16 or float32.

    No code of the folder is run. InputError: another class of model; a part that is missing, of another size or not
    finite; weights that are not safetensors; a kind that the model's own config denies.
    """
    folder = published_folder(path, ["*.json", "README.md", f"{STEM}*.safetensors*"])
    entries = _entries(folder / "config.json")
    wanted = depth_kind(kind)
    _require_kind(folder / "config.json", entries, wanted)
    model = _model(folder, entries).to(dtype_of(dtype))
    weights = (notice_of(folder, path),)
    network = TransformersDepth(model=model, processor=_processor(folder), kind=wanted, weights=weights)
    announce(weights)
    return network.eval()


def _entries(path: Path) -> dict[str, Any]:
    """Of the config, without what says where code or kernels come from."""
    entries = read_json(path)
    names = [name for name in entries.get("architectures") or () if isinstance(name, str)]
    if not set(names) & set(CLASSES.values()) or entries.get("model_type") not in CLASSES:
        expected, found = "a depth model of transformers", ", ".join(names) or "no architecture"
        raise InputError(path, expected=expected, found=found, fix="give the folder of one of these models")
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


def _require_kind(path: Path, entries: Mapping[str, Any], kind: DepthKind) -> None:
    stated = entries.get("depth_estimation_type")
    metric = entries["model_type"] in METRIC_MODELS or stated == "metric"
    if (metric and kind.is_disparity) or (stated == "relative" and not kind.is_disparity):
        expected, fix = f"depth that is {'metric' if metric else 'affine_disparity'}, as the model says", "correct it"
        raise InputError("kind", expected=expected, found=f"{kind} for {path}", fix=fix)


def _model(folder: Path, entries: Mapping[str, Any]) -> nn.Module:
    files = weight_files(folder, STEM, half=False)  # names what is missing, and pickles
    try:
        config = type(AutoConfig.for_model(entries["model_type"])).from_dict(dict(entries))
        model, told = AutoModelForDepthEstimation.from_pretrained(
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
    model.name_or_path = ""  # where it was read from decides nothing
    for key in sorted(told["missing_keys"]):
        raise InputError(f"{folder}: {key}", expected="this key", found="none", fix="give weights of this model")
    for key, found, wanted in sorted(told["mismatched_keys"]):
        expected, fix = f"the shape {tuple(wanted)}", "give weights of this model"
        raise InputError(f"{folder}: {key}", expected=expected, found=f"{tuple(found)}", fix=fix)
    for key, tensor in model.named_parameters():
        if not torch.isfinite(tensor).all():
            raise InputError(f"{folder}: {key}", expected="finite weights", found="NaN or inf", fix="download it again")
    return model


def _processor(folder: Path) -> Any:
    read_json(folder / PROCESSOR)
    try:
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # as above
        said = str(error).strip().partition("\n")[0]
        fix = "complete the folder"
        raise InputError(folder / PROCESSOR, expected="an image processor", found=said, fix=fix) from error
    if not hasattr(processor, "post_process_depth_estimation"):
        expected, fix = "an image processor of a depth model", "give that of this release"
        raise InputError(folder / PROCESSOR, expected=expected, found=type(processor).__name__, fix=fix)
    return processor
