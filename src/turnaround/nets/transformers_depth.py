"""Any depth model of transformers (Depth Anything, DPT, ZoeDepth, Depth Pro, GLPN) from its published folder."""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn
from transformers import AutoModelForDepthEstimation
from transformers.models.auto.modeling_auto import MODEL_FOR_DEPTH_ESTIMATION_MAPPING_NAMES as CLASSES

from turnaround.nets.architecture import announce, dtype_of
from turnaround.nets.frame_by_frame import PictureDepth, depth_kind
from turnaround.nets.model_card import notice_of
from turnaround.nets.transformers_folder import FILES, read_entries, read_model, read_processor
from turnaround.nets.weights import published_folder
from turnaround.types import DepthKind, InputError, WeightsNotice

METRIC_MODELS = ("depth_pro", "glpn", "zoedepth")


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
    folder = published_folder(path, FILES)
    entries = read_entries(folder / "config.json", CLASSES, what="a depth model of transformers")
    wanted = depth_kind(kind)
    _require_kind(folder / "config.json", entries, wanted)
    model = read_model(folder, entries, AutoModelForDepthEstimation).to(dtype_of(dtype))
    weights = (notice_of(folder, path),)
    processor = read_processor(folder, needs="post_process_depth_estimation")
    network = TransformersDepth(model=model, processor=processor, kind=wanted, weights=weights)
    announce(weights)
    return network.eval()


def _require_kind(path: Path, entries: Mapping[str, Any], kind: DepthKind) -> None:
    stated = entries.get("depth_estimation_type")
    metric = entries["model_type"] in METRIC_MODELS or stated == "metric"
    if (metric and kind.is_disparity) or (stated == "relative" and not kind.is_disparity):
        expected, fix = f"depth that is {'metric' if metric else 'affine_disparity'}, as the model says", "correct it"
        raise InputError("kind", expected=expected, found=f"{kind} for {path}", fix=fix)
