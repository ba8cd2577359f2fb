"""Published weights in the folder layout of diffusers and transformers, checked before anything is built from them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from turnaround.types import InputError

MAX_JSON_BYTES = 2**26


@dataclass(frozen=True, kw_only=True)
class Part:
    """One network of a published model: its folder, the names its class may have, and what its weight files are called.

    build: its constructor, from the entries of `config.json`. renamed: the key today of a key in a file, which may be
    an older one.
    """

    folder: Path
    classes: Sequence[str]
    stem: str
    build: Callable[[Mapping[str, Any]], nn.Module]
    renamed: Callable[[str], str] = str


def published_folder(path: str, patterns: Sequence[str]) -> Path:
    """A local folder, or the files of a hub repository (owner/name) that match `patterns`, downloaded or cached."""
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    if path.count("/") != 1 or path.startswith((".", "/", "~")):
        raise InputError(path, expected="a folder of weights", found="no such folder", fix="correct the path")
    try:
        return Path(snapshot_download(path, allow_patterns=list(patterns)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        expected, fix = "a folder, or a repository of the hub", "download it and give its folder"
        raise InputError(path, expected=expected, found=str(error).partition("\n")[0], fix=fix) from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. InputError: a missing, oversized or broken file."""
    if not path.is_file():
        raise InputError(path, expected="this file", found="none", fix="complete the folder")
    if path.stat().st_size > MAX_JSON_BYTES:
        raise InputError(path, expected="at most 64 MiB of JSON", found="more", fix="download it again")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(path, expected="JSON", found=str(error), fix="download it again") from error
    if not isinstance(found, dict):
        raise InputError(path, expected="a JSON object", found=type(found).__name__, fix="download it again")
    return found


def load_part(part: Part, dtype: torch.dtype) -> nn.Module:
    """The network with its weights, in `dtype`.

    InputError names the missing file (a shard, `config.json`), the class that is another, the first key that is
    missing, unknown or of another shape, or that holds values which are not finite.
    """
    network = _built(part)
    files = weight_files(part.folder, part.stem, half=dtype is not torch.float32)
    shapes = {part.renamed(key): shape for file in files for key, shape in read_shapes(file).items()}
    # Older CLIP files hold the constant position_ids.
    shapes = {key: shape for key, shape in shapes.items() if not key.endswith("position_ids")}
    require_same_net(files[0] if len(files) == 1 else part.folder, shapes, network.state_dict())
    tensors: dict[str, Tensor] = {}
    for file in files:
        found = {part.renamed(key): tensor for key, tensor in read_tensors(file).items()}
        read = {key: tensor for key, tensor in found.items() if key in shapes}
        tensors |= {key: tensor.to(dtype) if tensor.is_floating_point() else tensor for key, tensor in read.items()}
    network.load_state_dict(tensors, assign=True)
    return network.eval()


def weight_files(folder: Path, stem: str, *, half: bool) -> list[Path]:
    """The safetensors of a part, whole or in shards. half: the variant fp16 comes before full precision, else after."""
    for variant in (".fp16", "") if half else ("", ".fp16"):
        whole = folder / f"{stem}{variant}.safetensors"
        if whole.is_file():
            return [whole]
        for index in (f"{stem}{variant}.safetensors.index.json", f"{stem}.safetensors.index{variant}.json"):
            if (folder / index).is_file():
                return _shards(folder / index)
    pickled = next(folder.glob("*.bin"), None)
    found = f"{pickled.name}, which may run code when it is read" if pickled else "none"
    fix = "give the safetensors of the same release" if pickled else "complete the folder"
    raise InputError(folder / f"{stem}.safetensors", expected="this file, or its index of shards", found=found, fix=fix)


def read_shapes(path: Path) -> dict[str, torch.Size]:
    """Keys and shapes of a safetensors file, from its header alone."""
    try:
        with safe_open(path, framework="pt") as file:
            return {key: torch.Size(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(path, expected="safetensors", found=str(error), fix="copy or download it again") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file. InputError: values that are not finite."""
    tensors = load_file(path)
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            found, fix = "NaN or inf", "train or download it again"
            raise InputError(f"{path}: {key}", expected="finite weights", found=found, fix=fix)
    return tensors


def require_same_net(
    path: Path, found: Mapping[str, torch.Size], expected: Mapping[str, Tensor], *, partial: bool = False
) -> None:
    """Names the first key or shape in which a checkpoint is one of another net. partial: keys may be missing."""

    def refuse(key: str, wanted: str, seen: str) -> InputError:
        return InputError(f"{path}: {key}", expected=wanted, found=seen, fix="this is a checkpoint of another net")

    for key, tensor in expected.items():
        if key not in found:
            if not partial:
                raise refuse(key, "this key", "none")
        elif found[key] != tensor.shape:
            raise refuse(key, f"the shape {tuple(tensor.shape)}", f"{tuple(found[key])}")
    for key in found:
        if key not in expected:
            raise refuse(key, "no such key", "one")


def _built(part: Part) -> nn.Module:
    config = part.folder / "config.json"
    entries = read_json(config)
    names = [entries.get("_class_name"), *(entries.get("architectures") or ())]
    if not set(names) & set(part.classes):
        found = ", ".join(str(name) for name in names if name) or "no class"
        raise InputError(config, expected=f"class {' or '.join(part.classes)}", found=found, fix="give its own folder")
    try:
        return part.build(entries)
    except (TypeError, ValueError, KeyError, AttributeError, NotImplementedError, RuntimeError) as error:
        said = str(error).partition("\n")[0]
        raise InputError(config, expected="the sizes of a network", found=said, fix="download it again") from error


def _shards(index: Path) -> list[Path]:
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise InputError(index, expected="a weight_map", found="none", fix="download it again")
    files = [index.parent / name for name in sorted(set(places.values()))]
    for file in files:
        if file.parent.resolve() != index.parent.resolve():
            raise InputError(index, expected="shards beside it", found=str(file), fix="download it again")
        if not file.is_file():
            raise InputError(
                file, expected=f"this shard, named by {index.name}", found="none", fix="complete the folder"
            )
    return files
