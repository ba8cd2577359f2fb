"""Weights and training states on disk: safetensors with the net's config beside it; Lightning's file for resuming."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
import yaml
from pytorch_lightning.plugins.io import TorchCheckpointIO
from safetensors import safe_open
from torch import Tensor, nn

from turnaround.io.atomic import atomic_file
from turnaround.io.existing import existing_file
from turnaround.io.tensors import write_tensors
from turnaround.nets.weights import read_shapes, read_tensors, require_same_net
from turnaround.run.build import TARGET, build_value, locate
from turnaround.run.record import write_text
from turnaround.types import InputError, WeightsNotice

WEIGHTS, NET = "weights.safetensors", "net.yaml"
NOTICES = "started_from"
NETS_PACKAGE = "turnaround.nets"
MAX_NET_BYTES = 2**20
SHIPPED_FOLDER = Path(__file__).resolve().parents[3] / "data" / "checkpoints"
SHIPPED = {path.parent.name: path.parent for path in sorted(SHIPPED_FOLDER.glob(f"*/{WEIGHTS}"))}


@runtime_checkable
class Traced(Protocol):
    """A network that knows where it came from.

    weights: whose it started from, none where it was built new. architecture: the config that builds it, where it was
    loaded; None where it was built from the config at hand.
    """

    weights: Sequence[WeightsNotice]
    architecture: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What builds a network, and whose weights it started from."""

    net: Mapping[str, Any]
    weights: Sequence[WeightsNotice]


def origin(network: nn.Module, net: Mapping[str, Any]) -> Origin:
    """net: the config at hand. That of a loaded network only names a file, so its own `architecture` stands for it."""
    if not isinstance(network, Traced):
        return Origin(net=net, weights=())
    return Origin(net=network.architecture or net, weights=network.weights)


def save_weights(
    folder: Path,
    network: nn.Module,
    net: Mapping[str, Any],
    dtype: torch.dtype | None = None,
    state: Mapping[str, Tensor] | None = None,
) -> None:
    """Writes `net.yaml`, which builds the network, and `weights.safetensors`, which also says whose it started from.

    net: the config at hand, as in `origin`. dtype: what floating-point weights are stored as (float16 halves what is
    shipped), else their own; they are loaded into the network's own type again. state: the network's, where it holds
    but a share of it.
    """
    source = origin(network, net)
    stored = {}
    for name, tensor in (network.state_dict() if state is None else state).items():
        kept = dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
        stored[name] = tensor.detach().to("cpu", kept, copy=True).contiguous()  # tied weights must not share memory
    write_text(folder / NET, yaml.safe_dump(dict(source.net), sort_keys=False))
    notices = [asdict(notice) for notice in source.weights]
    write_tensors(folder / WEIGHTS, stored, {NOTICES: json.dumps(notices)})


def load_network(path: Path | str) -> nn.Module:
    """The network of a checkpoint, on the CPU and in evaluation mode.

    path: a folder of `save_weights`, its `weights.safetensors`, or the name of a shipped checkpoint. InputError: a
    missing or corrupt file, a `net.yaml` that names foreign code (`require_own_code`), weights of another net (the
    first key or shape that differs), weights that are not finite.
    """
    path = SHIPPED.get(str(path), Path(path))
    weights = path / WEIGHTS if path.is_dir() else path
    hint = f"weights ({WEIGHTS}, or one of the shipped: {', '.join(SHIPPED) or 'none'})"
    existing_file(weights, expected=hint)
    net = _read_net(weights.with_name(NET))
    found = read_shapes(weights)
    with torch.random.fork_rng(devices=[]):  # first weights are drawn, and overwritten
        network: nn.Module = build_value(net, str(weights.with_name(NET)))
    require_same_net(weights, found, network.state_dict())
    network.load_state_dict(read_tensors(weights))
    licence = "Apache-2.0" if weights.is_relative_to(SHIPPED_FOLDER) else "that of its training data"
    own = WeightsNotice(name=weights.parent.name, source=str(weights), licence=licence)
    if isinstance(network, Traced):
        network.weights = (own, *_notices(weights))
        network.architecture = net
    return network.eval()


def read_training_state(path: Path) -> Mapping[str, Any]:
    """A Lightning checkpoint of tensors and plain values, memory-mapped. InputError: anything else."""
    existing_file(path, expected="a training checkpoint (last.ckpt)")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch.load raises what the bytes at hand happen to trip
        state, reason = None, str(error).partition("\n")[0]
    else:
        reason = "other content"
    if not isinstance(state, dict) or not {"global_step", "state_dict", "loops"} <= set(state):
        fix = "give the last.ckpt of a training, or leave resume out"
        raise InputError(path, expected="a checkpoint of tensors and plain values", found=reason, fix=fix)
    return state


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's file, written beside its target, so that a full disk or a kill leaves the older one whole."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        with atomic_file(Path(path)) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)


def _notices(path: Path) -> tuple[WeightsNotice, ...]:
    """Whose weights the training started from, as `save_weights` wrote it down."""
    with safe_open(path, framework="pt") as file:
        written = (file.metadata() or {}).get(NOTICES, "[]")
    try:
        return tuple(
            WeightsNotice(**{key: str(value) for key, value in notice.items()}) for notice in json.loads(written)
        )
    except (ValueError, TypeError, AttributeError) as error:
        fix = "take the file that was saved"
        raise InputError(f"{path}: {NOTICES}", expected="notices in JSON", found=str(error), fix=fix) from error


def _read_net(path: Path) -> Mapping[str, Any]:
    existing_file(path, expected="the net's config beside its weights")
    if path.stat().st_size > MAX_NET_BYTES:
        raise InputError(path, expected="a net's config", found="more than 1 MiB", fix="take the one that was saved")
    try:
        net = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(path, expected="YAML", found=str(error), fix="take the file that was saved") from error
    if not isinstance(net, dict) or TARGET not in net:
        raise InputError(path, expected="a mapping with _target_", found="none", fix="take the file that was saved")
    require_own_code(path, net)
    return net


def require_own_code(path: Path | str, value: Any) -> None:
    """Refuses a net's config unless `turnaround.nets` defines all it builds.

    A config can name any function of any module; a downloaded one must not run what we did not write.
    """
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name == TARGET:
                _require_own_target(path, item)
            elif not isinstance(name, str) or (name.startswith("_") and name != "_convert_"):
                raise InputError(path, expected="keys of constructors", found=repr(name), fix="take another checkpoint")
            require_own_code(path, item)
    elif isinstance(value, list):
        for item in value:
            require_own_code(path, item)
    elif isinstance(value, str) and "${" in value:
        raise InputError(path, expected="plain values", found=value, fix="take another checkpoint")


def _require_own_target(path: Path | str, target: Any) -> None:
    try:
        # The prefix comes first, for importing runs code; then what lies there, for our modules import others' names.
        own = str(target).startswith(f"{NETS_PACKAGE}.") and locate(target).__module__.startswith(f"{NETS_PACKAGE}.")
    except (ImportError, AttributeError):
        own = False
    if not own:
        expected = f"_target_s that {NETS_PACKAGE} defines"
        raise InputError(path, expected=expected, found=str(target), fix="take a checkpoint of this version's nets")
