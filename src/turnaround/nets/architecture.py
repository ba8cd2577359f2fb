"""What loaders of published folders share: the constructors their configs fit, and the config of what they built."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from rich.console import Console
from torch import nn

from turnaround.types import InputError, WeightsNotice

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
STEM = "diffusion_pytorch_model"  # what diffusers calls its weight files


def dtype_of(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise InputError("net.dtype", expected=" or ".join(DTYPES), found=name, fix="choose one of them")
    return DTYPES[name]


def on_meta(construct: Callable[..., nn.Module]) -> Callable[[Mapping[str, Any]], nn.Module]:
    """Built without memory of its own: all parameters come from the file."""

    def build(entries: Mapping[str, Any]) -> nn.Module:
        with torch.device("meta"):
            return construct(**named(construct, entries))

    return build


def named(construct: Callable, entries: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a config that the constructor knows: files carry others, on where and how they were saved."""
    known = inspect.signature(construct).parameters
    return {key: value for key, value in entries.items() if key in known}


def target(construct: Callable, **values: Any) -> dict[str, Any]:
    """The config that builds it."""
    return {"_target_": f"{construct.__module__}.{construct.__qualname__}", **values}


def announce(weights: Sequence[WeightsNotice]) -> None:
    """Says on stderr whose weights were loaded."""
    for notice in weights:
        Console(stderr=True, soft_wrap=True).print(f"weights: {notice.name} ({notice.source}); {notice.licence}")
