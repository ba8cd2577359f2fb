"""Any model of transformers that labels pixels (SegFormer, DPT, UPerNet, BEiT) from its published folder."""

import json
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import AutoModelForSemanticSegmentation
from transformers.models.auto.modeling_auto import MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES as CLASSES

from turnaround.nets.architecture import announce, dtype_of
from turnaround.nets.device import placed
from turnaround.nets.fingerprint import fingerprint
from turnaround.nets.model_card import notice_of
from turnaround.nets.transformers_folder import FILES, read_entries, read_model, read_processor
from turnaround.nets.weights import published_folder
from turnaround.types import WeightsNotice


class TransformersSegmenter:
    """A `Segmenter`: a model between the two halves of its own image processor."""

    name = "transformers"

    def __init__(self, *, model: nn.Module, processor: Any, weights: Sequence[WeightsNotice], device: str):
        self.model, self.device = placed(model, device)
        self.weights, self._processor = tuple(weights), processor
        config: Any = model.config
        self.classes = tuple(config.id2label[number] for number in sorted(config.id2label))

    def fingerprint(self) -> str:
        processing = json.dumps(self._processor.to_dict(), sort_keys=True, default=str)
        return repr((self.name, processing, self.classes, fingerprint({"model": self.model})))

    @torch.inference_mode()
    def labels(self, frame: Float[Tensor, "3 h w"]) -> Int[Tensor, "h w"]:
        weight = next(self.model.parameters())
        inputs = self._processor(images=[frame.cpu()], do_rescale=False, return_tensors="pt")["pixel_values"]
        outputs = self.model(pixel_values=inputs.to(weight.device, weight.dtype))
        outputs["logits"] = outputs["logits"].float()
        size = (frame.shape[1], frame.shape[2])
        return self._processor.post_process_semantic_segmentation(outputs, target_sizes=[size])[0].long().cpu()


def load_transformers_segmenter(*, path: str, dtype: str, device: str) -> TransformersSegmenter:
    """path: a folder with `config.json`, `preprocessor_config.json` and `model.safetensors`, or a repository of the
    hub. dtype: float16, bfloat16 or float32.

    No code of the folder is run. InputError: another class of model; a part that is missing, of another size or not
    finite; weights that are not safetensors.
    """
    folder = published_folder(path, FILES)
    entries = read_entries(folder / "config.json", CLASSES, what="a semantic segmenter of transformers")
    model = read_model(folder, entries, AutoModelForSemanticSegmentation).to(dtype_of(dtype))
    weights = (notice_of(folder, path),)
    processor = read_processor(folder, needs="post_process_semantic_segmentation")
    segmenter = TransformersSegmenter(model=model, processor=processor, weights=weights, device=device)
    announce(weights)
    return segmenter
