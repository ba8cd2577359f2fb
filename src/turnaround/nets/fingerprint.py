"""A short name for a network as it is: other weights or settings have another."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

STATE = {"training", "chunk", "transformers_version", "dtype", "torch_dtype"}  # say nothing of what a part computes


def fingerprint(parts: Mapping[str, nn.Module]) -> str:
    """16 hexadecimal digits that follow from the classes, the plain settings and the weights of all modules."""
    digest = hashlib.sha256()
    for name, part in parts.items():
        modules = {f"{name}.{path}": [type(m).__qualname__, _settings(m)] for path, m in part.named_modules()}
        digest.update(json.dumps(modules, sort_keys=True).encode())
        for key, tensor in sorted(part.state_dict().items()):
            digest.update(f"{key} {tensor.dtype} {list(tensor.shape)}".encode())
            digest.update(_bytes(tensor))
    return digest.hexdigest()[:16]


def _settings(module: nn.Module) -> dict[str, Any]:
    """What a module was built with, as far as it is numbers and text; names with an underscore tell where from."""
    config: Any = getattr(module, "config", {})
    entries = {**vars(module), **(config.to_dict() if hasattr(config, "to_dict") else config)}
    kept = {key: value for key, value in entries.items() if not key.startswith("_") and key not in STATE}
    return {key: value for key, value in kept.items() if isinstance(value, str | int | float | tuple | list)}


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
